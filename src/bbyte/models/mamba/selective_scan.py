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
    y, end, _ = _scan(*inputs, start, keep)
    return y.to(x.dtype), end.detach()


def selective_scan_step(
    x: Tensor, dt: Tensor, a: Tensor, b: Tensor, c: Tensor, skip: Tensor, state: Tensor
) -> Tensor:
    """One position: y (B, D) for `x`, `dt` (B, D), `b`, `c` (B, N); `state` (B, D, N) is updated in place."""
    with _full_precision(x):
        value, step = x.to(state.dtype), dt.to(state.dtype).unsqueeze(-1)
        state.mul_(torch.exp(step * a)).addcmul_(value.unsqueeze(-1) * step, b.to(state.dtype).unsqueeze(1))
        y = (state @ c.to(state.dtype).unsqueeze(-1)).squeeze(-1)
        return y.addcmul_(value, skip).to(x.dtype)


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


# How many positions lie between kept states, and how many numbers of one position are worked on at once.
_CHUNK = 16
_CACHED = 1 << 13
_LOG2_E = math.log2(math.e)


# Opaque to torch.compile, which would otherwise unroll the loop over the positions.
@torch.library.custom_op("bbyte::selective_scan", mutates_args=())
def _scan(
    x: Tensor,
    dt: Tensor,
    a: Tensor,
    b: Tensor,
    c: Tensor,
    skip: Tensor,
    state: Tensor | None,
    keep: bool,
) -> tuple[Tensor, Tensor, Tensor]:
    """y, the last state, and, to `keep` for the backward pass, the states (chunks, B, N, D) before each chunk."""
    (batch, positions, width), n = x.shape, a.shape[1]
    with _full_precision(x):
        rates = _rates(a)
        y, end = torch.empty_like(x), x.new_empty(batch, n, width)
        starts = x.new_empty(-(-positions // _CHUNK) if keep else 0, batch, n, width)
        for rows in _row_blocks(x, n):
            last = end[rows]
            if state is None:
                last.zero_()
            else:
                last.copy_(state[rows].transpose(1, 2))
            dt_, b_, c_ = (_by_position(each[rows]) for each in (dt, b, c))
            dtx = dt_ * x[rows].transpose(0, 1)
            outputs = torch.empty_like(dtx)
            chunk = _Chunk(last, min(_CHUNK, positions))
            for i, at in enumerate(_chunks(positions)):
                if keep:
                    starts[i, rows] = last
                h = chunk.states(last, dt_[at], dtx[at], rates, b_[at])
                _sum_over_n(c_[at], h[1:], out=outputs[at])
                last.copy_(h[-1])
            torch.addcmul(outputs.transpose(0, 1), x[rows], skip, out=y[rows])
        return y, end.transpose(1, 2).contiguous(), starts


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
    starts = x.new_empty(-(-positions // _CHUNK) if keep else 0, batch, n, width)
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
            dt_, b_, c_, x_, dy = (_by_position(each[rows]) for each in (dt, b, c, x, grad))
            dtx = dt_ * x_
            d_dt, d_dtx, d_b, d_c = (torch.empty_like(each) for each in (dt_, dtx, b_, c_))
            chunk = _Chunk(starts[0, rows], min(_CHUNK, positions))
            later = torch.zeros_like(starts[0, rows])  # what the positions after the chunk ask of its last state
            for i, at in reversed(list(enumerate(_chunks(positions)))):
                h = chunk.states(starts[i, rows], dt_[at], dtx[at], rates, b_[at])
                torch.linalg.vecdot(h[1:], dy[at].unsqueeze(2), out=d_c[at])
                g = chunk.gradients(later, c_[at], dy[at])
                torch.linalg.vecdot(g, dtx[at].unsqueeze(2), out=d_b[at])
                _sum_over_n(b_[at], g, out=d_dtx[at])
                # From here on through the decay: first by the state before it, then by its exponent dt a.
                through = chunk.decay[: g.shape[0]].mul_(g)
                later.copy_(through[0])
                through.mul_(h[:-1])
                torch.sum(torch.mul(through, a_t, out=g), 2, out=d_dt[at])
                through.mul_(dt_[at].unsqueeze(2))
                ones = x.new_ones(1, g.shape[0] * g.shape[1])
                grad_a.addmm_(ones, through.view(-1, n * width))
            torch.addcmul(d_dtx.mul(dt_), dy, skip, out=grad_x[rows].transpose(0, 1))
            torch.addcmul(d_dt, d_dtx, x_, out=grad_dt[rows].transpose(0, 1))
            grad_b[rows], grad_c[rows] = d_b.transpose(0, 1), d_c.transpose(0, 1)
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


def _gradients(ctx: Any, grad: Tensor, *_: None) -> tuple[Tensor | None, ...]:
    return *_scan_backward(grad, *ctx.saved_tensors), None, None


_scan.register_autograd(_gradients, setup_context=_keep_for_backward)


class _Chunk:
    """The states of a chunk's positions and the gradients towards them, in memory used for every chunk."""

    def __init__(self, state: Tensor, length: int) -> None:
        rows, n, width = state.shape
        self.decay = state.new_empty(length, rows, n, width)
        self.h = state.new_empty(length + 1, rows, n, width)
        self.g = state.new_empty(0)
        # A view costs as much as the arithmetic of a position, so each is taken once.
        self.each_decay, self.each_h = self.decay.unbind(), self.h.unbind()
        self.each_g: tuple[Tensor, ...] = ()

    def states(self, start: Tensor, dt: Tensor, dtx: Tensor, rates: Tensor, b: Tensor) -> Tensor:
        """The state (Q + 1, R, N, D) before the chunk and after each of its positions; leaves their decays."""
        length = dt.shape[0]
        torch.mul(dt.unsqueeze(2), rates, out=self.decay[:length]).exp2_()
        torch.mul(dtx.unsqueeze(2), b.unsqueeze(3), out=self.h[1 : length + 1])
        self.h[0] = start
        for t in range(length):
            self.each_h[t + 1].addcmul_(self.each_decay[t], self.each_h[t])
        return self.h[: length + 1]

    def gradients(self, later: Tensor, c: Tensor, dy: Tensor) -> Tensor:
        """The gradient (Q, R, N, D) of every state, given what the positions after the chunk add to the last."""
        if not self.each_g:
            self.g = torch.empty_like(self.decay)
            self.each_g = self.g.unbind()
        length = dy.shape[0]
        torch.mul(dy.unsqueeze(2), c.unsqueeze(3), out=self.g[:length])
        self.each_g[length - 1].add_(later)
        for t in range(length - 2, -1, -1):
            self.each_g[t].addcmul_(self.each_decay[t + 1], self.each_g[t + 1])
        return self.g[:length]


def _rates(a: Tensor) -> Tensor:
    # exp2 is several times as fast as exp on a CPU: torch leaves exp to a library of Intel's.
    return (a.t() * _LOG2_E).contiguous()


def _sum_over_n(weights: Tensor, values: Tensor, out: Tensor) -> None:
    """Of `values` (Q, R, N, D) with `weights` (Q, R, N), into `out` (Q, R, D)."""
    length, rows, n, width = values.shape
    torch.bmm(
        weights.view(-1, 1, n), values.view(-1, n, width), out=out.view(length * rows, 1, width)
    )


def _by_position(x: Tensor) -> Tensor:
    return x.transpose(0, 1).contiguous()


def _chunks(positions: int) -> list[slice]:
    return [slice(start, start + _CHUNK) for start in range(0, positions, _CHUNK)]


def _row_blocks(x: Tensor, n: int) -> list[slice]:
    batch, _, width = x.shape
    step = max(1, _CACHED // (n * width)) if x.device.type == "cpu" else batch
    return [slice(start, min(start + step, batch)) for start in range(0, batch, step)]


def _full_precision(x: Tensor) -> AbstractContextManager[Any]:
    kind = x.device.type
    return torch.autocast(kind, enabled=False) if torch.is_autocast_enabled(kind) else nullcontext()
