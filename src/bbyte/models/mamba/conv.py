"""The short causal convolution before a state space, one filter a channel, with SiLU after it.

Shapes: B batch, T positions, C channels, K taps of the filter.
"""

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

CACHED = 1 << 17
"""Numbers that are worked on at once on a CPU, so that they stay in its cache."""


class CausalConv(nn.Module):
    """The filters of `channels` channels, and their biases; parameters as in `nn.Conv1d`."""

    def __init__(self, channels: int, taps: int) -> None:
        super().__init__()
        bound = taps**-0.5
        self.weight = nn.Parameter(torch.empty(channels, 1, taps).uniform_(-bound, bound))
        self.bias = nn.Parameter(torch.empty(channels).uniform_(-bound, bound))

    def new_state(self, lanes: int) -> Tensor:
        """What `lanes` streams remember before their first position."""
        channels, _, taps = self.weight.shape
        return self.weight.new_zeros(lanes, taps - 1, channels)


def causal_conv(
    x: Tensor, weight: Tensor, bias: Tensor, state: Tensor | None = None
) -> tuple[Tensor, Tensor]:
    """silu(conv(x) + bias) of `x` (B, T, C) with `weight` (C, 1, K), and the state after the last position.

    The state holds the K - 1 inputs before the first position, (B, K - 1, C); None stands for zeros.
    """
    before = weight.shape[2] - 1
    if state is None:
        state = x.new_zeros(x.shape[0], before, x.shape[2])
    state, last = state.to(x.dtype), x[:, max(0, x.shape[1] - before) :]
    after = torch.cat((state[:, last.shape[1] :], last), dim=1).detach()
    if torch.compiler.is_compiling():
        return F.silu(_filtered(torch.cat((state, x), dim=1), weight, bias)), after
    result: Tensor = _ConvSiLU.apply(x, weight, bias, state)  # type: ignore[no-untyped-call]
    return result, after


def causal_conv_reference(
    x: Tensor, weight: Tensor, bias: Tensor, state: Tensor | None = None
) -> tuple[Tensor, Tensor]:
    """The same, one position at a time."""
    held = x.new_zeros(x.shape[0], weight.shape[2] - 1, x.shape[2]) if state is None else state
    results = []
    for position in range(x.shape[1]):
        held = torch.cat((held, x[:, position : position + 1]), dim=1)
        results.append(F.silu((held * weight[:, 0].t()).sum(1) + bias))
        held = held[:, 1:]
    return torch.stack(results, dim=1), held


def causal_conv_step(x: Tensor, weight: Tensor, bias: Tensor, state: Tensor) -> Tensor:
    """The next position alone: `x` (B, C) to (B, C); `state` (B, K - 1, C) moves on in place."""
    held = torch.cat((state, x.unsqueeze(1)), dim=1)
    state.copy_(held[:, 1:])
    return F.silu((held * weight[:, 0].t()).sum(1).add_(bias))


def _filtered(padded: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
    # As a picture one pixel high, which lies in memory as a library wants it: no copy.
    picture = padded.transpose(1, 2).unsqueeze(2)
    bias = None if bias is None else bias.to(padded.dtype)
    found = F.conv2d(picture, weight.to(padded.dtype).unsqueeze(2), bias, groups=weight.shape[0])
    return found.squeeze(2).transpose(1, 2)


class _ConvSiLU(torch.autograd.Function):
    """Keeps nothing but its inputs, of which `x` is mostly part of what the mixer keeps anyway."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, bias: Tensor, state: Tensor) -> Tensor:
        ctx.save_for_backward(x, weight, bias, state)
        return F.silu(_filtered(torch.cat((state, x), dim=1), weight, bias))

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, Tensor, Tensor, None]:
        x, weight, bias, state = ctx.saved_tensors
        (T, C), taps = x.shape[1:], weight.shape[2]
        inputs = torch.cat((state, x), dim=1)
        grad = torch.ops.aten.silu_backward(grad, _filtered(inputs, weight, bias))
        # What a position asks of its input comes from it and those after: the filter turned round.
        grad_x = _filtered(F.pad(grad, (0, 0, 0, taps - 1)), weight.flip(2), None)
        windows = inputs.unfold(1, taps, 1).permute(0, 3, 1, 2)  # (B, K, T, C), of the same memory
        step = max(1, CACHED // (taps * C)) if x.device.type == "cpu" else T
        summed = weight.new_zeros(taps, min(step, T), C)
        for row, row_grad in zip(windows, grad, strict=True):
            for start in range(0, T, step):
                part = row_grad[start : start + step]
                summed[:, : len(part)].addcmul_(part, row[:, start : start + step])
        grad_weight = summed.sum(1).t().unsqueeze(1)
        return grad_x, grad_weight, grad.sum((0, 1)).to(bias.dtype), None
