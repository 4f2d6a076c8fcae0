"""Full weights for given trits and scales."""

import pytest
import torch

from bbyte.quantization.latents import latents
from bbyte.quantization.ternary import ternarize


@pytest.mark.parametrize("scale", [1e-4, 0.03, 7.0])
@pytest.mark.parametrize("share", [0.01, 0.3, 0.99, 1.0])
def test_they_quantize_to_the_trits_and_the_scale(share, scale):
    generator = torch.Generator().manual_seed(1)
    trits = torch.randint(0, 2, (48, 40), generator=generator) * 2.0 - 1
    trits *= torch.rand(48, 40, generator=generator) < share
    found = latents(trits * scale, trits, torch.tensor(scale))
    again, own = ternarize(found)
    assert torch.equal(again, trits) and trits.any()
    assert float(own) == pytest.approx(scale, rel=1e-6)


@pytest.mark.parametrize("seed", range(5))
def test_the_scale_of_a_usual_matrix_is_right_to_the_last_bit(seed):
    generator = torch.Generator().manual_seed(seed)
    trits, scale = ternarize(torch.randn(64, 96, generator=generator))
    assert torch.equal(ternarize(latents(trits * scale, trits, scale))[1], scale)


def test_weights_that_fit_stay():
    weight = torch.randn(16, 12, generator=torch.Generator().manual_seed(2))
    assert latents(weight, *ternarize(weight)) is weight


def test_nothing_but_zeros_needs_no_scale():
    zeros = torch.zeros(4, 4)
    assert torch.equal(latents(torch.ones(4, 4), zeros, torch.tensor(0.5)), zeros)
