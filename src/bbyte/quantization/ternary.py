"""Ternary weights: each tensor is trits in {-1, 0, 1} times one scale (BitNet b1.58, arXiv 2402.17764)."""

from typing import Any

import torch
from torch import Tensor

SCALE_FLOOR = 1e-5


def ternarize(weight: Tensor) -> tuple[Tensor, Tensor]:
    """Split a weight into trits (same shape, values -1, 0, 1) and its scale (a scalar), both float32.

    The scale is the mean absolute weight, at least 1e-5; a trit is the weight over the scale, rounded to the
    nearest even and clamped. The order of operations is that of transformers' BitNet, so that both give the
    same bits.
    """
    trits, inverse = _trits(weight.float())
    return trits, 1.0 / inverse


def ternary_values(weight: Tensor) -> Tensor:
    """The weight as the forward pass sees it: trits times scale, in the weight's own dtype."""
    trits, inverse = _trits(weight.float())
    return trits.div_(inverse).to(weight.dtype)


def _trits(weight: Tensor) -> tuple[Tensor, Tensor]:
    inverse = 1.0 / weight.abs().mean().clamp_(min=SCALE_FLOOR)
    return (weight * inverse).round_().clamp_(-1, 1), inverse


class _StraightThrough(torch.autograd.Function):
    """`quantized` forward, the identity towards `weight` backward: unmasked, so that no weight is frozen."""

    @staticmethod
    def forward(ctx: Any, weight: Tensor, quantized: Tensor) -> Tensor:
        return quantized.detach()

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None]:
        return grad, None


def straight_through(weight: Tensor, quantized: Tensor) -> Tensor:
    """`quantized` in the forward pass, with the gradient passed to `weight` unchanged."""
    result: Tensor = _StraightThrough.apply(weight, quantized)  # type: ignore[no-untyped-call]
    return result
