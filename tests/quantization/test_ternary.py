"""Ternary weights are BitNet's, and every weight gets its gradient."""

import pytest
import torch

from bbyte.quantization.ternary import SCALE_FLOOR, straight_through, ternarize, ternary_values

WEIGHTS = {
    "normal": torch.randn(24, 40, generator=torch.Generator().manual_seed(0)),
    "small": torch.randn(7, 3, generator=torch.Generator().manual_seed(1)) * 1e-3,
    "large": torch.randn(5, 5, generator=torch.Generator().manual_seed(2)) * 1e6,
    "one outlier": torch.cat((torch.full((1, 63), 0.01), torch.tensor([[50.0]])), 1),
    "single": torch.tensor([[0.3]]),
}


def bitnet(weight):
    """transformers' integrations/bitnet.py, WeightQuant."""
    scale = 1.0 / weight.abs().mean().clamp_(min=1e-5)
    return (weight * scale).round().clamp(-1, 1) / scale


@pytest.mark.parametrize("name", WEIGHTS)
def test_values_are_bitnets_bit_for_bit(name):
    assert torch.equal(ternary_values(WEIGHTS[name]), bitnet(WEIGHTS[name]))


@pytest.mark.parametrize("name", WEIGHTS)
def test_values_are_trits_times_one_scale(name):
    weight = WEIGHTS[name]
    trits, scale = ternarize(weight)
    assert trits.shape == weight.shape and scale.shape == ()
    assert set(trits.unique().tolist()) <= {-1.0, 0.0, 1.0}
    assert scale.item() == pytest.approx(weight.abs().mean().item(), rel=1e-6)
    assert torch.equal(trits * scale, ternary_values(weight))


def test_a_trit_is_the_nearest_and_ties_go_to_the_even_one():
    weight = torch.tensor([[1.0, -1.0, 0.5, -0.5, 0.75, -0.75, 0.25, 2.0, -2.0, 1.5, 0.0, -1.75]])
    assert weight.abs().mean() == 1
    trits, _ = ternarize(weight)
    assert trits.tolist() == [[1, -1, 0, 0, 1, -1, 0, 1, -1, 1, 0, -1]]


@pytest.mark.parametrize("size", [0.0, 1e-30, 1e-6])
def test_the_scale_has_a_floor(size):
    weight = torch.full((3, 4), size)
    trits, scale = ternarize(weight)
    assert scale.item() == pytest.approx(SCALE_FLOOR, rel=1e-5)
    assert not trits.any()
    assert torch.equal(ternary_values(weight), torch.zeros(3, 4))


def test_quantizing_leaves_the_weight_alone_and_keeps_its_type():
    weight = WEIGHTS["normal"].clone()
    ternarize(weight)
    assert ternary_values(weight.bfloat16()).dtype == torch.bfloat16
    assert ternary_values(weight).dtype == torch.float32
    assert torch.equal(weight, WEIGHTS["normal"])


def test_every_weight_gets_the_full_gradient():
    """The old trainer passed it to |w / scale| <= 1 only, which froze half of the weights."""
    weight = WEIGHTS["normal"].clone().requires_grad_()
    quantized = ternary_values(weight.detach())
    towards = torch.randn(weight.shape, generator=torch.Generator().manual_seed(7))
    result = straight_through(weight, quantized)
    assert torch.equal(result, quantized)
    (result * towards).sum().backward()
    assert torch.equal(weight.grad, towards)
    beyond = weight.detach().abs() > weight.detach().abs().mean()
    assert 0.3 < beyond.float().mean() < 0.6  # what a masked estimator would have frozen
