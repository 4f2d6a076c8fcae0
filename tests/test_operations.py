"""Each operation against torch's own or against the plain formula: values and gradients."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from bbyte import operations
from bbyte.layers import rotary_table

SNAPSHOTS = Path(__file__).parents[2] / "shared" / "data" / "cs336-snapshots"
needs_snapshots = pytest.mark.skipif(not SNAPSHOTS.is_dir(), reason="needs ../shared/data/cs336-snapshots")


def random(*shape, seed=0, scale=1.0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed)) * scale


def values_and_gradients(function, *inputs):
    """The result, and the gradient of a random weighting of it towards each input."""
    inputs = [value.clone().requires_grad_() for value in inputs]
    result = function(*inputs)
    (result * random(*result.shape, seed=99)).sum().backward()
    return [result.detach(), *(value.grad for value in inputs)]


def assert_same(ours, theirs, **tolerance):
    for one, other in zip(ours, theirs, strict=True):
        assert one.dtype == other.dtype
        torch.testing.assert_close(one, other, **tolerance)


def rms_norm_formula(x, weight, eps):
    return x / torch.sqrt(x.square().mean(-1, keepdim=True) + eps) * weight


@pytest.mark.parametrize("shape", [(1, 8), (3, 5, 24), (2, 3, 4, 33)])
@pytest.mark.parametrize("scale", [1e-4, 1.0, 1e4])
def test_rms_norm_is_torchs(shape, scale):
    x, weight = random(*shape, scale=scale), 1 + 0.3 * random(shape[-1], seed=1)
    ours = values_and_gradients(lambda x, w: operations.rms_norm(x, w, 1e-5), x, weight)
    theirs = values_and_gradients(lambda x, w: F.rms_norm(x, w.shape, w, 1e-5), x, weight)
    assert_same(ours, theirs, rtol=2e-5, atol=2e-5 * max(1, 1 / scale))


def test_the_gradient_of_rms_norm_is_the_slope_found_by_double_precision():
    x, weight = random(4, 16), 1 + 0.3 * random(16, seed=1)
    ours = values_and_gradients(lambda x, w: operations.rms_norm(x, w, 1e-5), x, weight)
    exact = values_and_gradients(lambda x, w: rms_norm_formula(x, w, 1e-5), x.double(), weight.double())
    assert_same([value.double() for value in ours], exact, rtol=3e-6, atol=3e-6)


def test_rms_norm_computes_in_float32_whatever_it_is_given():
    x, weight = random(6, 64, scale=3).bfloat16(), torch.ones(64)
    exact = F.rms_norm(x.float(), (64,), weight, 1e-5).bfloat16()
    assert torch.equal(operations.rms_norm(x, weight, 1e-5), exact)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert torch.equal(operations.rms_norm(x, weight, 1e-5), exact)


def test_rms_norm_of_zeros_is_zero_with_a_finite_gradient():
    result, grad_x, grad_weight = values_and_gradients(
        lambda x, w: operations.rms_norm(x, w, 1e-5), torch.zeros(2, 8), torch.ones(8)
    )
    assert not result.any() and not grad_weight.any()
    assert grad_x.isfinite().all() and grad_x.any()


def rotate_reference(x, positions, base):
    """Each pair (x[i], x[i + D/2]) turned by its angle, one number at a time, in double precision."""
    result, half = x.double().clone(), x.shape[-1] // 2
    for t, position in enumerate(positions):
        for i in range(half):
            angle = torch.tensor(position / base ** (2 * i / x.shape[-1]), dtype=torch.float64)
            one, other = x[:, t, :, i].double(), x[:, t, :, i + half].double()
            result[:, t, :, i] = one * angle.cos() - other * angle.sin()
            result[:, t, :, i + half] = one * angle.sin() + other * angle.cos()
    return result


@pytest.mark.parametrize(("heads", "width", "base"), [(1, 2, 10000.0), (3, 8, 10000.0), (2, 6, 500.0)])
def test_rotate_turns_each_pair_by_the_angle_of_its_position(heads, width, base):
    positions = [0, 1, 2, 77, 5000]
    x = random(2, len(positions), heads, width)
    cos, sin = rotary_table(torch.tensor(positions), heads, width, base)
    expected = rotate_reference(x, positions, base)
    torch.testing.assert_close(operations.rotate(x, cos, sin).double(), expected, rtol=0, atol=2e-3)
    few = [0, 1, 2, 77]
    cos, sin = rotary_table(torch.tensor(few), heads, width, base)
    found = operations.rotate(x[:, :4], cos, sin).double()
    torch.testing.assert_close(found, expected[:, :4], rtol=0, atol=3e-5)


def test_rotate_has_the_gradient_of_the_plain_formula():
    x = random(2, 5, 3, 8)
    table = rotary_table(torch.arange(5), 3, 8, 10000.0)
    ours = values_and_gradients(lambda x: operations.rotate(x, *table), x)
    theirs = values_and_gradients(lambda x: x * table[0] + torch.roll(x, 4, -1) * table[1], x)
    assert_same(ours, theirs, rtol=1e-6, atol=1e-6)


@needs_snapshots
def test_rotate_agrees_with_the_published_snapshot_once_the_pairs_are_reordered():
    torch.manual_seed(4)
    x = torch.randn(4, 12, 64)
    expected = torch.from_numpy(np.load(SNAPSHOTS / "test_rope.npz")["array"])
    to_halves = torch.cat((torch.arange(0, 64, 2), torch.arange(1, 64, 2)))
    turned = operations.rotate(x[:, :, None, to_halves], *rotary_table(torch.arange(12), 1, 64, 10000.0))
    found = torch.empty_like(x)
    found[..., to_halves] = turned[:, :, 0]
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-6)


@pytest.mark.parametrize(
    ("ours", "act"), [(operations.swiglu, F.silu), (operations.relu2, lambda gate: F.relu(gate) ** 2)]
)
@pytest.mark.parametrize("shape", [(2, 6), (2, 3, 34)])
def test_gates_are_act_of_the_first_half_times_the_second(ours, act, shape):
    gate_up = random(*shape, scale=3)
    half = shape[-1] // 2
    theirs = values_and_gradients(lambda x: act(x[..., :half]) * x[..., half:], gate_up)
    assert_same(values_and_gradients(ours, gate_up), theirs, rtol=1e-5, atol=1e-5)


@pytest.fixture(params=[True, False], ids=["onednn", "torch"])
def path_of_linear(request, monkeypatch):
    """`linear` forced onto one of its two paths; the oneDNN one counts its calls."""
    if request.param and not torch.backends.mkldnn.is_available():
        pytest.skip("this torch has no oneDNN")
    monkeypatch.setattr(operations, "_mkl_is_slow", lambda: request.param)
    calls, original = [], operations._onednn_linear

    def counted(x, weight):
        calls.append(tuple(x.shape))
        return original(x, weight)

    monkeypatch.setattr(operations, "_onednn_linear", counted)
    yield
    assert bool(calls) == request.param


@pytest.mark.parametrize(
    ("rows", "width", "out"), [((40,), 7, 13), ((3, 17), 33, 5), ((2, 3, 11), 64, 96), ((64,), 1, 1)]
)
def test_linear_is_torchs_linear_forward_and_both_gradients(path_of_linear, rows, width, out):
    x, weight = random(*rows, width), random(out, width, seed=1)
    ours = values_and_gradients(operations.linear, x, weight)
    assert_same(ours, values_and_gradients(F.linear, x, weight), rtol=1e-4, atol=1e-4)


def test_linear_takes_what_does_not_lie_in_order(path_of_linear):
    x, weight = random(24, 48).t(), random(24, 10, seed=1).t()
    torch.testing.assert_close(operations.linear(x, weight), F.linear(x, weight), rtol=1e-5, atol=1e-5)
    x, weight = random(2, 40, 3, 8)[:, ::2, 1], random(20, 16, seed=1)[::2, ::2]
    ours = values_and_gradients(operations.linear, x, weight)
    assert_same(ours, values_and_gradients(F.linear, x, weight), rtol=1e-4, atol=1e-4)


def test_linear_gives_only_the_gradients_that_are_wanted(path_of_linear):
    x, weight = random(40, 6), random(4, 6, seed=1)
    weight.requires_grad_()
    operations.linear(x, weight).sum().backward()
    torch.testing.assert_close(weight.grad, x.sum(0).expand(4, 6))
    x.requires_grad_()
    operations.linear(x, weight.detach()).sum().backward()
    torch.testing.assert_close(x.grad, weight.detach().sum(0).expand(40, 6))


def test_linear_leaves_to_torch_what_onednn_is_not_for(monkeypatch):
    monkeypatch.setattr(operations, "_mkl_is_slow", lambda: True)
    monkeypatch.setattr(operations, "_onednn_linear", lambda x, weight: pytest.fail("oneDNN was called"))
    weight = random(5, 8)
    assert torch.equal(operations.linear(random(3, 8), weight), F.linear(random(3, 8), weight))
    many = random(64, 8)
    assert operations.linear(many.double(), weight.double()).dtype == torch.float64
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert operations.linear(many, weight).dtype == torch.bfloat16


@pytest.mark.skipif(not torch.backends.mkldnn.is_available(), reason="this torch has no oneDNN")
def test_the_onednn_product_keeps_torchs_rules_for_operators():
    inputs = (random(40, 6).requires_grad_(), random(4, 6, seed=1).requires_grad_())
    torch.library.opcheck(operations._onednn_linear, inputs)


def test_without_gradients_a_product_loads_no_compiler():
    program = (
        "import sys, torch\n"
        "from bbyte.operations import linear\n"
        "with torch.inference_mode():\n"
        "    linear(torch.ones(64, 32), torch.ones(16, 32))\n"
        "sys.exit('torch._dynamo' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", program]).returncode == 0
