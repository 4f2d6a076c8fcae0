"""The next-byte view of a MambaLM: each byte takes the same time and memory, however many came before."""

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

BEGIN_OF_DOCUMENT = 0
READ_AT_ONCE = 4096


class StatePredictor:
    """Steps `lanes` streams through a MambaLM, one byte at a time; there is no context to be full."""

    def __init__(self, model: nn.Module, lanes: int = 1) -> None:
        self.lanes = lanes
        self._model = model.eval()
        self._device = next(model.parameters()).device
        self._state = model.new_state(lanes)  # type: ignore[operator]
        self.reset()

    def reset(self) -> None:
        """Back to the beginning of a document: one 0x00 byte was seen."""
        self._state.clear()
        self.feed(np.full(self.lanes, BEGIN_OF_DOCUMENT, dtype=np.uint8))

    def logits(self) -> NDArray[np.float32]:
        """Unnormalised log-probabilities of the next byte, (L, 256)."""
        values: NDArray[np.float32] = self._logits.float().cpu().numpy()
        return values.copy()  # the caller may scale them in place

    def feed(self, data: NDArray[np.uint8]) -> None:
        """Take one byte a lane, (L,)."""
        self._read(data[:, None])

    def prime(self, prompt: bytes) -> None:
        """Feed `prompt` to every lane, in blocks."""
        row = np.frombuffer(prompt, dtype=np.uint8)
        for start in range(0, len(row), READ_AT_ONCE):
            block = row[start : start + READ_AT_ONCE]
            self._read(np.broadcast_to(block, (self.lanes, len(block))))

    @torch.inference_mode()
    def _read(self, block: NDArray[np.uint8]) -> None:
        tokens = torch.from_numpy(np.array(block)).to(self._device)
        # Only the last ones: a view would keep those of the whole block.
        self._logits = self._model(tokens, self._state)[:, -1].clone()
