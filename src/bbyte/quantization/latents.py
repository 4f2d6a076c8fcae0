"""Full weights for given trits and a given scale: what training can go on from where only those are known."""

import math

import torch
from torch import Tensor

from bbyte.quantization.ternary import ternarize

LEAST_ONE, MOST_ZERO = 0.55, 0.45
"""How far from the border at half a scale a weight is kept where it must not change its trit."""
STEP = 0.005
"""How far a weight is moved at once, of the scale, to get the last bit of the mean right; and how often."""
TRIES = 50


def latents(near: Tensor, trits: Tensor, scale: Tensor) -> Tensor:
    """A weight like `near` that our quantizer turns into `trits` (of the same shape) and `scale`.

    Our scale is the mean absolute weight. So the weights beyond half a scale are moved along a line that
    keeps all trits and makes the mean right: to a relative 1e-6, and nearly always to the last bit. A weight
    that fits as it is stays as it is; where all trits are 0 so is the weight, whatever the scale.
    """
    if _gives(near, trits, scale):
        return near
    ones = trits != 0
    count = int(ones.sum())
    if not count:
        return torch.zeros_like(near)
    size = near.abs().double()
    zeros = torch.where(ones, 0.0, size.clamp(max=MOST_ZERO * float(scale)))
    beyond = torch.where(ones, size - LEAST_ONE * float(scale), 0.0).clamp(min=0)
    wanted = float(scale) * near.numel() - float(zeros.sum()) - LEAST_ONE * float(scale) * count
    # All at the border: then they share what is wanted evenly.
    beyond = beyond * (wanted / float(beyond.sum())) if beyond.sum() > 0 else ones * (wanted / count)
    size = torch.where(ones, LEAST_ONE * float(scale) + beyond, zeros)
    signs = torch.where(ones, trits, near.sign())
    return _exact((size * signs).float(), trits, scale)


def _exact(weight: Tensor, trits: Tensor, scale: Tensor) -> Tensor:
    """`weight` with a few of its weights moved by very little, until its scale is right in every bit."""
    places = trits.flatten().nonzero().flatten()
    for attempt in range(TRIES):
        own = ternarize(weight)[1]
        if torch.equal(own, scale):
            break
        missing = float(scale.double() - own.double()) * weight.numel()
        # Sums of float32 are rounded in parts: other weights, and more of them, come to other last bits.
        count = max(math.ceil(abs(missing) / (STEP * float(scale))), 3 ** (attempt % 7))
        moved = places.roll(-17 * attempt)[:count]
        weight = weight.clone()
        weight.view(-1)[moved] += trits.flatten()[moved] * (missing / len(moved))
    return weight


def _gives(near: Tensor, trits: Tensor, scale: Tensor) -> bool:
    ours, own = ternarize(near)
    return bool(torch.equal(ours, trits)) and bool(torch.isclose(own, scale, rtol=1e-6, atol=0))
