"""The state space of Mamba-2, computed in chunks by matrix products (SSD, arXiv 2405.21060).

    S_t = exp(dt_t a) S_{t-1} + dt_t x_t b_t^T        y_t = S_t c_t + skip x_t

Inside a chunk every position reads those before it through a matrix, as attention does; from chunk to chunk
only the state goes on. Shapes: B batch, T positions, H heads, D width of a head, N state, G groups of heads
that share `b` and `c`; Z chunks of Q positions.
"""

import math
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F

LOG2_E = math.log2(math.e)
CHUNK = {"cpu": 64}
CHUNK_ELSEWHERE = 256
CACHED = 1 << 17
"""Numbers between positions that are held at once on a CPU, so that they stay in its cache."""


def ssd(
    x: Tensor, dt: Tensor, a: Tensor, b: Tensor, c: Tensor, skip: Tensor, state: Tensor | None = None
) -> tuple[Tensor, Tensor]:
    """The outputs y (B, T, H, D) in the type of `x`, and the state (B, H, D, N) after the last position.

    x (B, T, H, D); dt (B, T, H) step sizes, not negative; a (H), negative; b, c (B, T, G, N); skip (H); state
    (B, H, D, N) before the first position, None for zeros. Any T: the last chunk is filled up with steps of
    size 0, which leave the state as it is. Step sizes, decay and state are float32, or float64 where `x` is.
    Gradients flow through y alone, and not into `state`.
    """
    length = x.shape[1]
    chunks = -(-length // CHUNK.get(x.device.type, CHUNK_ELSEWHERE))
    missing = -length % chunks
    if missing:
        x, b, c = (F.pad(part, (0, 0, 0, 0, 0, missing)) for part in (x, b, c))
        dt = F.pad(dt, (0, 0, 0, missing))
    kind = torch.promote_types(x.dtype, torch.float32)
    x, b, c = (torch.unflatten(part, 1, (chunks, -1)) for part in (x, b, c))
    dt, a, skip = torch.unflatten(dt.to(kind), 1, (chunks, -1)), a.to(kind), skip.to(kind)
    state = x.new_zeros(_state_shape(x, b), dtype=kind) if state is None else state.to(kind)
    with torch.autocast(x.device.type, enabled=False):
        if torch.compiler.is_compiling():
            y, state = _formula(x, dt, a, b, c, skip, state)
        else:
            y, state = _SSD.apply(x, dt, a, b, c, skip, state)  # type: ignore[no-untyped-call]
    return y.flatten(1, 2)[:, :length], state.detach()


def ssd_reference(
    x: Tensor, dt: Tensor, a: Tensor, b: Tensor, c: Tensor, skip: Tensor, state: Tensor | None = None
) -> tuple[Tensor, Tensor]:
    """The same, one position at a time: readable, slow, and differentiable throughout."""
    heads = x.shape[2] // b.shape[2]
    b, c = (part.repeat_interleave(heads, dim=2) for part in (b, c))
    held = x.new_zeros(x.shape[0], *x.shape[2:], b.shape[3]) if state is None else state
    results = []
    for t in range(x.shape[1]):
        decay = torch.exp(dt[:, t] * a)
        held = decay[..., None, None] * held + torch.einsum("bh,bhd,bhn->bhdn", dt[:, t], x[:, t], b[:, t])
        results.append(torch.einsum("bhdn,bhn->bhd", held, c[:, t]) + skip[:, None] * x[:, t])
    return torch.stack(results, dim=1), held


def ssd_step(x: Tensor, dt: Tensor, a: Tensor, b: Tensor, c: Tensor, skip: Tensor, state: Tensor) -> Tensor:
    """The next position alone: x (B, H, D), dt (B, H), b, c (B, G, N) to y (B, H, D); `state` moves on."""
    B, G, N = b.shape
    grouped = state.view(B, G, -1, N)  # (B, G, H / G * D, N)
    state.mul_(torch.exp(dt * a)[..., None, None])
    grouped.addcmul_((x * dt.unsqueeze(-1)).view(B, G, -1, 1), b.unsqueeze(2))
    y = torch.matmul(grouped, c.unsqueeze(-1)).view(x.shape)
    return y.addcmul_(x, skip.unsqueeze(-1))


def _state_shape(x: Tensor, b: Tensor) -> tuple[int, ...]:
    return x.shape[0], x.shape[3], x.shape[4], b.shape[4]


def _formula(
    x: Tensor, dt: Tensor, a: Tensor, b: Tensor, c: Tensor, skip: Tensor, state: Tensor
) -> tuple[Tensor, Tensor]:
    """In chunks, as plain as it can be said: what a compiler gets."""
    heads = x.shape[3] // b.shape[3]
    b, c = (part.repeat_interleave(heads, dim=3).transpose(2, 3) for part in (b, c))  # (B, Z, H, Q, N)
    log_decay = (dt * a).cumsum(2).transpose(2, 3)  # (B, Z, H, Q)
    values = (x * dt.unsqueeze(-1).to(x.dtype)).transpose(2, 3)  # (B, Z, H, Q, D)
    between = (log_decay.unsqueeze(-1) - log_decay.unsqueeze(-2)).masked_fill(_later(x), -torch.inf).exp()
    y = ((c @ b.mT) * between).to(x.dtype) @ values
    from_start, to_end = log_decay.exp(), (log_decay[..., -1:] - log_decay).exp()
    added = (values * to_end.unsqueeze(-1).to(x.dtype)).mT @ b  # (B, Z, H, D, N)
    before = []
    for chunk in range(x.shape[1]):
        before.append(state)
        state = state * from_start[:, chunk, :, -1, None, None] + added[:, chunk]
    carried = c @ torch.stack(before, 1).to(x.dtype).mT
    y = (y + carried * from_start.unsqueeze(-1)).transpose(2, 3) + x * skip.unsqueeze(-1)
    return y.to(x.dtype), state


def _later(x: Tensor) -> Tensor:
    """Which positions (column) of a chunk come after which (row): a row does not see them."""
    size = x.shape[2]
    return torch.ones(size, size, dtype=torch.bool, device=x.device).triu(1)


class _Decay(NamedTuple):
    """What happens to a state inside each chunk, (B, Z, Q, H): up to a position, and from it to the end."""

    log2: Tensor
    from_start: Tensor
    to_end: Tensor

    @classmethod
    def of(cls, dt: Tensor, a: Tensor) -> "_Decay":
        # In powers of 2, which torch computes itself: exp it leaves to a library that is slow on some CPUs.
        log2 = (dt * (a * LOG2_E)).cumsum(2)
        return cls(log2, log2.exp2(), (log2[:, :, -1:] - log2).exp2_())

    def between(self) -> Tensor:
        """From each position (last) to each later one (B, Z, H, Q, Q), 0 to earlier ones."""
        log2 = self.log2.transpose(2, 3).contiguous()
        difference = log2.unsqueeze(-1) - log2.unsqueeze(-2)
        size = log2.shape[3]
        # Of positions that are not to be seen the difference is positive and may overflow.
        return difference.add_(log2.new_full((size, size), -torch.inf).triu_(1)).exp2_()


class _SSD(torch.autograd.Function):
    """`_formula` in few passes over memory, keeping only the states between chunks for the backward pass."""

    @staticmethod
    def forward(
        ctx: Any, x: Tensor, dt: Tensor, a: Tensor, b: Tensor, c: Tensor, skip: Tensor, state: Tensor
    ) -> tuple[Tensor, Tensor]:
        y, B, Z, G, N = torch.empty(x.shape, dtype=x.dtype, device=x.device), *x.shape[:2], *b.shape[3:]
        states = state.new_empty(B, Z + 1, G, N, x.shape[3] * x.shape[4] // G)
        states[:, 0] = state.reshape(B, G, -1, N).mT
        for rows in _slabs(x):
            _forward(x[rows], dt[rows], a, b[rows], c[rows], skip, states[rows], y[rows])
        ctx.save_for_backward(x, dt, a, b, c, skip, states)
        ctx.set_materialize_grads(False)
        last = states[:, -1].mT.reshape(state.shape)
        ctx.mark_non_differentiable(last)
        return y, last

    @staticmethod
    def backward(ctx: Any, grad: Tensor | None, _: Any) -> tuple[Tensor | None, ...]:
        if grad is None:
            return (None,) * 7
        x, dt, a, b, c, skip, states = ctx.saved_tensors
        grads = [torch.empty(part.shape, dtype=part.dtype, device=x.device) for part in (x, dt, b, c)]
        grad_a, grad_skip = torch.zeros_like(a), torch.zeros_like(skip)
        for rows in _slabs(x):
            to_a, to_skip = _backward(
                grad[rows], x[rows], dt[rows], a, b[rows], c[rows], skip, states[rows],
                [part[rows] for part in grads],
            )  # fmt: skip
            grad_a += to_a
            grad_skip += to_skip
        grad_x, grad_dt, grad_b, grad_c = grads
        return grad_x, grad_dt, grad_a, grad_b, grad_c, grad_skip, None


def _slabs(x: Tensor) -> list[slice]:
    """Rows that are computed together."""
    B, Z, Q, H, _ = x.shape
    step = max(1, CACHED // (Z * H * Q * Q)) if x.device.type == "cpu" else B
    return [slice(start, start + step) for start in range(0, B, step)]


def _forward(
    x: Tensor, dt: Tensor, a: Tensor, b: Tensor, c: Tensor, skip: Tensor, states: Tensor, y: Tensor
) -> None:
    """Fill `y` and, from the first state on, `states` (B, Z + 1, G, N, H / G * D)."""
    B, Z, Q, _, D = x.shape
    G, kind = b.shape[3], x.dtype
    b, c = b.transpose(2, 3), c.transpose(2, 3)  # (B, Z, G, Q, N)
    decay = _Decay.of(dt, a)
    added = b.mT @ _grouped(_scaled(x, dt * decay.to_end), G)
    for chunk in range(Z):
        whole = _of_state(decay.from_start[:, chunk, -1], G, D)
        torch.addcmul(added[:, chunk].to(dt.dtype), states[:, chunk], whole, out=states[:, chunk + 1])
    weights = decay.between()
    weights.view(B, Z, G, -1, Q, Q).mul_((c @ b.mT).unsqueeze(3))
    inside = weights.to(kind) @ _by_head(x, dt)
    carried = (c @ states[:, :-1].to(kind)).transpose(2, 3).reshape(x.shape)
    torch.mul(x, skip.unsqueeze(-1), out=y) if kind == dt.dtype else y.copy_(x * skip.unsqueeze(-1))
    y.addcmul_(carried, decay.from_start.unsqueeze(-1).to(kind)).add_(inside.transpose(2, 3))


def _backward(
    grad: Tensor, x: Tensor, dt: Tensor, a: Tensor, b: Tensor, c: Tensor, skip: Tensor, states: Tensor,
    grads: list[Tensor],
) -> tuple[Tensor, Tensor]:  # fmt: skip
    """Fill the gradients of x, dt, b and c; return those of `a` and `skip`."""
    B, Z, Q, _, D = x.shape
    G, kind = b.shape[3], x.dtype
    grad_x, grad_dt, grad_b, grad_c = grads
    b, c = b.transpose(2, 3), c.transpose(2, 3)
    decay = _Decay.of(dt, a)
    # From chunk to chunk: what the outputs after a chunk ask of the state at its end.
    from_outside = _grouped(_scaled(grad, decay.from_start), G)
    asked = torch.empty_like(states)
    asked[:, -1] = 0
    to_state = c.mT @ from_outside
    for chunk in reversed(range(Z)):
        whole = _of_state(decay.from_start[:, chunk, -1], G, D)
        torch.addcmul(to_state[:, chunk].to(dt.dtype), asked[:, chunk + 1], whole, out=asked[:, chunk])
    before, at_end = states[:, :-1].to(kind), asked[:, 1:].to(kind)
    kept = _grouped(_scaled(x, dt * decay.to_end), G)
    to_c, to_b = from_outside @ before.mT, kept @ at_end.mT
    # Inside a chunk, head by head.
    between, scores = decay.between(), (c @ b.mT).unsqueeze(3)
    by_head, grad_by_head = _by_head(x, dt), _by_head(grad)
    weights = between.view(B, Z, G, -1, Q, Q) * scores
    to_values = (weights.to(kind).flatten(2, 3).mT @ grad_by_head).transpose(2, 3)
    to_weights = (grad_by_head @ by_head.mT).mul_(between).view(weights.shape)
    to_scores = to_weights.sum(3).to(kind)
    grad_c.copy_(to_c.add_(to_scores @ b).transpose(2, 3))
    grad_b.copy_(to_b.add_(to_scores.mT @ c).transpose(2, 3))
    from_end = b @ at_end
    outwards, inwards = _head_sums(from_outside, c @ before, D), _head_sums(kept, from_end, D)
    to_values = to_values + from_end.transpose(2, 3).reshape(x.shape).mul_(decay.to_end.unsqueeze(-1))
    with_x, to_skip = _dot(to_values, x), _dot(grad, x)
    # What is asked of a decay at one position: by all that passes it, from before it to after. Both ends are
    # summed from the same numbers, for nearly all of it cancels.
    to_weights = to_weights.to(dt.dtype).mul_(scores)
    within = (to_weights.sum(5) - to_weights.sum(4)).flatten(2, 3).mT
    through = torch.unflatten(states[:, :-1] * asked[:, 1:], -1, (-1, D)).sum((3, 5)).flatten(2)
    to_rate = (within + outwards).flip(2).cumsum(2).flip(2).add_(inwards.cumsum(2).sub_(inwards))
    to_rate += (through * decay.from_start[:, :, -1]).unsqueeze(2)
    torch.addcmul(with_x, to_rate, a, out=grad_dt)
    torch.mul(grad, skip.unsqueeze(-1).to(kind), out=grad_x)
    grad_x.addcmul_(to_values, dt.unsqueeze(-1).to(kind))
    return (dt * to_rate).sum((0, 1, 2)), to_skip.sum((0, 1, 2))


def _scaled(x: Tensor, by: Tensor) -> Tensor:
    """Each head of `x` (B, Z, Q, H, D) times its number in `by` (B, Z, Q, H), in the type of `x`."""
    return (x * by.unsqueeze(-1)).to(x.dtype)


def _grouped(x: Tensor, groups: int) -> Tensor:
    """(B, Z, Q, H, D) as (B, Z, G, Q, H / G * D): the heads of a group side by side."""
    return x.reshape(*x.shape[:3], groups, -1).transpose(2, 3)


def _by_head(x: Tensor, by: Tensor | None = None) -> Tensor:
    """(B, Z, Q, H, D) as (B, Z, H, Q, D), laid out like that; each head times its number in `by`."""
    heads = x.transpose(2, 3)
    if by is None:
        return heads.contiguous()
    out = torch.empty(heads.shape, dtype=x.dtype, device=x.device)
    return torch.mul(heads, by.transpose(2, 3).unsqueeze(-1).to(x.dtype), out=out)


def _of_state(decay: Tensor, groups: int, width: int) -> Tensor:
    """A decay a head (B, H) as one a column of the grouped states, (B, G, 1, H / G * D)."""
    return decay.view(len(decay), groups, 1, -1).repeat_interleave(width, dim=3)


def _head_sums(x: Tensor, y: Tensor, width: int) -> Tensor:
    """The inner products of heads of `width` that lie grouped, (B, Z, Q, H)."""
    return (
        _dot(torch.unflatten(x, -1, (-1, width)), torch.unflatten(y, -1, (-1, width)))
        .transpose(2, 3)
        .flatten(3)
    )


def _dot(x: Tensor, y: Tensor) -> Tensor:
    """The inner products of heads, (B, Z, Q, H), in float32 at least."""
    kind = torch.promote_types(x.dtype, torch.float32)
    result: Tensor = torch.linalg.vecdot(x.to(kind), y.to(kind))
    return result
