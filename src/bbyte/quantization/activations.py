"""8-bit activations: each position is rounded to 255 levels of its own largest value, straight-through."""

from typing import Any

import torch
from torch import Tensor, nn

LARGEST_FLOOR = 1e-5


def int8_values(x: Tensor) -> Tensor:
    """`x` (..., C) rounded per position to k / a with a = 127 / max|x| and integer k in [-127, 127].

    The same values as transformers' BitNet: its clamp to [-128, 127] never acts, since |x| * a <= 127 up to
    rounding. Same dtype as `x`; computed in float32.
    """
    wide = x.float()
    a = 127 / wide.abs().amax(dim=-1, keepdim=True).clamp_(min=LARGEST_FLOOR)
    return (wide * a).round_().div_(a).to(x.dtype)


class _RoundStraightThrough(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        return int8_values(x)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> Tensor:
        return grad


class Int8Activations(nn.Module):
    """Rounds activations to 8 bits a position while `active`; the gradient passes unchanged.

    One that is not `enabled` belongs to a model without 8-bit activations and never rounds.
    """

    def __init__(self, enabled: bool) -> None:
        super().__init__()
        self.enabled = self.active = enabled

    def forward(self, x: Tensor) -> Tensor:
        """`x` (..., C) in, the same shape and dtype out."""
        if not (self.enabled and self.active):
            return x
        rounded: Tensor = _RoundStraightThrough.apply(x)  # type: ignore[no-untyped-call]
        return rounded
