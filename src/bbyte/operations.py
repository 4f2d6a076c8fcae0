"""The small operations between the matrix products, written so that an eager step moves little memory.

Autograd would keep the result of every multiplication and walk back through each. Each operation here keeps
only what its gradient needs, and on a CPU works through blocks of rows that stay in the cache. Under
torch.compile the plain formulas run instead: the compiler fuses those.
"""

from contextlib import nullcontext
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from bbyte.device import cpu_maker


def linear(x: Tensor, weight: Tensor) -> Tensor:
    """`x` (..., in) times the transpose of `weight` (out, in): as torch's own, by the faster library here."""
    if not _onednn_is_faster(x, weight):
        return F.linear(x, weight)
    # The first call of an operator of our own loads the compiler, a second that generation need not wait for.
    plainly = not (torch.is_grad_enabled() or torch.compiler.is_compiling())
    product = _onednn_product if plainly else _onednn_linear
    return product(x.reshape(-1, x.shape[-1]), weight).view(*x.shape[:-1], weight.shape[0])


def rms_norm(x: Tensor, weight: Tensor, eps: float) -> Tensor:
    """x / sqrt(mean(x²) + eps) * weight over the last dimension, in float32 (arXiv 1910.07467)."""
    if torch.compiler.is_compiling() or few(x):
        return F.rms_norm(x.float(), weight.shape, weight.float(), eps).to(x.dtype)
    kind = x.device.type
    # Autocast would let the sum of squares run in 16 bits.
    with torch.autocast(kind, enabled=False) if torch.is_autocast_enabled(kind) else nullcontext():
        return _call(_RMSNorm, x, weight, eps)


def rotate(x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
    """Turn each head of `x` (B, T, H, D) by the angles of its position, in the rotate-half layout.

    cos, sin: (T, H or 1, D); `sin` with the minus sign of its first half. The first half of a head and the
    second are the two coordinates of D/2 points.
    """
    if torch.compiler.is_compiling():
        return _turned(x, cos, sin)
    return _call(_Rotate, x, cos, sin)


def swiglu(gate_up: Tensor) -> Tensor:
    """silu(gate) * up of `gate_up` (..., 2F), gate first, to (..., F) (arXiv 2002.05202)."""
    if torch.compiler.is_compiling():
        gate, up = gate_up.chunk(2, dim=-1)
        return F.silu(gate) * up
    return _call(_SwiGLU, gate_up)


def relu2(gate_up: Tensor) -> Tensor:
    """relu(gate)² * up of `gate_up` (..., 2F), gate first, to (..., F) (arXiv 2109.08668)."""
    gate, up = gate_up.chunk(2, dim=-1)
    return F.relu(gate).square() * up


def row_blocks(x: Tensor) -> list[slice]:
    """Stretches of rows of `x` (rows, columns) that stay in a CPU's cache from one operation to the next."""
    rows, columns = x.shape
    # A subclass only stands for a tensor, to follow what is done with it.
    cached = x.device.type == "cpu" and type(x) is Tensor
    step = max(32, _CACHED // max(1, columns)) if cached else max(1, rows)
    return [slice(start, start + step) for start in range(0, rows, step)]


def few(x: Tensor) -> bool:
    """Whether `x` is so small, and without gradients, that a call of torch costs more than its arithmetic."""
    return x.numel() <= _FEW and not torch.is_grad_enabled()


_CACHED, _FEW = 1 << 17, 1 << 14


def _call(function: type[torch.autograd.Function], *args: Any) -> Tensor:
    result: Tensor = function.apply(*args)  # type: ignore[no-untyped-call]
    return result


def _mkl_keeps_to_avx2() -> bool:
    # MKL, torch's library for float32 products on x86, keeps to AVX2 on CPUs of other makers than Intel;
    # oneDNN, which torch also carries, does not: 2.3 times the speed on an AMD EPYC with AVX-512.
    there = torch.backends.mkl.is_available() and torch.backends.mkldnn.is_available()  # type: ignore[no-untyped-call]
    return there and hasattr(torch.ops.mkldnn, "_linear_pointwise") and cpu_maker() != "GenuineIntel"


_MKL_IS_SLOW = _mkl_keeps_to_avx2()  # found out here, because torch.compile cannot trace how


def _mkl_is_slow() -> bool:
    return _MKL_IS_SLOW


def _onednn_is_faster(x: Tensor, weight: Tensor) -> bool:
    return (
        x.device.type == "cpu"
        and x.dtype == weight.dtype == torch.float32
        and x.numel() >= _ENOUGH_ROWS * x.shape[-1]
        and not torch.is_autocast_enabled("cpu")
        and _mkl_is_slow()
    )


_ENOUGH_ROWS = 32


def _onednn_product(x: Tensor, weight: Tensor) -> Tensor:
    result: Tensor = torch.ops.mkldnn._linear_pointwise(x, weight, None, "none", [], "")
    return result


_onednn_linear = torch.library.custom_op("bbyte::onednn_linear", _onednn_product, mutates_args=())


@_onednn_linear.register_fake
def _onednn_linear_shape(x: Tensor, weight: Tensor) -> Tensor:
    return x.new_empty(x.shape[0], weight.shape[0])


def _keep_factors(ctx: Any, inputs: tuple[Tensor, Tensor], output: Tensor) -> None:
    ctx.save_for_backward(*inputs)


def _onednn_linear_backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, Tensor | None]:
    x, weight = ctx.saved_tensors
    grad_x = _onednn_linear(grad, weight.t()) if ctx.needs_input_grad[0] else None
    if not ctx.needs_input_grad[1]:
        return grad_x, None
    # Of the two ways to the weight's gradient the one with fewer rows is faster.
    if grad.shape[1] <= x.shape[1]:
        return grad_x, _onednn_linear(grad.t(), x.t())
    return grad_x, _onednn_linear(x.t(), grad.t()).t().contiguous()


_onednn_linear.register_autograd(_onednn_linear_backward, setup_context=_keep_factors)


class _RMSNorm(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, eps: float) -> Tensor:
        rows = x.float().reshape(-1, x.shape[-1])
        result = torch.empty_like(rows)
        inverse = rows.new_empty(rows.shape[0], 1)
        for block in row_blocks(rows):
            part = rows[block]
            torch.linalg.vecdot(part, part, out=inverse[block].view(-1)).div_(part.shape[1]).add_(
                eps
            ).rsqrt_()
            torch.mul(part, inverse[block], out=result[block]).mul_(weight)
        ctx.save_for_backward(rows, inverse, weight)
        return result.view(x.shape).to(x.dtype)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, Tensor, None]:
        rows, inverse, weight = ctx.saved_tensors
        grads = grad.float().reshape(rows.shape)
        result, grad_weight = torch.empty_like(rows), torch.zeros_like(weight)
        for block in row_blocks(rows):
            x, r, g, out = rows[block], inverse[block], grads[block], result[block]
            product = torch.mul(g, x, out=out)
            grad_weight.addmv_(product.t(), r.view(-1))
            mean = (product @ weight).div_(x.shape[1]).unsqueeze(-1)
            torch.mul(g, weight, out=out).addcmul_(x, mean.mul_(r).mul_(r), value=-1).mul_(r)
        return result.view(grad.shape).to(grad.dtype), grad_weight, None


class _Rotate(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
        ctx.save_for_backward(cos, sin)
        return _turned(x, cos, sin)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None, None]:
        cos, sin = ctx.saved_tensors
        return _turned(grad, cos, -sin), None, None


def _turned(x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
    first, second = x.chunk(2, dim=-1)
    return torch.cat((second, first), dim=-1).mul_(sin).add_(x * cos)


class _SwiGLU(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, gate_up: Tensor) -> Tensor:
        ctx.save_for_backward(gate_up)
        rows = gate_up.reshape(-1, gate_up.shape[-1])
        width = rows.shape[1] // 2
        result = rows.new_empty(rows.shape[0], width)
        for block in row_blocks(rows):
            torch.ops.aten.silu.out(rows[block, :width], out=result[block]).mul_(rows[block, width:])
        return result.view(*gate_up.shape[:-1], width)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> Tensor:
        (gate_up,) = ctx.saved_tensors
        rows = gate_up.reshape(-1, gate_up.shape[-1])
        width = rows.shape[1] // 2
        grads = grad.reshape(-1, width)
        result = torch.empty_like(rows)
        for block in row_blocks(rows):
            gate, up, g = rows[block, :width], rows[block, width:], grads[block]
            torch.mul(g, F.silu(gate), out=result[block, width:])
            torch.ops.aten.silu_backward.grad_input(g * up, gate, grad_input=result[block, :width])
        return result.view(gate_up.shape)
