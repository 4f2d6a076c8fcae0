"""The gated norm against its formula, and against the norm transformers has in Mamba-2."""

import pytest
import torch
from torch._subclasses.fake_tensor import FakeTensorMode
from transformers.models.mamba2.modeling_mamba2 import MambaRMSNormGated

from bbyte.models.mamba.norm import GatedRMSNorm

each_groups = pytest.mark.parametrize("groups", [1, 2, 4])


def module(width, groups, kind=torch.float64, eps=1e-5):
    norm = GatedRMSNorm(width, groups, eps).to(kind)
    norm.weight.data += 0.3 * torch.randn(width, generator=torch.Generator().manual_seed(0)).to(kind)
    return norm


def inputs(*shape, kind=torch.float64, seed=1):
    generator = torch.Generator().manual_seed(seed)
    return [torch.randn(shape, generator=generator, dtype=torch.float64).to(kind) for _ in range(2)]


def reference(y, gate, weight, groups, eps=1e-5):
    """Group by group, as it is written down."""
    gated = y * gate * torch.sigmoid(gate)
    parts = [part / (part.square().mean(-1, keepdim=True) + eps).sqrt() for part in gated.chunk(groups, -1)]
    return torch.cat(parts, -1) * weight


def gradients(norm, function, y, gate):
    """Those of a random sum of the outputs: to y, gate and weight."""
    given = [part.detach().requires_grad_() for part in (y, gate)]
    norm.weight.grad = None
    result = function(*given)
    weights = torch.randn(result.shape, generator=torch.Generator().manual_seed(2), dtype=torch.float64)
    (result * weights.to(result.dtype)).sum().backward()
    return [*(part.grad for part in given), norm.weight.grad.clone()]


@each_groups
@pytest.mark.parametrize("shape", [(1, 8), (3, 8), (2, 5, 8), (2, 65, 96), (300, 64)], ids=str)
def test_it_is_its_formula(groups, shape):
    norm, (y, gate) = module(shape[-1], groups), inputs(*shape)
    found, expected = norm(y, gate), reference(y, gate, norm.weight, groups)
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-9)
    for one, other in zip(
        gradients(norm, norm, y, gate),
        gradients(norm, lambda y, gate: reference(y, gate, norm.weight, groups), y, gate),
        strict=True,
    ):
        torch.testing.assert_close(one, other, rtol=0, atol=1e-9)


@each_groups
def test_it_is_that_of_transformers(groups):
    norm, (y, gate) = module(48, groups, torch.float32), inputs(2, 9, 48, kind=torch.float32)
    theirs = MambaRMSNormGated(48, group_size=48 // groups, eps=1e-5)
    theirs.load_state_dict(norm.state_dict(), strict=True)
    torch.testing.assert_close(norm(y, gate), theirs(y, gate), rtol=0, atol=1e-5)


@each_groups
def test_gradients_are_those_of_differences(groups):
    norm, (y, gate) = module(8, groups), inputs(3, 8)

    def function(y, gate, weight):
        return torch.func.functional_call(norm, {"weight": weight}, (y, gate))

    given = [y.requires_grad_(), gate.requires_grad_(), norm.weight.detach().clone().requires_grad_()]
    assert torch.autograd.gradcheck(function, given, check_undefined_grad=False)


@each_groups
def test_float32_comes_close_to_float64(groups):
    norm, exact = module(256, groups, torch.float32), module(256, groups, torch.float32).double()
    y, gate = inputs(2, 200, 256, kind=torch.float32)
    expected = [exact(y.double(), gate.double()), *gradients(exact, exact, y.double(), gate.double())]
    for one, other in zip([norm(y, gate), *gradients(norm, norm, y, gate)], expected, strict=True):
        assert one.dtype == torch.float32
        torch.testing.assert_close(one.double(), other, rtol=0, atol=1e-5 * float(other.detach().abs().max()))


@each_groups
def test_bfloat16_is_normed_in_float32(groups):
    norm, (y, gate) = module(128, groups, torch.float32), inputs(2, 70, 128, kind=torch.float32)
    y, gate = y.bfloat16(), gate.bfloat16()
    expected = norm(y.float(), gate.float())
    with torch.autocast("cpu", torch.bfloat16):
        found = norm(y, gate)
        assert torch.equal(norm(y.float(), gate.float()), expected)  # float32 stays what it is
    assert found.dtype == torch.bfloat16
    assert torch.equal(found, expected.bfloat16())
    for one, other in zip(
        gradients(norm, norm, y, gate), gradients(norm, norm, y.float(), gate.float()), strict=True
    ):
        torch.testing.assert_close(one.float(), other, rtol=0, atol=2e-2 * float(other.detach().abs().max()))


@each_groups
def test_zeros_and_large_numbers_give_finite_numbers(groups):
    norm = module(16, groups, torch.float32)
    for scale in (0.0, 1e-20, 1e4):
        y, gate = (scale * part for part in inputs(4, 16, kind=torch.float32))
        assert norm(y, gate).isfinite().all()
        assert all(grad.isfinite().all() for grad in gradients(norm, norm, y, gate))


@each_groups
def test_its_inputs_stay_what_they_were(groups):
    norm, (y, gate) = module(16, groups), inputs(5, 16)
    before = y.clone(), gate.clone()
    gradients(norm, norm, y, gate)
    assert torch.equal(y, before[0]) and torch.equal(gate, before[1])


@each_groups
def test_it_is_planned_without_numbers(groups):
    with FakeTensorMode():
        norm = GatedRMSNorm(8, groups, 1e-5)
        y, gate = (torch.zeros(2, 3, 8, requires_grad=True) for _ in range(2))
        norm(y, gate).sum().backward()
        assert y.grad.shape == gate.grad.shape == (2, 3, 8) and norm.weight.grad.shape == (8,)


def test_a_gate_that_is_part_of_a_wider_tensor_gives_the_same():
    norm, (y, _) = module(16, 1), inputs(2, 5, 16)
    wide = inputs(2, 5, 40)[1]
    part = wide[..., 8:24]
    assert torch.equal(norm(y, part), norm(y, part.contiguous()))


@pytest.mark.slow
def test_compiled_it_is_the_same():
    norm, (y, gate) = module(64, 1, torch.float32), inputs(2, 70, 64, kind=torch.float32)
    compiled = torch.compile(norm, fullgraph=True)
    for one, other in zip(
        [compiled(y, gate), *gradients(norm, compiled, y, gate)],
        [norm(y, gate), *gradients(norm, norm, y, gate)],
        strict=True,
    ):
        torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-4)
