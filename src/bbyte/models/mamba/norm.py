"""The norm at the end of Mamba-2's mixer, gated first."""

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from bbyte.operations import few, row_blocks


class GatedRMSNorm(nn.Module):
    """RMSNorm of y * silu(gate) over each of `groups` parts of the last dimension, in float32."""

    def __init__(self, width: int, groups: int, eps: float) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(width))
        self.groups, self.eps = groups, eps

    def forward(self, y: Tensor, gate: Tensor) -> Tensor:
        """`y` and `gate` (..., width) to (..., width), in the type of `gate`."""
        kind = torch.promote_types(gate.dtype, torch.float32)
        with torch.autocast(y.device.type, enabled=False):
            if self.groups > 1 or torch.compiler.is_compiling():
                return self._formula(y.to(kind), gate.to(kind)).to(gate.dtype)
            weight = self.weight.to(kind)
            if few(gate):
                gated = y.to(kind) * F.silu(gate.to(kind))
                return F.rms_norm(gated, weight.shape, weight, self.eps).to(gate.dtype)
            result: Tensor = _GatedNorm.apply(y.to(kind), gate.to(kind), weight, self.eps)  # type: ignore[no-untyped-call]
            return result.to(gate.dtype)

    def _formula(self, y: Tensor, gate: Tensor) -> Tensor:
        parts = torch.unflatten(y * F.silu(gate), -1, (self.groups, -1))
        even = parts * torch.rsqrt(parts.square().mean(-1, keepdim=True) + self.eps)
        return even.flatten(-2) * self.weight


class _GatedNorm(torch.autograd.Function):
    """The formula for one group, by rows that stay in the cache; only the inputs are kept."""

    @staticmethod
    def forward(ctx: Any, y: Tensor, gate: Tensor, weight: Tensor, eps: float) -> Tensor:
        values, gates = _rows(y), _rows(gate)
        result, inverse = torch.empty_like(values), values.new_empty(len(values), 1)
        for block in row_blocks(values):
            gated = torch.ops.aten.silu.out(gates[block], out=result[block]).mul_(values[block])
            torch.linalg.vecdot(gated, gated, out=inverse[block].view(-1))
            inverse[block].div_(values.shape[1]).add_(eps).rsqrt_()
            gated.mul_(inverse[block]).mul_(weight)
        ctx.save_for_backward(y, gate, weight, inverse)
        return result.view(y.shape)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, Tensor, Tensor, None]:
        y, gate, weight, inverse = ctx.saved_tensors
        values, gates, grads = _rows(y), _rows(gate), _rows(grad)
        to_y, to_gate, to_weight = (
            torch.empty_like(values),
            torch.empty_like(values),
            torch.zeros_like(weight),
        )
        for block in row_blocks(values):
            value, r, g = values[block], inverse[block], grads[block]
            swish = F.silu(gates[block])
            gated = value * swish
            product = torch.mul(g, gated, out=to_y[block])
            to_weight.addmv_(product.t(), r.view(-1))
            mean = (product @ weight).div_(value.shape[1]).unsqueeze(-1)
            inner = torch.mul(g, weight, out=to_gate[block])
            inner.addcmul_(gated, mean.mul_(r).mul_(r), value=-1).mul_(r)
            torch.mul(inner, swish, out=to_y[block])
            torch.ops.aten.silu_backward.grad_input(
                inner.mul_(value), gates[block], grad_input=to_gate[block]
            )
        return to_y.view(y.shape), to_gate.view(y.shape), to_weight, None


def _rows(x: Tensor) -> Tensor:
    return x.reshape(-1, x.shape[-1])
