"""8-bit activations: each position is rounded to 255 levels of its own largest value, straight-through."""

from typing import Any

import torch
from torch import Tensor, nn

from bbyte.operations import row_blocks

LARGEST_FLOOR = 1e-5


def int8_values(x: Tensor) -> Tensor:
    """`x` (..., C) rounded per position to k / a with a = 127 / max|x| and integer k in [-127, 127].

    The same values as transformers' BitNet: its clamp to [-128, 127] never acts, since |x| * a <= 127 up to
    rounding. Same dtype as `x`; computed in float32.
    """
    rows = x.float().reshape(-1, x.shape[-1])
    if torch.compiler.is_compiling():
        a = _levels(rows)
        return (rows * a).round().div(a).view(x.shape).to(x.dtype)
    result = torch.empty_like(rows)
    for block in row_blocks(rows):
        a = _levels(rows[block])
        torch.mul(rows[block], a, out=result[block]).round_().div_(a)
    return result.view(x.shape).to(x.dtype)


def _levels(rows: Tensor) -> Tensor:
    """127 over the largest magnitude of each row."""
    largest = torch.maximum(rows.amax(dim=1, keepdim=True), -rows.amin(dim=1, keepdim=True))
    return 127 / largest.clamp_(min=LARGEST_FLOOR)


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
