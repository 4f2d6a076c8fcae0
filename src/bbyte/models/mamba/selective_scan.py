"""The selective scan of Mamba-1 (arXiv 2312.00752, equation 2 and algorithm 2), written for CPUs.

Shapes: B batch, T positions, D channels, N state.

    h_t = exp(dt_t a) h_{t-1} + dt_t b_t x_t        y_t = sum over N of c_t h_t  +  skip x_t

The states of all positions are N times the size of the input. They are never all there at once: the forward
pass keeps the state before each chunk of positions, and the backward pass computes a chunk's states again.
Within a chunk everything but the recurrence itself is done for all positions together, for so few rows of the
batch that the work stays in the cache. The channels lie last, so that N is not the vectorised dimension.
"""

import math
from contextlib import AbstractContextManager, nullcontext
from functools import cached_property
from typing import Any

import torch
from torch import Tensor


def selective_scan(
    x: Tensor, dt: Tensor, a: Tensor, b: Tensor, c: Tensor, skip: Tensor, state: Tensor | None = None
) -> tuple[Tensor, Tensor]:
    """Scan `x` (B, T, D) and return y (B, T, D), in the dtype of `x`, and the state after the last position.

    dt: (B, T, D) step sizes, not negative; a: (D, N), negative; b, c: (B, T, N); skip: (D,); state: (B, D, N)
    before the first position, zeros without one. The arithmetic is float32, float64 where `x` is. Gradients
    flow through y to everything but `state`; the returned state is a constant.
    """
    dtype = torch.float64 if x.dtype == torch.float64 else torch.float32
    inputs = [each.to(dtype) for each in (x, dt, a, b, c, skip)]
    keep = torch.is_grad_enabled() and any(each.requires_grad for each in inputs)
    start = None if state is None else state.detach().to(dtype)
    # The first call of an operator loads the compiler, most of a second that generation need not wait for.
    scan: Any = _scan if keep or torch.compiler.is_compiling() else _forward
    y, end, _ = scan(*inputs, start, keep)
    return y.to(x.dtype), end.detach()


def selective_scan_step(
    x: Tensor, dt: Tensor, a: Tensor, b: Tensor, c: Tensor, skip: Tensor, state: Tensor
) -> Tensor:
    """One position: y (B, D) for `x`, `dt` (B, D), `b`, `c` (B, N); `state` (B, D, N) is updated in place."""
    with _full_precision(x):
        x_, step, b_, c_ = (each.to(state.dtype) for each in (x, dt, b, c))
        state.mul_(((step * _LOG2_E).unsqueeze(-1) * a).exp2_())
        state.addcmul_((step * x_).unsqueeze(-1), b_.unsqueeze(1))
        y: Tensor = torch.linalg.vecdot(state, c_.unsqueeze(1)).addcmul_(x_, skip)
        return y.to(x.dtype)


def selective_scan_reference(
    x: Tensor, dt: Tensor, a: Tensor, b: Tensor, c: Tensor, skip: Tensor, state: Tensor | None = None
) -> tuple[Tensor, Tensor]:
    """As `selective_scan`, one position after another as the formula has it, in the dtype given."""
    h = x.new_zeros(x.shape[0], *a.shape) if state is None else state
    outputs = []
    for t in range(x.shape[1]):
        decay = torch.exp(dt[:, t, :, None] * a)
        h = decay * h + (dt[:, t] * x[:, t]).unsqueeze(-1) * b[:, t].unsqueeze(1)
        outputs.append((h * c[:, t].unsqueeze(1)).sum(-1) + skip * x[:, t])
    return torch.stack(outputs, dim=1), h


# Positions from one kept state to the next, and numbers of a position's states that a thread takes at once:
# fewer would stay in a smaller cache, but then a call of torch costs more than its arithmetic.
_CHUNK = 16
_CACHED = 1 << 15
_LOG2_E = math.log2(math.e)


def _forward(
    x: Tensor,
    dt: Tensor,
    a: Tensor,
    b: Tensor,
    c: Tensor,
    skip: Tensor,
    state: Tensor | None,
    keep: bool,
) -> tuple[Tensor, Tensor, Tensor]:
    """y, the last state, and, if to be kept for backward, the states before each chunk (B, chunks, N, D)."""
    (batch, positions, width), n = x.shape, a.shape[1]
    with _full_precision(x):
        rates = _rates(a)
        y, end = torch.empty_like(x), x.new_empty(batch, n, width)
        starts = x.new_empty(batch, _count(positions) if keep else 0, n, width)
        for rows in _row_blocks(x, n):
            last = end[rows]
            if state is None:
                last.zero_()
            else:
                last.copy_(state[rows].transpose(1, 2))
            for i, (at, chunk) in enumerate(_chunks(last, positions)):
                if keep:
                    starts[rows, i] = last
                here = rows, at
                chunk.run(last, dt[here], dt[here] * x[here], rates, b[here])
                torch.addcmul(_sum_over_n(c[here], chunk.h), x[here], skip, out=y[here])
                last.copy_(chunk.each_h[-1])
        return y, end.transpose(1, 2).contiguous(), starts


# Opaque to torch.compile, which would otherwise unroll the loop over the positions.
_scan = torch.library.custom_op("bbyte::selective_scan", _forward, mutates_args=())


@_scan.register_fake
def _scan_shapes(
    x: Tensor,
    dt: Tensor,
    a: Tensor,
    b: Tensor,
    c: Tensor,
    skip: Tensor,
    state: Tensor | None,
    keep: bool,
) -> tuple[Tensor, Tensor, Tensor]:
    (batch, positions, width), n = x.shape, a.shape[1]
    starts = x.new_empty(batch, _count(positions) if keep else 0, n, width)
    return torch.empty_like(x), x.new_empty(batch, width, n), starts


@torch.library.custom_op("bbyte::selective_scan_backward", mutates_args=())
def _scan_backward(
    grad: Tensor, x: Tensor, dt: Tensor, a: Tensor, b: Tensor, c: Tensor, skip: Tensor, starts: Tensor
) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor, Tensor]:
    """The gradients of x, dt, a, b, c and skip for `grad` (B, T, D), that of y."""
    positions, n, width = x.shape[1], a.shape[1], x.shape[2]
    with _full_precision(x):
        rates, a_t = _rates(a), a.t().contiguous()
        grad_x, grad_dt, grad_b, grad_c = (torch.empty_like(each) for each in (x, dt, b, c))
        grad_a = x.new_zeros(1, n * width)
        for rows in _row_blocks(x, n):
            later = torch.zeros_like(starts[rows, 0])  # the gradient from after the chunk
            for i, (at, chunk) in reversed(list(enumerate(_chunks(later, positions)))):
                here, start = (rows, at), starts[rows, i]
                dtx = dt[here] * x[here]
                chunk.run(start, dt[here], dtx, rates, b[here])
                torch.linalg.vecdot(chunk.h, grad[here].unsqueeze(2), out=grad_c[here])
                g = chunk.run_back(later, c[here], grad[here])
                torch.linalg.vecdot(g, dtx.unsqueeze(2), out=grad_b[here])
                d_dtx = _sum_over_n(b[here], g)
                # From here on through the decay: first by the state before it, then by its exponent dt a.
                through = chunk.decay.mul_(g)
                later.copy_(through[:, 0])
                through[:, 1:].mul_(chunk.h[:, :-1])
                through[:, 0].mul_(start)
                d_dt = torch.mul(through, a_t, out=g).sum(2)
                through.mul_(dt[here].unsqueeze(2))
                flat = through.view(-1, n * width)
                grad_a.addmm_(flat.new_ones(1, flat.shape[0]), flat)
                torch.addcmul(d_dt, d_dtx, x[here], out=grad_dt[here])
                torch.addcmul(d_dtx.mul_(dt[here]), grad[here], skip, out=grad_x[here])
        grad_skip = (grad * x).sum((0, 1))
        return grad_x, grad_dt, grad_a.view(n, width).t().contiguous(), grad_b, grad_c, grad_skip


@_scan_backward.register_fake
def _scan_backward_shapes(
    grad: Tensor, x: Tensor, dt: Tensor, a: Tensor, b: Tensor, c: Tensor, skip: Tensor, starts: Tensor
) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor, Tensor]:
    x, dt, a, b, c, skip = (torch.empty_like(each) for each in (x, dt, a, b, c, skip))
    return x, dt, a, b, c, skip


def _keep_for_backward(ctx: Any, inputs: tuple[Any, ...], output: tuple[Tensor, Tensor, Tensor]) -> None:
    x, dt, a, b, c, skip, _, _ = inputs
    _, end, starts = output
    ctx.mark_non_differentiable(end, starts)
    ctx.set_materialize_grads(False)
    ctx.save_for_backward(x, dt, a, b, c, skip, starts)


def _gradients(ctx: Any, grad: Tensor | None, *_: None) -> tuple[Tensor | None, ...]:
    if grad is None:
        return (None,) * 8
    return *_scan_backward(grad, *ctx.saved_tensors), None, None


_scan.register_autograd(_gradients, setup_context=_keep_for_backward)


class _Chunk:
    """Memory for the states (R, Q, N, D) of Q positions of R rows, used for one chunk after another."""

    def __init__(self, state: Tensor, length: int) -> None:
        self.decay = state.new_empty(state.shape[0], length, *state.shape[1:])
        self.h = torch.empty_like(self.decay)
        # A view costs as much as a position's arithmetic, so each is taken once.
        self.each_decay, self.each_h = self.decay.unbind(1), self.h.unbind(1)

    @cached_property
    def each_g(self) -> tuple[Tensor, ...]:
        return self.g.unbind(1)

    @cached_property
    def g(self) -> Tensor:
        return torch.empty_like(self.h)

    def run(self, before: Tensor, dt: Tensor, dtx: Tensor, rates: Tensor, b: Tensor) -> None:
        """Fill in the decays and the states, given the state `before` the chunk."""
        torch.mul(dt.unsqueeze(2), rates, out=self.decay).exp2_()
        torch.mul(dtx.unsqueeze(2), b.unsqueeze(3), out=self.h)
        for decay, h in zip(self.each_decay, self.each_h, strict=True):
            before = h.addcmul_(decay, before)

    def run_back(self, later: Tensor, c: Tensor, dy: Tensor) -> Tensor:
        """The gradient of every state, given the part of its last that comes from `later` positions."""
        torch.mul(dy.unsqueeze(2), c.unsqueeze(3), out=self.g)
        self.each_g[-1].add_(later)
        for t in range(len(self.each_g) - 1, 0, -1):
            self.each_g[t - 1].addcmul_(self.each_decay[t], self.each_g[t])
        return self.g


def _chunks(state: Tensor, positions: int) -> list[tuple[slice, _Chunk]]:
    whole, rest = divmod(positions, _CHUNK)
    chunks = []
    if whole:
        chunk = _Chunk(state, _CHUNK)
        chunks = [(slice(i * _CHUNK, (i + 1) * _CHUNK), chunk) for i in range(whole)]
    if rest:
        chunks.append((slice(positions - rest, positions), _Chunk(state, rest)))
    return chunks


def _count(positions: int) -> int:
    return -(-positions // _CHUNK)


def _rates(a: Tensor) -> Tensor:
    # exp2 is several times as fast as exp on a CPU: torch leaves exp to a library of Intel's.
    return (a.t() * _LOG2_E).contiguous()


def _sum_over_n(weights: Tensor, values: Tensor) -> Tensor:
    """Of `values` (R, Q, N, D) with `weights` (R, Q, N): (R, Q, D)."""
    rows, length, n, width = values.shape
    return torch.bmm(weights.reshape(-1, 1, n), values.view(-1, n, width)).view(rows, length, width)


def _row_blocks(x: Tensor, n: int) -> list[slice]:
    batch, _, width = x.shape
    step = max(1, _CACHED * torch.get_num_threads() // (n * width)) if x.device.type == "cpu" else batch
    return [slice(start, min(start + step, batch)) for start in range(0, batch, step)]


def _full_precision(x: Tensor) -> AbstractContextManager[Any]:
    kind = x.device.type
    return torch.autocast(kind, enabled=False) if torch.is_autocast_enabled(kind) else nullcontext()
