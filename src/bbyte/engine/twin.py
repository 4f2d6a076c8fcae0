"""The engine in numpy: slow, readable, and by docs/engine.md of the same bits as the native one."""

import numpy as np
from numpy.typing import NDArray

from bbyte.engine.arithmetic import Floats, norm
from bbyte.engine.tables import rotary
from bbyte.engine.twin_mamba import Mamba1Block, Mamba2Block
from bbyte.engine.twin_product import Product
from bbyte.engine.twin_transformer import TransformerBlock
from bbyte.engine.weights import VOCABULARY, Matrix, Weights

READ_AT_ONCE = 64
"""Positions that go through the model together: they take memory, and no bit depends on it."""


class Twin:
    """`lanes` streams through one model, each with a cache of `capacity` positions, or the state of a Mamba.

    The cache holds numbers of 16 bits (bf16), or with `cache32` of 32.
    """

    def __init__(self, weights: Weights, lanes: int, capacity: int, *, cache32: bool = False) -> None:
        plan = weights.blueprint
        self.lanes, self.capacity, self.length = lanes, capacity, 0
        self.is_bounded = plan.kind == "transformer"
        self._embedding, self._gain = weights.embedding, weights.final_norm
        self._eps = np.float32(plan.norm_eps)
        self._head = Product(Matrix(VOCABULARY, plan.d_model, values=weights.head), int8=False)
        self._blocks: list[TransformerBlock | Mamba2Block | Mamba1Block]
        if plan.kind == "transformer":
            table = rotary(plan.rope_base, plan.head_width, capacity)
            self._blocks = [
                TransformerBlock(plan, layer, lanes, table, cache32=cache32) for layer in weights.layers
            ]
        else:
            block = Mamba2Block if plan.kind == "mamba2" else Mamba1Block
            self._blocks = [block(plan, layer, lanes) for layer in weights.layers]

    def clear(self) -> None:
        """Forget all positions."""
        self.length = 0
        for block in self._blocks:
            block.clear()

    def step(self, tokens: NDArray[np.uint8], every: bool) -> Floats:
        """Feed T bytes to each lane, `tokens` (L, T): logits (L, 256) after the last of them.

        With `every`, (L, T, 256) after each. Raises ValueError where the cache has no room for them.
        """
        count = tokens.shape[1]
        if tokens.shape[0] != self.lanes or count == 0:
            raise ValueError(f"tokens {tokens.shape} are not those of {self.lanes} lanes")
        if self.is_bounded and self.length + count > self.capacity:
            raise ValueError(f"{self.length} + {count} positions do not fit in {self.capacity}")
        # What has diverged becomes infinite or no number, and whoever draws from it will say so.
        with np.errstate(over="ignore", invalid="ignore"):
            x = self._features(tokens, every)
            logits = self._head(norm(x, self._gain, self._eps))
        return logits if every else logits[:, 0]

    def _features(self, tokens: NDArray[np.uint8], every: bool) -> Floats:
        found = []
        for start in range(0, tokens.shape[1], READ_AT_ONCE):
            x = self._embedding[tokens[:, start : start + READ_AT_ONCE]]
            for block in self._blocks:
                x = block(x, self.length)
            self.length += x.shape[1]
            found.append(x)
        return np.concatenate(found, axis=1) if every else found[-1][:, -1:]
