"""Infilling: what is visible stays, what is drawn follows the model, and the order is the one asked for."""

import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from known import Known, Noise

from bbyte.errors import BbyteError, UsageError
from bbyte.generation.holes import HIDDEN, parse, visible
from bbyte.generation.infill import MOST_STEPS, Infill
from bbyte.generation.infilling import Infilling
from bbyte.generation.sampler import sample
from bbyte.generation.sampling import Sampling
from bbyte.generation.windows import windows

FREE = {"temperature": 1.0, "top_k": 0}
TEXT = "aé[MASK*5]…[MASK]🙂b[MASK*4]c"


def filled(infiller, text, samples=1, **words):
    run = Infill(infiller, text, Infilling(**words), samples)
    for _ in run.steps():
        pass
    return run.tokens.astype(np.uint8)


@st.composite
def requests(draw):
    length = draw(st.integers(1, 40))
    hidden = draw(st.lists(st.booleans(), min_size=length, max_size=length).filter(any))
    seen = draw(st.binary(min_size=length, max_size=length))
    words = {
        "steps": draw(st.none() | st.integers(1, 50)),
        "order": draw(st.sampled_from(["confidence", "random", "left"])),
        "temperature": draw(st.sampled_from([0.0, 0.5, 1.0])),
        "remask": draw(st.booleans()),
        "seed": draw(st.integers(0, 2**64 - 1)),
    }
    return np.where(hidden, HIDDEN, visible(seen)).astype(np.int16), words, draw(st.integers(1, 3))


@given(requests())
@settings(max_examples=60, deadline=None)
def test_visible_bytes_never_change_and_revealed_ones_stay(request):
    text, words, samples = request
    run = Infill(Noise(), text, Infilling(**words), samples)
    before, steps = run.tokens.copy(), 0
    for revealed in run.steps():
        now, steps = run.tokens, steps + 1
        assert np.array_equal(now[:, text < HIDDEN], before[:, text < HIDDEN])
        changed = np.zeros(now.shape, bool)
        changed[revealed.lanes, revealed.places] = True
        if not words["remask"]:
            assert np.array_equal(changed, now != before)
            assert (before[changed] == HIDDEN).all()
        assert (now[changed] < HIDDEN).all()
        assert revealed.done == (now[:, text == HIDDEN] < HIDDEN).sum()
        before = now.copy()
    assert (run.tokens < HIDDEN).all()
    assert revealed.done == revealed.total == run.total
    assert steps == run.step_count == min((text == HIDDEN).sum(), words["steps"] or MOST_STEPS)
    assert np.array_equal(run.bits > 0, np.broadcast_to(text == HIDDEN, run.bits.shape))
    assert run.metrics().passes == steps


@pytest.mark.parametrize("steps", [1, 2, 3, 4, 7, 10])
def test_few_steps_reveal_evenly(steps):
    run = Infill(Noise(), parse(b"ab[MASK*10]"), Infilling(steps=steps))
    done = [0] + [revealed.done for revealed in run.steps()]
    assert done == [10 * step // steps for step in range(steps + 1)]
    assert max(np.diff(done)) - min(np.diff(done)) <= 1


def test_more_than_256_hidden_bytes_take_256_steps():
    run = Infill(Noise(context=400), parse(b"[MASK*300]ab"), Infilling(order="left"))
    assert sum(1 for _ in run.steps()) == 256


def order_of(text, samples=1, **words):
    run = Infill(Noise(), text, Infilling(**words), samples)
    lanes = [[] for _ in range(samples)]
    for revealed in run.steps():
        for lane, place in zip(revealed.lanes.tolist(), revealed.places.tolist(), strict=True):
            lanes[lane].append(place)
    return lanes


def test_left_is_from_left_to_right():
    text = parse(b"[MASK*3]ab[MASK*4]c[MASK]")
    assert order_of(text, order="left", samples=2) == [[0, 1, 2, 5, 6, 7, 8, 10]] * 2


def test_random_is_any_order_decided_by_the_seed_and_the_sample():
    text = parse(b"ab[MASK*3]c")
    first = order_of(text, order="random", samples=600)
    assert first == order_of(text, order="random", samples=600)
    assert first[:5] != order_of(text, order="random", samples=5, seed=1)
    counts = np.unique([tuple(order) for order in first], axis=0, return_counts=True)[1]
    assert len(counts) == 6
    assert ((counts - 100) ** 2 / 100).sum() < 20.5  # chi-square of 5 degrees, 1 in 1000


def test_confidence_is_the_surest_byte_first():
    noise, text = Noise(), parse(b"ab[MASK*6]c[MASK*2]")
    run = Infill(noise, text, Infilling(temperature=0.0))
    now = text.copy()
    for revealed in run.steps():
        x = noise.logits(now[None])[0].astype(np.float64)
        surest = x.max(axis=1) - np.log(np.exp(x).sum(axis=1))
        surest[now < HIDDEN] = -np.inf
        assert revealed.places.tolist() == [surest.argmax()]
        now[surest.argmax()] = x[surest.argmax()].argmax()
    assert np.array_equal(run.tokens[0], now)


def test_confidence_is_that_of_the_byte_drawn():
    run = Infill(Noise(), parse(b"ab[MASK*30]c"), Infilling(steps=3, **FREE))
    next(iter(run.steps()))
    early = run.bits[0, run.bits[0] > 0]
    assert len(early) == 10
    one_step = Infill(Noise(), parse(b"ab[MASK*30]c"), Infilling(steps=1, **FREE))
    list(one_step.steps())
    assert np.allclose(np.sort(early), np.sort(one_step.bits[0, one_step.bits[0] > 0])[:10])


@pytest.mark.parametrize("words", [{}, {"order": "random"}, {"remask": True}, {"utf8": "valid", "steps": 3}])
def test_the_seed_decides(words):
    text = parse(TEXT.encode())
    first = filled(Noise(), text, 3, seed=5, **words)
    assert np.array_equal(first, filled(Noise(), text, 3, seed=5, **words))
    assert not np.array_equal(first, filled(Noise(), text, 3, seed=6, **words))
    assert np.array_equal(first[:1], filled(Noise(), text, 1, seed=5, **words)), "samples are on their own"
    assert len({row.tobytes() for row in first}) == 3


def test_bytes_are_drawn_as_the_sampler_draws_them():
    text, noise = parse(b"ab[MASK*4]c"), Noise()
    words = {"temperature": 0.8, "top_k": 20, "top_p": 0.9, "seed": 11}
    found = filled(noise, text, 2, order="left", **words)
    now = np.tile(text, (2, 1))
    for place in range(2, 6):
        now[:, place] = sample(noise.logits(now)[:, place], Sampling(**words), place)
    assert np.array_equal(found, now)


def far_from(model, rows, expected):
    """The chi-square of drawn texts against a joint distribution, less its mean, in deviations."""
    texts = model.texts()
    counts = np.array([sum(row.tobytes() == text for row in rows) for text in texts])
    assert counts.sum() == len(rows), "a text the model excludes"
    wanted = expected.ravel() * len(rows)
    degrees = len(texts) - 1
    return (((counts - wanted) ** 2 / wanted).sum() - degrees) / np.sqrt(2 * degrees)


@pytest.mark.parametrize("order", ["left", "random"])
def test_one_byte_a_step_draws_from_the_joint_distribution(order):
    model = Known()
    rows = filled(model, parse(b"[MASK*3]"), 6000, order=order, **FREE)
    assert far_from(model, rows, model.joint) < 4
    # The same draws are far from independent, so the test can fail.
    assert far_from(model, rows, independent(model)) > 20


def test_given_what_is_visible():
    model = Known()
    rows = filled(model, parse(b"[MASK]b[MASK]"), 4000, order="random", **FREE)
    conditional = np.zeros_like(model.joint)
    conditional[:, 1] = model.joint[:, 1] / model.joint[:, 1].sum()
    counts = np.zeros_like(conditional)
    np.add.at(counts, tuple(rows.T - 97), 1)
    wanted = conditional * 4000
    assert counts[wanted == 0].sum() == 0
    assert ((counts - wanted)[wanted > 0] ** 2 / wanted[wanted > 0]).sum() < 26.1  # 8 degrees, 1 in 1000


@pytest.mark.parametrize("order", ["left", "random", "confidence"])
def test_one_step_draws_each_byte_by_itself(order):
    model = Known()
    rows = filled(model, parse(b"[MASK*3]"), 6000, steps=1, order=order, **FREE)
    assert far_from(model, rows, independent(model)) < 4
    assert far_from(model, rows, model.joint) > 20
    assert model.calls == 1


def independent(model):
    first, second, third = (
        model.joint.sum(axis=tuple({0, 1, 2} - {axis})) for axis in range(model.joint.ndim)
    )
    return first[:, None, None] * second[None, :, None] * third[None, None, :]


def test_the_bits_of_the_metrics_are_the_models_code_length():
    model = Known()
    run = Infill(model, parse(b"[MASK*3]"), Infilling(order="random", **FREE), 50)
    list(run.steps())
    for row, bits in zip(run.tokens, run.bits, strict=True):
        assert np.isclose(bits.sum(), -np.log2(model.joint[tuple(row - 97)]), atol=1e-5)
    figures = run.metrics()
    assert figures.bytes == 150
    assert figures.samples == 50
    assert figures.passes == 3
    assert np.isclose(figures.bits_per_hole_byte, run.bits.sum() / 150)
    assert figures.seconds > 0
    assert figures.to_dict()["bytes_per_second"] == figures.bytes_per_second


def test_remasking_hides_the_least_sure_bytes_again_and_mends_them():
    text = parse(b"ab[MASK*12]c")
    run = Infill(Noise(), text, Infilling(remask=True, order="left", seed=3))
    hidden_again, before, sure = 0, run.tokens.copy(), run.bits.copy()
    for revealed in run.steps():
        lost = (run.tokens == HIDDEN) & (before < HIDDEN)
        hidden_again += lost.sum()
        assert not lost[0, text < HIDDEN].any()
        if lost.any():
            stayed = run.bits[0][(run.bits[0] > 0)]
            assert (sure[lost] >= stayed.max() - 1e-12).all(), "of all revealed the least sure was hidden"
        assert revealed.done == (run.tokens[0, 2:14] < HIDDEN).sum()
        before, sure = run.tokens.copy(), run.bits.copy()
    assert hidden_again > 0
    assert (run.tokens < HIDDEN).all()


def test_remasking_makes_a_text_likelier():
    model = Known(length=5, seed=4)
    text = parse(b"[MASK*5]")

    def mean_bits(**words):
        rows = filled(model, text, 800, order="random", **FREE, **words)
        return -np.log2(model.joint[tuple(rows.T - 97)]).mean()

    assert mean_bits(remask=True) < mean_bits() - 0.3


@pytest.mark.parametrize("remask", [False, True])
def test_the_model_is_asked_once_a_step_and_never_twice_the_same(remask):
    noise = Noise()
    run = Infill(noise, parse(b"a[MASK*9]b"), Infilling(temperature=0.0, remask=remask))
    list(run.steps())
    assert run.metrics().passes == len(noise.seen) == 9
    assert len({seen.tobytes() for seen in noise.seen}) == 9


@pytest.mark.parametrize("steps", [None, 1, 3])
@pytest.mark.parametrize("words", [{}, {"order": "random"}, {"order": "left", "remask": True}])
def test_valid_utf8(steps, words):
    cut = np.frombuffer("aé…🙂bß€𐀀x".encode(), np.uint8).astype(np.int16)
    random = np.random.default_rng(1)
    for seed in range(12):
        text = np.where(random.random(len(cut)) < 0.5, HIDDEN, cut).astype(np.int16)
        text[5] = HIDDEN
        rows = filled(Noise(), text, 2, utf8="valid", steps=steps, seed=seed, **FREE, **words)
        for row in rows:
            assert row.tobytes().decode()
        free = filled(Noise(), text, 2, steps=steps, seed=seed, **FREE, **words)
        assert any(b"\xef\xbf\xbd" in row.tobytes().decode("utf-8", "replace").encode() for row in free)


def test_valid_utf8_leaves_allowed_draws_alone():
    class Letters(Noise):
        def logits(self, tokens, before=None):
            found = super().logits(tokens)
            found[:, :, 128:] -= 1000
            return found

    text = parse(b"ab[MASK*9]c")
    plain = filled(Letters(), text, 2, steps=4)
    assert np.array_equal(plain, filled(Letters(), text, 2, steps=4, utf8="valid"))


def test_impossible_utf8_is_said_before_anything_is_filled():
    with pytest.raises(UsageError, match="no filling of the holes is valid UTF-8"):
        Infill(Noise(), parse(b"a[MASK]\xff"), Infilling(utf8="valid"))


@given(
    st.integers(4, 24),
    st.lists(st.tuples(st.integers(0, 30), st.integers(1, 12)), min_size=1, max_size=8),
    st.integers(0, 30),
)
@settings(max_examples=200, deadline=None)
def test_windows_hold_every_hole_once_with_text_on_both_sides(context, holes, rest):
    parts = [
        part for gap, size in holes for part in (np.zeros(gap, np.int16), np.full(size, HIDDEN, np.int16))
    ]
    text = np.concatenate([*parts, np.zeros(rest, np.int16)])
    try:
        found = windows(text, context)
    except UsageError as error:
        assert "does not fit in the model's window" in error.message
        assert len(text) > context
        return
    assert np.array_equal(np.concatenate([window.places for window in found]), np.flatnonzero(text == HIDDEN))
    for window in found:
        assert window.begin >= 0
        assert window.end <= len(text)
        assert window.end - window.begin == min(context, len(text))
        first, last = window.places[0], window.places[-1]
        assert window.begin <= first
        assert last < window.end
        if len(text) > context:
            assert window.begin < first or first == 0
            assert last + 1 < window.end or last + 1 == len(text)
            middle = (first + last + 1) // 2 - context // 2
            assert window.begin == min(max(middle, 0), len(text) - context)


def test_a_text_longer_than_the_context():
    noise = Noise(context=32)
    text = visible(bytes(range(97, 123)) * 20)
    text[[5, 250, 251, 252, 253, 515]] = HIDDEN
    run = Infill(noise, text, Infilling())
    list(run.steps())
    assert (run.tokens < HIDDEN).all()
    assert np.array_equal(run.tokens[0, text < HIDDEN], text[text < HIDDEN])
    assert all(seen.shape == (1, 32) for seen in noise.seen)
    assert [window.begin for window in run.windows] == [0, 236, 488]


def test_a_hole_larger_than_the_window_is_refused():
    text = parse(b"x" * 20 + b"[MASK*31]" + b"y" * 20)
    with pytest.raises(UsageError, match=r"20:51 of 31 bytes does not fit .* 32 bytes") as caught:
        Infill(Noise(context=32), text, Infilling())
    assert "at most 30 bytes" in caught.value.hint
    Infill(Noise(context=33), text, Infilling())


def test_a_text_without_holes():
    with pytest.raises(UsageError, match="no hole"):
        Infill(Noise(), visible(b"abc"), Infilling())


def test_a_model_that_diverged():
    class Nothing(Noise):
        def logits(self, tokens, before=None):
            return np.full((*tokens.shape, 256), np.nan, np.float32)

    with pytest.raises(BbyteError, match="gives no distribution"):
        filled(Nothing(), parse(b"a[MASK]"))


def test_bad_settings_are_said_all_at_once():
    with pytest.raises(UsageError) as caught:
        Infilling(steps=0, top_p=2.0, temperature=-1.0)
    assert len(caught.value.message.splitlines()) == 3
    with pytest.raises(UsageError, match="confidence, random, left"):
        Infilling(order="right")


def test_importing_loads_no_torch():
    code = "import sys, bbyte.generation.infill; raise SystemExit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_a_window_inside_a_text_is_told_the_byte_before_it():
    class Told(Known):
        def __init__(self):
            super().__init__(length=4)
            self.context, self.told = 8, []

        def logits(self, tokens, before=None):
            self.told.append(None if before is None else before.tolist())
            return np.zeros((*tokens.shape, 256), np.float32)

    for at, expected in ((2, None), (30, True)):
        infiller, text = Told(), visible(bytes(range(60, 100)))
        text[at] = HIDDEN
        filling = Infill(infiller, text, Infilling())
        list(filling.steps())
        begin = filling.windows[0].begin
        assert bool(begin) == bool(expected)
        assert infiller.told == [[60 + begin - 1] if begin else None]
