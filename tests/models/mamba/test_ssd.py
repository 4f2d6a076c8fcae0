"""The state space of Mamba-2 in chunks against one position at a time: results, states and gradients."""

import itertools

import pytest
import torch
from torch._subclasses.fake_tensor import FakeTensorMode

from bbyte.models.mamba import ssd as module
from bbyte.models.mamba.ssd import ssd, ssd_reference, ssd_step

LENGTHS = (1, 2, 3, 4, 5, 63, 64, 65, 130, 200)
INPUTS = ("x", "dt", "a", "b", "c", "skip")


def inputs(length, *, batch=2, heads=4, width=3, states=5, groups=1, largest_dt=0.5, kind=torch.float64):
    """x, dt, a, b, c, skip and a state, of sizes at which every position can be told in the last output."""
    generator = torch.Generator().manual_seed(length)

    def normal(*shape):
        return torch.randn(shape, generator=generator, dtype=torch.float64)

    dt = torch.rand(batch, length, heads, generator=generator, dtype=torch.float64) * largest_dt
    a = -torch.linspace(1, 16, heads, dtype=torch.float64)
    b, c = (normal(batch, length, groups, states) / states**0.5 for _ in range(2))
    parts = [normal(batch, length, heads, width), dt, a, b, c, normal(heads)]
    return [part.to(kind) for part in parts], normal(batch, heads, width, states).to(kind)


def relative(found, expected):
    """The largest difference, as a part of the largest value."""
    return float((found.double() - expected.double()).abs().max() / expected.double().abs().max())


@pytest.mark.parametrize("length", LENGTHS)
@pytest.mark.parametrize("groups", [1, 2, 4])
@pytest.mark.parametrize("begun", [False, True])
def test_chunks_are_the_recurrence(length, groups, begun):
    parts, state = inputs(length, groups=groups)
    given = state.clone() if begun else None
    found, expected = ssd(*parts, given), ssd_reference(*parts, given)
    for one, other in zip(found, expected, strict=True):
        torch.testing.assert_close(one, other, rtol=0, atol=1e-9)
    if begun:
        assert torch.equal(given, state)  # what was given stays


@pytest.mark.parametrize("length", [5, 130])
def test_steps_are_the_recurrence(length):
    (x, dt, a, b, c, skip), state = inputs(length, groups=2)
    expected, last = ssd_reference(x, dt, a, b, c, skip, state)
    for t in range(length):
        y = ssd_step(x[:, t], dt[:, t], a, b[:, t], c[:, t], skip, state)
        torch.testing.assert_close(y, expected[:, t], rtol=0, atol=1e-9)
    torch.testing.assert_close(state, last, rtol=0, atol=1e-9)


@pytest.mark.parametrize("cut", [1, 63, 64, 65, 129])
def test_in_two_pieces_it_is_the_whole(cut):
    (x, dt, a, b, c, skip), state = inputs(130, groups=2)
    whole, last = ssd(x, dt, a, b, c, skip, state)
    pieces = []
    for part in (slice(None, cut), slice(cut, None)):
        y, state = ssd(x[:, part], dt[:, part], a, b[:, part], c[:, part], skip, state)
        pieces.append(y)
    torch.testing.assert_close(torch.cat(pieces, dim=1), whole, rtol=0, atol=1e-9)
    torch.testing.assert_close(state, last, rtol=0, atol=1e-9)


@pytest.mark.parametrize("length", [1, 50, 65, 129])
def test_what_fills_up_the_last_chunk_changes_nothing(length):
    """What would come after is not read, and the state is that after the last position."""
    (x, dt, a, b, c, skip), _ = inputs(192)
    longer, _ = ssd(x, dt, a, b, c, skip)
    begin = [part[:, :length] for part in (x, dt, b, c)]
    found, state = ssd(begin[0], begin[1], a, begin[2], begin[3], skip)
    torch.testing.assert_close(found, longer[:, :length], rtol=0, atol=1e-9)
    _, expected = ssd_reference(begin[0], begin[1], a, begin[2], begin[3], skip)
    torch.testing.assert_close(state, expected, rtol=0, atol=1e-9)
    assert found.shape[1] == length and found.isfinite().all()


@pytest.mark.parametrize(("length", "groups"), [(1, 1), (7, 1), (7, 2), (8, 4)])
@pytest.mark.parametrize("begun", [False, True])
def test_gradients_are_those_of_differences(monkeypatch, length, groups, begun):
    monkeypatch.setattr(module, "CHUNK", {"cpu": 3})
    parts, state = inputs(length, batch=2, heads=4, width=2, states=2, groups=groups)
    parts = [part.requires_grad_() for part in parts]
    assert torch.autograd.gradcheck(lambda *given: ssd(*given, state if begun else None)[0], parts)


@pytest.mark.parametrize("begun", [False, True])
def test_gradients_are_those_of_the_recurrence(begun):
    parts, state = inputs(150, groups=2)
    state = state if begun else None
    found, expected = (gradients(f, parts, state) for f in (ssd, ssd_reference))
    for name, one, other in zip(INPUTS, found, expected, strict=True):
        assert relative(one, other) < 1e-9, name


def gradients(function, parts, state=None):
    """Those of a random sum of the outputs."""
    given = [part.detach().requires_grad_() for part in parts]
    y, _ = function(*given, state)
    weights = torch.randn(y.shape, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    (y * weights.to(y.dtype)).sum().backward()
    return [part.grad for part in given]


# Where the steps are large their sums are too, and a float32 cannot say small differences of those.
@pytest.mark.parametrize(("largest_dt", "tolerance"), [(0.1, 1e-4), (20.0, 1e-3)])
def test_float32_comes_close_to_float64(largest_dt, tolerance):
    parts, _ = inputs(256, width=64, states=64, largest_dt=largest_dt, kind=torch.float32)
    exact = [part.double() for part in parts]
    for one, other in zip(ssd(*parts), ssd_reference(*exact), strict=True):
        assert relative(one, other) < tolerance
    found, expected = gradients(ssd, parts), gradients(ssd_reference, exact)
    for name, one, other in zip(INPUTS, found, expected, strict=True):
        assert one.dtype == torch.float32
        assert relative(one, other) < tolerance, name


@pytest.mark.parametrize("dt", [0.0, 1e-8, 20.0, 1e4])
def test_extreme_decays_give_finite_numbers(dt):
    """From none at all to one that forgets everything at every position."""
    parts, state = inputs(130, kind=torch.float32)
    parts[1] = torch.full_like(parts[1], dt)
    y, last = ssd(*parts, state)
    assert y.isfinite().all() and last.isfinite().all()
    assert all(grad.isfinite().all() for grad in gradients(ssd, parts, state))
    expected, _ = ssd_reference(*(part.double() for part in parts), state.double())
    assert relative(y, expected) < 1e-4
    if dt == 0:
        assert torch.equal(last, state)


def test_bfloat16_keeps_its_decay_in_float32():
    parts, state = inputs(200, width=16, states=16, largest_dt=0.05, kind=torch.float32)
    expected, last = ssd(*parts, state)
    x, dt, a, b, c, skip = parts
    short = [x.bfloat16(), dt, a, b.bfloat16(), c.bfloat16(), skip]
    for enabled in (False, True):
        with torch.autocast("cpu", torch.bfloat16, enabled=enabled):
            found, found_last = ssd(*short, state)
        assert found.dtype == torch.bfloat16 and found_last.dtype == torch.float32
        assert relative(found, expected) < 2e-2
        assert relative(found_last, last) < 2e-2
    with torch.autocast("cpu", torch.bfloat16):
        found, _ = ssd(*parts, state)
    assert torch.equal(found, expected)  # float32 stays what it is


def test_gradients_of_bfloat16_come_close_to_float64():
    (x, dt, a, b, c, skip), _ = inputs(200, width=16, states=16, largest_dt=0.1, kind=torch.float32)
    short = [x.bfloat16(), dt, a, b.bfloat16(), c.bfloat16(), skip]
    found = gradients(ssd, short)
    expected = gradients(ssd_reference, [part.double() for part in short])
    for name, part, one, other in zip(INPUTS, short, found, expected, strict=True):
        assert one.dtype == part.dtype
        assert relative(one, other) < 2e-2, name


def test_a_decay_too_slow_for_bfloat16_is_kept():
    """exp(-1e-4) is 1 in bfloat16: after 2,000 positions a fifth would still be there that is gone."""
    x, b, c = (torch.zeros(1, 2000, *shape, dtype=torch.bfloat16) for shape in ((1, 1), (1, 1), (1, 1)))
    dt, one = torch.full((1, 2000, 1), 1e-4), torch.ones(1)
    _, state = ssd(x, dt, -one, b, c, one, torch.ones(1, 1, 1, 1))
    assert float(state) == pytest.approx(0.8187, abs=1e-4)


@pytest.mark.parametrize("groups", [1, 2])
def test_rows_may_be_computed_in_any_number_at_once(monkeypatch, groups):
    parts, state = inputs(100, batch=5, groups=groups)
    results = []
    for cached in (1, 1 << 40):
        monkeypatch.setattr(module, "CACHED", cached)
        results.append([*ssd(*parts, state), *gradients(ssd, parts, state)])
    for one, other in zip(*results, strict=True):
        torch.testing.assert_close(one, other, rtol=0, atol=1e-11)


def test_results_do_not_depend_on_the_size_of_a_chunk(monkeypatch):
    parts, state = inputs(100, groups=2)
    results = []
    for size in (1, 7, 64, 1000):
        monkeypatch.setattr(module, "CHUNK", {"cpu": size})
        results.append([*ssd(*parts, state), *gradients(ssd, parts, state)])
    for one, other in itertools.pairwise(results):
        for first, second in zip(one, other, strict=True):
            torch.testing.assert_close(first, second, rtol=0, atol=1e-10)


def test_a_row_does_not_depend_on_the_others():
    parts, state = inputs(70, batch=3)
    whole, last = ssd(*parts, state)
    x, dt, a, b, c, skip = parts
    for row in range(3):
        at = slice(row, row + 1)
        y, end = ssd(x[at], dt[at], a, b[at], c[at], skip, state[at])
        torch.testing.assert_close(y, whole[at], rtol=0, atol=1e-12)
        torch.testing.assert_close(end, last[at], rtol=0, atol=1e-12)


def test_no_gradient_flows_through_the_state():
    parts, state = inputs(10)
    state = state.requires_grad_()
    y, last = ssd(*(part.requires_grad_() for part in parts), state)
    assert not last.requires_grad
    y.sum().backward()
    assert state.grad is None and parts[0].grad is not None


def test_it_is_planned_without_numbers():
    with FakeTensorMode():
        parts = [part.requires_grad_() for part in inputs_of_zeros(100)]
        y, state = ssd(*parts)
        y.sum().backward()
        assert y.shape == parts[0].shape and state.shape == (2, 4, 3, 5)
        assert all(part.grad.shape == part.shape for part in parts)


def inputs_of_zeros(length):
    return [
        torch.zeros(2, length, 4, 3), torch.zeros(2, length, 4), torch.zeros(4), torch.zeros(2, length, 2, 5),
        torch.zeros(2, length, 2, 5), torch.zeros(4),
    ]  # fmt: skip


@pytest.mark.parametrize("length", [65, 130])
def test_the_plain_formula_is_the_recurrence(monkeypatch, length):
    """What a compiler gets."""
    monkeypatch.setattr(torch.compiler, "is_compiling", lambda: True)
    parts, state = inputs(length, groups=2)
    for one, other in zip(ssd(*parts, state), ssd_reference(*parts, state), strict=True):
        torch.testing.assert_close(one, other, rtol=0, atol=1e-9)
    for one, other in zip(gradients(ssd, parts), gradients(ssd_reference, parts), strict=True):
        assert relative(one, other) < 1e-9


@pytest.mark.slow
def test_compiled_it_is_the_same():
    parts, state = inputs(100, groups=2, kind=torch.float32)
    compiled = torch.compile(ssd, fullgraph=True)
    for one, other in zip(compiled(*parts, state), ssd(*parts, state), strict=True):
        assert relative(one, other) < 1e-5
    for one, other in zip(gradients(compiled, parts), gradients(ssd, parts), strict=True):
        assert relative(one, other) < 1e-4
