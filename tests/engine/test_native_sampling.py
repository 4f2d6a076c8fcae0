"""Bytes drawn in the core: those that `generation.sampler` draws from the same logits."""

from functools import cache

import numpy as np
import pytest
from native_models import TEXT, model, native

from bbyte.engine import core
from bbyte.engine.native import Native, NativeModel
from bbyte.engine.weights import Layer, Matrix, Weights
from bbyte.errors import BbyteError
from bbyte.generation.sampler import sample
from bbyte.generation.sampling import Sampling
from bbyte.models.blueprint import Blueprint

WIDTH, LANES = 256, 3
INFINITE, IMPOSSIBLE, NO_TEXT = 0, 1, 2
"""Bytes after which there is no distribution: a logit of +inf, none but -inf, nothing that UTF-8 allows."""


def table():
    """Logits after each byte, (after, 256): flat, steep, of few values, many impossible or all but one."""
    dice = np.random.default_rng(5)
    found = dice.normal(0, 1, (256, 256)) * dice.choice([0.01, 0.3, 1, 3, 30], (256, 1))
    found[50:100] = found[50:100].round()
    found[100:110] = 0.25
    found[110:180][dice.random((70, 256)) < dice.random((70, 1))] = -np.inf
    found[180:190, 1:] = -np.inf
    found[190:200, 65] = 1e6
    found[200:220, 128:] += 40
    found[INFINITE, 3], found[IMPOSSIBLE], found[NO_TEXT] = np.inf, -np.inf, -np.inf
    found[NO_TEXT, 0x80:0xC2] = 1
    return found


@cache
def chooser():
    """A model whose logits are those of the table: its blocks add nothing, and the head knows each byte."""
    plan = Blueprint(
        kind="mamba1", d_model=WIDTH, norm_eps=1e-9, int8_activations=False, embedding="", head="",
        final_norm="", layers=({},), d_inner=1, d_state=1, d_conv=1, dt_rank=1,
    )  # fmt: skip
    with np.errstate(over="ignore"):
        head = np.clip(table().T / 16, -3e38, 3e38).astype(np.float32)  # times 16, which a norm makes of 1
    matrices = {
        role: Matrix(*parts[0], values=np.zeros(parts[0], np.float32))
        for role, parts in plan.matrices().items()
    }
    vectors = {role: np.ones(int(np.prod(shape)), np.float32) for role, shape in plan.vectors().items()}
    embedding, gain = np.eye(WIDTH, dtype=np.float32), np.ones(WIDTH, np.float32)
    return NativeModel(Weights(plan, embedding, head, gain, (Layer(matrices, vectors),)))


def some_settings(dice):
    return Sampling(
        temperature=float(dice.choice([0, 0.01, 0.5, 0.9, 1, 3, 100])),
        top_k=int(dice.choice([0, 0, 1, 2, 50, 255, 256, 300, 2**40])),
        top_p=float(dice.choice([1, 1, 0.9, 0.3, 1e-9])),
        min_p=float(dice.choice([0, 0, 0.02, 1, 1e-9])),
        repetition_penalty=float(dice.choice([1, 1.3, 0.7, 100, 0.01])),
        penalty_window=int(dice.choice([1, 3, 64, 10**12])),
        utf8=str(dice.choice(["any", "valid"])),
        seed=int(dice.integers(2**64, dtype=np.uint64)),
    )


def in_core(s):
    return core.SamplingSettings(
        s.temperature, s.top_p, s.min_p, s.repetition_penalty, s.top_k, s.penalty_window, s.seed,
        s.utf8 == "valid",
    )  # fmt: skip


def expected(logits, settings, position, text):
    if not (logits < np.inf).all():
        return None
    try:
        return sample(logits, settings, position, text)
    except BbyteError:
        return None


@native
def test_the_table_is_what_the_model_says():
    session = Native(chooser(), LANES, 1)
    logits = session.step(np.array([[70], [115], [IMPOSSIBLE]], np.uint8), False)
    right = table()[[70, 115, IMPOSSIBLE]].astype(np.float32)
    assert (np.isinf(logits) == np.isinf(right)).all()
    assert np.allclose(logits, right, rtol=1e-5)


@native
@pytest.mark.parametrize("seed", [0, pytest.param(1, marks=pytest.mark.slow)])
def test_bytes_are_those_of_the_sampler(seed):
    """Of many logits, settings and texts, at many positions: or, of both, that there is no distribution."""
    dice, session, without = np.random.default_rng(seed), Native(chooser(), LANES, 1, threads=2), 0
    for case in range(100_000 if seed else 3000):
        settings, known = some_settings(dice), int(dice.choice([0, 1, 2, 3, 10, 100]))
        text = dice.integers(0, dice.choice([4, 256]), (LANES, 120), dtype=np.uint8)
        fed = dice.integers(0 if case % 4 == 0 else 3, 256, (LANES, 1), dtype=np.uint8)
        position = int(dice.integers(2 ** int(dice.integers(1, 62))))
        logits, before = session.step(fed, False), text.copy()
        drawn = session.write(in_core(settings), 1, position, text, known, feeds=False)
        right = expected(logits, settings, position, before[:, :known])
        assert drawn == (right is not None), (settings, fed)
        without += not drawn
        if drawn:
            assert text[:, known].tolist() == right.tolist(), (settings, fed)
            before[:, known] = right
            assert (text == before).all()
            assert session.logits().tobytes() == logits.tobytes()
    assert without < 0.2 * case


@native
@pytest.mark.parametrize("threads", [1, 2, 4])
@pytest.mark.parametrize("shape", ["grouped", "mamba2", "mamba1_full"])
def test_a_text_is_the_one_written_byte_by_byte(shape, threads):
    known, n, position = 5, 60, 2**40
    settings = Sampling(0.8, 40, 0.95, 0.01, 1.2, 16, "valid", 2**64 - 5)
    text = np.zeros((5, known + n + 9), np.uint8)
    text[:, :known] = TEXT[:, :known]
    slow, fast = (Native(model(shape), 5, 70, threads=one) for one in (1, threads))
    logits = slow.step(text[:, :known], False)
    fast.step(text[:, :known], False)
    right = text.copy()
    for i in range(n):
        right[:, known + i] = sample(logits, settings, position + i, right[:, : known + i])
        logits = slow.step(right[:, known + i : known + i + 1], False)
    assert fast.write(in_core(settings), 25, position, text, known)
    assert fast.write(in_core(settings), n - 25, position + 25, text, known + 25)
    assert (text == right).all()
    assert fast.length == known + n
    assert fast.logits().tobytes() == logits.tobytes()
    assert len(np.unique(text[:, known:-9])) > 20


@native
@pytest.mark.parametrize("last", [INFINITE, IMPOSSIBLE, NO_TEXT])
def test_without_a_distribution_no_byte_is_drawn(last):
    for temperature in (0.0, 1.0):
        session, settings = Native(chooser(), 2, 1), in_core(Sampling(temperature, utf8="valid"))
        text = np.zeros((2, 20), np.uint8)
        session.step(np.array([[70], [70]], np.uint8), False)
        assert session.write(settings, 1, 0, text, 0, feeds=False)
        session.step(np.array([[70], [last]], np.uint8), False)
        assert not session.write(settings, 1, 0, text, 0, feeds=False)
        assert not session.write(settings, 9, 0, text, 0)


@native
@pytest.mark.parametrize(
    "wrong",
    [
        {"temperature": -1}, {"temperature": 0.001}, {"temperature": np.nan}, {"temperature": np.inf},
        {"top_k": -1}, {"top_p": 0}, {"top_p": 1.01}, {"top_p": np.nan}, {"min_p": -0.1}, {"min_p": 2},
        {"penalty": 0}, {"penalty": 1e300}, {"penalty": np.nan}, {"penalty_window": 0},
        {"penalty_window": -(2**63)},
    ],
)  # fmt: skip
def test_settings_out_of_bounds_are_refused(wrong):
    session, text = Native(chooser(), 1, 1), np.zeros((1, 9), np.uint8)
    session.step(text[:, :1], False)
    settings = in_core(Sampling())
    for name, value in wrong.items():
        setattr(settings, name, value)
    with pytest.raises(ValueError, match="refuses"):
        session.write(settings, 1, 0, text, 0)


@native
@pytest.mark.parametrize(
    ("n", "known"), [(10, 0), (1, 9), (-1, 0), (1, -1), (2**63 - 1, 1), (1, 2**63 - 1), (0, 10)]
)
def test_a_text_that_is_too_short_is_refused(n, known):
    session, text = Native(chooser(), 1, 1), np.zeros((1, 9), np.uint8)
    session.step(np.full((1, 1), 70, np.uint8), False)
    with pytest.raises(ValueError, match="has no room"):
        session.write(in_core(Sampling()), n, 0, text, known)
    assert session.length == 1
    assert not text.any()
