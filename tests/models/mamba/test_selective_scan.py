"""The selective scan against the plain loop: values, states, gradients, and what must not disturb them."""

import subprocess
import sys

import pytest
import torch
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.nn import functional as F

from bbyte.models.mamba import selective_scan as module
from bbyte.models.mamba.selective_scan import (
    selective_scan,
    selective_scan_reference,
    selective_scan_step,
)

LENGTHS = (1, 2, 5, 16, 17, 63, 100)
NAMES = ("x", "dt", "a", "b", "c", "skip")


def scan_inputs(positions, batch=3, width=8, n=4, dtype=torch.float64, seed=0):
    """x, dt, a, b, c, skip with gradients, and a state before the first position."""
    generator = torch.Generator().manual_seed(seed)

    def random(*shape):
        return torch.randn(*shape, generator=generator, dtype=torch.float64).to(dtype)

    inputs = (
        random(batch, positions, width),
        F.softplus(random(batch, positions, width) - 1),
        -torch.exp(random(width, n)),
        random(batch, positions, n),
        random(batch, positions, n),
        random(width),
    )
    return [each.requires_grad_() for each in inputs], random(batch, width, n)


def results(function, inputs, state):
    """By name: y, the last state and the gradients of a weighting of y."""
    y, end = function(*inputs, state)
    weights = torch.randn(y.shape, generator=torch.Generator().manual_seed(9)).bfloat16().double()
    gradients = torch.autograd.grad((y.double() * weights).sum(), inputs)
    return {"y": y.detach(), "state": end.detach(), **dict(zip(NAMES, gradients, strict=True))}


def assert_same(ours, theirs, tolerance):
    """Alike to `tolerance` of the largest number of each."""
    for name, value in theirs.items():
        assert ours[name].shape == value.shape, name
        assert ours[name].isfinite().all(), name
        worst = (ours[name].double() - value.double()).abs().max() / value.double().abs().max().clamp(min=1)
        assert worst <= tolerance, f"{name} is off by {worst:.1e}"


@pytest.mark.parametrize("given", [False, True], ids=["zeros", "state"])
@pytest.mark.parametrize("positions", LENGTHS)
def test_scan_is_the_loop(positions, given):
    inputs, state = scan_inputs(positions)
    state = state if given else None
    assert_same(
        results(selective_scan, inputs, state), results(selective_scan_reference, inputs, state), 1e-9
    )


def test_loop_of_one_channel_and_one_state_by_hand():
    half = -torch.log(torch.tensor([[2.0]], dtype=torch.float64))  # exp(dt a) is a half where dt is 1
    x = torch.tensor([[[8.0], [0.0], [4.0]]], dtype=torch.float64)
    ones = torch.ones(1, 3, 1, dtype=torch.float64)
    for function in (selective_scan_reference, selective_scan):
        y, state = function(x, ones, half, ones, 3 * ones, torch.tensor([10.0], dtype=torch.float64))
        torch.testing.assert_close(y.flatten().tolist(), [24.0 + 80.0, 12.0, 18.0 + 40.0])
        assert state.item() == pytest.approx(6.0)


@pytest.mark.parametrize("positions", [17, 100])
def test_float32_is_close(positions):
    inputs, state = scan_inputs(positions, dtype=torch.float32)
    exact = results(
        selective_scan_reference,
        [each.detach().double().requires_grad_() for each in inputs],
        state.double(),
    )
    ours = results(selective_scan, inputs, state)
    assert {each.dtype for each in ours.values()} == {torch.float32}
    assert_same(ours, exact, 1e-5)


@pytest.mark.parametrize("positions", [3, 18])
def test_gradients_by_differences(positions, monkeypatch):
    monkeypatch.setattr(module, "_CHUNK", 4)
    inputs, state = scan_inputs(positions, batch=2, width=3, n=2)
    assert torch.autograd.gradcheck(lambda *each: selective_scan(*each, state)[0], inputs)


def test_many_blocks_of_rows_and_one_are_the_same(monkeypatch):
    inputs, state = scan_inputs(37, batch=5)
    whole = results(selective_scan, inputs, state)
    monkeypatch.setattr(module, "_CACHED", 1)
    assert_same(results(selective_scan, inputs, state), whole, 1e-12)
    monkeypatch.setattr(module, "_CACHED", 2 * 8 * 4)
    assert_same(results(selective_scan, inputs, state), whole, 1e-12)


@pytest.mark.parametrize("cut", [1, 16, 30, 62])
def test_two_parts_with_the_state_carried_are_the_whole(cut):
    (x, dt, a, b, c, skip), state = scan_inputs(63)
    whole, end = selective_scan(x, dt, a, b, c, skip, state)
    first, between = selective_scan(x[:, :cut], dt[:, :cut], a, b[:, :cut], c[:, :cut], skip, state)
    second, last = selective_scan(x[:, cut:], dt[:, cut:], a, b[:, cut:], c[:, cut:], skip, between)
    torch.testing.assert_close(torch.cat((first, second), 1), whole, atol=1e-12, rtol=0)
    torch.testing.assert_close(last, end, atol=1e-12, rtol=0)


@torch.no_grad()
def test_step_by_step_is_the_whole():
    (x, dt, a, b, c, skip), state = scan_inputs(40)
    whole, end = selective_scan(x, dt, a, b, c, skip, state)
    steps = [selective_scan_step(x[:, t], dt[:, t], a, b[:, t], c[:, t], skip, state) for t in range(40)]
    torch.testing.assert_close(torch.stack(steps, 1), whole, atol=1e-12, rtol=0)
    torch.testing.assert_close(state, end, atol=1e-12, rtol=0)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("step", [0.0, 50.0, 1e4])
def test_steps_without_length_and_steps_that_forget_all(step, dtype):
    inputs, state = scan_inputs(20, dtype=dtype)
    inputs[1] = torch.full_like(inputs[1], step).requires_grad_()
    inputs[1].data[:, ::3] = 0.1
    tolerance = 1e-9 if dtype == torch.float64 else 1e-5
    assert_same(
        results(selective_scan, inputs, state), results(selective_scan_reference, inputs, state), tolerance
    )


def test_state_and_a_constant_take_no_gradient():
    inputs, state = scan_inputs(20)
    state.requires_grad_()
    y, end = selective_scan(*inputs, state)
    assert not end.requires_grad
    y.sum().backward()
    assert state.grad is None
    inputs, _ = scan_inputs(20)
    y, _ = selective_scan(*(each.detach() for each in inputs))
    assert not y.requires_grad


def test_inputs_may_be_views():
    inputs, state = scan_inputs(35)
    x, dt, a, b, c, skip = inputs
    expected = results(selective_scan, inputs, state)
    parts = torch.cat((dt, b, c), -1).detach()
    dt, b, c = (each.requires_grad_() for each in parts.split([8, 4, 4], -1))
    x = x.detach().transpose(1, 2).contiguous().transpose(1, 2).requires_grad_()
    a = a.detach().t().contiguous().t().requires_grad_()
    transposed = state.transpose(1, 2).contiguous().transpose(1, 2)
    assert_same(results(selective_scan, [x, dt, a, b, c, skip], transposed), expected, 1e-12)


def test_autocast_changes_nothing_and_the_result_has_the_dtype_of_x():
    inputs, state = scan_inputs(33, dtype=torch.float32)
    halves = [
        each.detach().bfloat16().requires_grad_() if name in "xbc" else each
        for name, each in zip(NAMES, inputs, strict=True)
    ]
    expected = results(selective_scan, [each.detach().float().requires_grad_() for each in halves], state)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        ours = results(selective_scan, halves, state)
        stepped = selective_scan_step(
            *(each[:, 0] if each.dim() == 3 else each for each in halves), state.clone()
        )
    for name in ("y", "x", "b", "c"):
        assert ours[name].dtype == torch.bfloat16
        torch.testing.assert_close(ours[name], expected[name].bfloat16())
    for name in ("state", "dt", "a", "skip"):
        assert ours[name].dtype == torch.float32
        torch.testing.assert_close(ours[name], expected[name])
    torch.testing.assert_close(stepped, ours["y"][:, 0])


def test_little_is_kept_for_the_backward_pass():
    inputs, _ = scan_inputs(64, width=16, n=8)
    kept = []
    with torch.autograd.graph.saved_tensors_hooks(lambda each: kept.append(each.numel()), lambda each: each):
        selective_scan(*inputs)
    assert sorted(kept)[-2:] == [3 * 64 * 16] * 2  # x and dt; the states of all positions are 8 times that


def test_compiled_without_a_break_is_the_same():
    inputs, state = scan_inputs(37)
    compiled = torch.compile(selective_scan, fullgraph=True, backend="aot_eager")
    assert_same(results(compiled, inputs, state), results(selective_scan, inputs, state), 1e-12)


@pytest.mark.slow
def test_compiled_by_the_compiler_is_the_same():
    inputs, state = scan_inputs(37)
    compiled = torch.compile(selective_scan, fullgraph=True)
    assert_same(results(compiled, inputs, state), results(selective_scan, inputs, state), 1e-12)


def test_operator_is_what_it_says():
    inputs, state = scan_inputs(20)
    torch.library.opcheck(module._scan, (*inputs, state, True))
    torch.library.opcheck(module._scan, (*(each.detach() for each in inputs), None, False))


def test_without_gradients_the_compiler_is_not_loaded():
    program = """
import sys, torch
from bbyte.models.mamba.selective_scan import selective_scan
x, b = torch.rand(1, 20, 4), torch.rand(1, 20, 2)
selective_scan(x, x, -torch.rand(4, 2), b, b, torch.rand(4))
assert "torch._dynamo" not in sys.modules
"""
    subprocess.run([sys.executable, "-c", program], check=True)


@torch.no_grad()
def test_compiled_without_gradients_is_the_same():
    inputs, state = scan_inputs(20)
    compiled = torch.compile(selective_scan, fullgraph=True, backend="aot_eager")
    for ours, theirs in zip(compiled(*inputs, state), selective_scan(*inputs, state), strict=True):
        torch.testing.assert_close(ours, theirs)


def test_shapes_without_numbers():
    with FakeTensorMode():
        inputs, state = scan_inputs(37, dtype=torch.float32)
        found = results(selective_scan, inputs, state)
        step = selective_scan_step(
            *(each[:, 0] if each.dim() == 3 else each for each in inputs), state.clone()
        )
    assert found["y"].shape == found["x"].shape == (3, 37, 8)
    assert found["state"].shape == state.shape
    assert step.shape == (3, 8)
