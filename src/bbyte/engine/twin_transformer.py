"""A transformer's block in the arithmetic of docs/engine.md.

Shapes: L lanes, T positions that are fed, J positions held, C d_model, K key/value heads, G heads of each, D
numbers a head.
"""

import numpy as np

from bbyte.engine.arithmetic import ONE, Floats, bf16, exp, norm, rotate, s16, silu
from bbyte.engine.twin_product import Product
from bbyte.engine.weights import Layer
from bbyte.models.blueprint import Blueprint

ZERO = np.float32(0)


class TransformerBlock:
    """Attention and feed-forward of one layer, with the keys and values of `lanes` streams.

    `table`: cosines and sines (capacity, D / 2).
    """

    def __init__(
        self, plan: Blueprint, layer: Layer, lanes: int, table: tuple[Floats, Floats], *, cache32: bool
    ) -> None:
        self._plan, self._gains, self._table, self._cache32 = plan, layer.vectors, table, cache32
        self._eps = np.float32(plan.norm_eps)
        self._by = {
            role: Product(matrix, int8=plan.int8_activations) for role, matrix in layer.matrices.items()
        }
        shape = (lanes, plan.n_kv_head, len(table[0]), plan.head_width)
        self._keys, self._values = (np.zeros(shape, np.float32) for _ in range(2))

    def __call__(self, x: Floats, start: int) -> Floats:
        """`x` (L, T, C) at the positions from `start` on, to (L, T, C)."""
        gains, eps = self._gains, self._eps
        x = x + self._attention(norm(x, gains["norm"], eps), start)
        return x + self._feed_forward(norm(x, gains["feed_forward_norm"], eps))

    def clear(self) -> None:
        """Nothing to do: no position sees what lies in the cache after it."""

    def _attention(self, h: Floats, start: int) -> Floats:
        plan = self._plan
        stop = start + h.shape[1]
        heads = self._by["qkv"](h).reshape(*h.shape[:2], -1, plan.head_width).swapaxes(1, 2)
        q, k, v = np.split(heads, [plan.n_head, plan.n_head + plan.n_kv_head], axis=1)  # (L, …, T, D)
        cos, sin = (part[start:stop] for part in self._table)
        q, k = rotate(self._norm(q, "q_norm"), cos, sin), rotate(self._norm(k, "k_norm"), cos, sin)
        self._keys[:, :, start:stop], self._values[:, :, start:stop] = (
            part if self._cache32 else bf16(part) for part in (k, v)
        )
        grouped = q.reshape(len(q), plan.n_kv_head, -1, *q.shape[2:])
        o = attend(grouped, self._keys[:, :, :stop], self._values[:, :, :stop]).reshape(q.shape)
        o = o.swapaxes(1, 2).reshape(h.shape)
        return self._by["out"](self._norm(o, "attention_sub_norm"))

    def _feed_forward(self, h: Floats) -> Floats:
        gate, up = np.split(self._by["gate_up"](h), 2, axis=-1)
        if self._plan.relu2:
            positive = np.maximum(gate, ZERO)
            y = (positive * positive) * up
        else:
            y = silu(gate) * up
        return self._by["down"](self._norm(y, "feed_forward_sub_norm"))

    def _norm(self, x: Floats, role: str) -> Floats:
        """Normalised where the model has that norm, one that not every model has."""
        return norm(x, self._gains[role], self._eps) if role in self._gains else x


def attend(q: Floats, keys: Floats, values: Floats) -> Floats:
    """What the last T of J positions take from those up to themselves, (L, K, G, T, D) like `q`.

    keys, values: (L, K, J, D).
    """
    (count, width), stop = q.shape[-2:], keys.shape[2]
    q = q * (ONE / np.sqrt(np.float32(width)))
    keys, values = keys[:, :, None], values[:, :, None]
    scores = q[..., :1] * keys[..., None, :, 0]  # (L, K, G, T, J)
    for d in range(1, width):
        scores += q[..., d : d + 1] * keys[..., None, :, d]
    start = stop - count
    seen = np.arange(stop) <= np.arange(start, stop)[:, None]
    scores = np.where(seen, scores, -np.float32(np.inf))
    # What lies after a position weighs 0, which changes no sum of weights.
    weights = np.where(seen, exp(scores - scores.max(axis=-1, keepdims=True)), ZERO)
    o = weights[..., :1] * values[..., :1, :]
    for j in range(1, stop):
        first = max(0, j - start)
        o[..., first:, :] += weights[..., first:, j : j + 1] * values[..., j : j + 1, :]
    return np.asarray(o * (ONE / s16(weights))[..., None])
