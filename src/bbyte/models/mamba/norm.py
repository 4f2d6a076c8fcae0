"""The norm at the end of Mamba-2's mixer, gated first."""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from bbyte.operations import rms_norm


class GatedRMSNorm(nn.Module):
    """RMSNorm of y * silu(gate) over each of `groups` parts of the last dimension, in float32."""

    def __init__(self, width: int, groups: int, eps: float) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(width))
        self.groups, self.eps = groups, eps

    def forward(self, y: Tensor, gate: Tensor) -> Tensor:
        """`y` and `gate` (..., width) to (..., width), in the type of `gate`."""
        y = y.float() * F.silu(gate.float())
        if self.groups == 1:
            return rms_norm(y, self.weight, self.eps).to(gate.dtype)
        parts = torch.unflatten(y, -1, (self.groups, -1))
        even = rms_norm(parts, torch.ones_like(self.weight[: parts.shape[-1]]), self.eps).flatten(-2)
        return (even * self.weight).to(gate.dtype)
