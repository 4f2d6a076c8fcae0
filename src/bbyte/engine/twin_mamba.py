"""The blocks of Mamba-1 and Mamba-2 in the arithmetic of docs/engine.md.

Shapes: L lanes, T positions that are fed, C d_model, U channels of the convolution, N numbers of state a
channel, D inner channels of Mamba-1; of Mamba-2 G groups of H heads of D channels.
"""

import numpy as np

from bbyte.engine.arithmetic import Floats, exp, norm, ordered_sum, silu, softplus
from bbyte.engine.twin_product import Product
from bbyte.engine.weights import Layer
from bbyte.models.blueprint import Blueprint


class _MambaBlock:
    """What both have: norm, short convolution, the states of `lanes` streams; they differ in `_mix`."""

    def __init__(self, plan: Blueprint, layer: Layer, lanes: int) -> None:
        self._plan, self._vectors, self._lanes = plan, layer.vectors, lanes
        self._eps = np.float32(plan.norm_eps)
        self._by = {
            role: Product(matrix, int8=plan.int8_activations) for role, matrix in layer.matrices.items()
        }
        self._taps = layer.vectors["conv"].reshape(plan.channels, plan.d_conv).T  # the oldest input's first
        self._rates = -exp(layer.vectors["A_log"])
        self.clear()

    def __call__(self, x: Floats, start: int) -> Floats:
        """`x` (L, T, C), the positions after those it knows of, to (L, T, C)."""
        return x + self._mix(norm(x, self._vectors["norm"], self._eps))

    def clear(self) -> None:
        """Back to where no position was seen."""
        plan = self._plan
        self._held = np.zeros((self._lanes, plan.d_conv - 1, plan.channels), np.float32)
        self._state = np.zeros((plan.d_state, self._lanes, *self._inner()), np.float32)

    def _inner(self) -> tuple[int, ...]:
        raise NotImplementedError

    def _mix(self, h: Floats) -> Floats:
        raise NotImplementedError

    def _convolved(self, u: Floats) -> Floats:
        """`u` (L, T, U) after the convolution and its gate."""
        count = u.shape[1]
        inputs = np.concatenate([self._held, u], axis=1)
        self._held = inputs[:, count:]
        terms = np.stack([inputs[:, j : j + count] * tap for j, tap in enumerate(self._taps)])
        return silu(ordered_sum(terms, 0) + self._vectors["conv_bias"])


class Mamba2Block(_MambaBlock):
    """One whose heads each have a rate, and groups of them what is written and read (arXiv 2405.21060)."""

    def _inner(self) -> tuple[int, ...]:
        plan = self._plan
        return plan.n_groups, plan.n_head // plan.n_groups, plan.head_width

    def _mix(self, h: Floats) -> Floats:
        plan, vectors = self._plan, self._vectors
        shared = plan.n_groups * plan.d_state
        z, u, dt = np.split(self._by["in"](h), [plan.d_inner, plan.d_inner + plan.channels], axis=-1)
        x, b, c = np.split(self._convolved(u), [plan.d_inner, plan.d_inner + shared], axis=-1)
        dt = softplus(dt + vectors["dt_bias"])
        heads = x.reshape(*h.shape[:2], *self._inner())
        by_head = (*h.shape[:2], *self._inner()[:2], 1)
        written = dt.reshape(by_head) * heads
        y, self._state = scan(
            self._state,
            exp(dt * self._rates).reshape(by_head).swapaxes(0, 1)[:, None],
            written.swapaxes(0, 1)[:, None],
            self._by_group(b),
            self._by_group(c),
        )
        y += vectors["D"].reshape(by_head[2:]) * heads
        parts = (*h.shape[:2], plan.n_groups, -1)
        gated = y.reshape(parts) * silu(z).reshape(parts)
        even = norm(gated, vectors["gated_norm"].reshape(plan.n_groups, -1), self._eps)
        return self._by["out"](even.reshape(*h.shape[:2], -1))

    def _by_group(self, shared: Floats) -> Floats:
        """(L, T, G N) as (T, N, L, G, 1, 1)."""
        parts = shared.reshape(*shared.shape[:2], self._plan.n_groups, -1)
        return parts.transpose(1, 3, 0, 2)[..., None, None]


class Mamba1Block(_MambaBlock):
    """One whose channels each have their own rates and step sizes (arXiv 2312.00752)."""

    def _inner(self) -> tuple[int, ...]:
        return (self._plan.d_inner,)

    def _mix(self, h: Floats) -> Floats:
        plan, vectors = self._plan, self._vectors
        x, z = np.split(self._by["in"](h), 2, axis=-1)
        x = self._convolved(x)
        steps, b, c = np.split(self._by["select"](x), [plan.dt_rank, plan.dt_rank + plan.d_state], axis=-1)
        dt = softplus(self._by["steps"](steps) + vectors["dt_bias"])
        rates = self._rates.reshape(plan.d_inner, plan.d_state).T[:, None]  # (N, 1, D)
        y, self._state = scan(
            self._state,
            exp(dt.swapaxes(0, 1)[:, None] * rates),
            (dt * x).swapaxes(0, 1)[:, None],
            b.transpose(1, 2, 0)[..., None],
            c.transpose(1, 2, 0)[..., None],
        )
        return self._by["out"]((y + vectors["D"] * x) * silu(z))


def scan(state: Floats, decay: Floats, written: Floats, b: Floats, c: Floats) -> tuple[Floats, Floats]:
    """Position by position S = S * decay + written * b, read as the sum over n of S * c; and the last S.

    `state` is S before, (N, L, inner …). The others have T in front, and 1 where they do not vary. What is
    read is (L, T, inner …).
    """
    states = np.empty((len(decay), *state.shape), np.float32)
    for t in range(len(decay)):
        states[t] = state = state * decay[t] + written[t] * b[t]
    return ordered_sum(states * c, 1).swapaxes(0, 1), state
