"""The next-byte view of a byte transformer: a KV cache, and what happens when the context is full."""

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from bbyte.models.window import forgotten

BEGIN_OF_DOCUMENT = 0
READ_AT_ONCE = 1024


class CachedPredictor:
    """Steps `lanes` streams through a BitByteLM, one byte at a time.

    `context` is the longest window the model was trained on: when so many bytes are held, the last half of
    them is read again and the stream goes on from there (`forgotten`).
    """

    def __init__(self, model: nn.Module, context: int, lanes: int = 1) -> None:
        self.lanes = lanes
        self._model = model.eval()
        self._context = max(2, context)
        self._device = next(model.parameters()).device
        self.reset()

    def reset(self) -> None:
        """Back to the beginning of a document: one 0x00 byte was seen."""
        self._cache = self._model.new_cache(self.lanes, self._context)  # type: ignore[operator]
        self._held = np.empty((self.lanes, 0), dtype=np.uint8)
        self._read(np.full((self.lanes, 1), BEGIN_OF_DOCUMENT, dtype=np.uint8))

    def logits(self) -> NDArray[np.float32]:
        """Unnormalised log-probabilities of the next byte, (L, 256)."""
        values: NDArray[np.float32] = self._logits.float().cpu().numpy()
        return values.copy()  # the caller may scale them in place

    def feed(self, data: NDArray[np.uint8]) -> None:
        """Take one byte a lane, (L,)."""
        self._append(data[:, None])

    def prime(self, prompt: bytes) -> None:
        """Feed `prompt` to every lane, in blocks."""
        row = np.frombuffer(prompt, dtype=np.uint8)
        if len(row):
            self._append(np.broadcast_to(row, (self.lanes, len(row))))

    def _append(self, block: NDArray[np.uint8]) -> None:
        dropped = forgotten(self._held.shape[1] + block.shape[1], self._context)
        if dropped:  # of a long block only what is left at the end needs to be read
            block = np.concatenate([self._held, block], axis=1)[:, dropped:]
            self._cache.length, self._held = 0, self._held[:, :0]
        for start in range(0, block.shape[1], READ_AT_ONCE):
            self._read(block[:, start : start + READ_AT_ONCE])

    @torch.inference_mode()
    def _read(self, block: NDArray[np.uint8]) -> None:
        tokens: Tensor = torch.from_numpy(np.array(block)).to(self._device)
        self._logits = self._model(tokens, self._cache)[:, -1]
        self._held = np.concatenate([self._held, block], axis=1)
