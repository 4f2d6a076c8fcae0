"""The two views of a DiffusionLM: holes anywhere, and a text that goes on."""

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from bbyte.models.diffusion.config import MASK

BEGIN_OF_DOCUMENT = 0


class MaskedInfiller:
    """What may stand at hidden places of a text, which is read after the byte before it, as in training."""

    def __init__(self, model: nn.Module, context: int) -> None:
        self.context = context
        self._model = model.eval()
        self._device = next(model.parameters()).device

    @torch.inference_mode()
    def logits(
        self, tokens: NDArray[np.int16], before: NDArray[np.int16] | None = None
    ) -> NDArray[np.float32]:
        """Unnormalised log-probabilities (B, T, 256) of each place of `tokens` (B, T); 256 is hidden.

        `before` (B,) stands before them; None is the beginning of a document.
        """
        first = np.full(len(tokens), BEGIN_OF_DOCUMENT, np.int16) if before is None else before
        begun = np.concatenate([first[:, None], tokens], axis=1)
        found = self._model(torch.from_numpy(begun).to(self._device))[:, 1:]
        values: NDArray[np.float32] = found.float().cpu().numpy()
        return values


class SuffixPredictor:
    """The next-byte view: all that follows is hidden, up to the length of a window.

    Each byte costs a pass over a whole window, as nothing of the one before can be kept. When the window is
    full, the last half of it is read again, as in every family that sees a window.
    """

    def __init__(self, model: nn.Module, context: int, lanes: int = 1) -> None:
        self.lanes = lanes
        self._model = model.eval()
        self._device = next(model.parameters()).device
        self._context = context
        self.reset()

    def reset(self) -> None:
        """Back to the beginning of a document: one 0x00 byte was seen."""
        self._held = np.full((self.lanes, 1), BEGIN_OF_DOCUMENT, dtype=np.uint8)
        self._logits: NDArray[np.float32] | None = None

    @torch.inference_mode()
    def logits(self) -> NDArray[np.float32]:
        """Unnormalised log-probabilities of the next byte, (L, 256)."""
        if self._logits is None:
            known = self._held.shape[1]
            tokens = np.full((self.lanes, 1 + self._context), MASK, np.int16)
            tokens[:, :known] = self._held
            found = self._model(torch.from_numpy(tokens).to(self._device))[:, known]
            self._logits = found.float().cpu().numpy()
        return self._logits.copy()  # the caller may scale them in place

    def feed(self, data: NDArray[np.uint8]) -> None:
        """Take one byte a lane, (L,)."""
        self._append(data[:, None])

    def prime(self, prompt: bytes) -> None:
        """Feed `prompt` to every lane."""
        row = np.frombuffer(prompt, dtype=np.uint8)
        self._append(np.broadcast_to(row, (self.lanes, len(row))))

    def _append(self, block: NDArray[np.uint8]) -> None:
        self._held = np.concatenate([self._held, block], axis=1)
        # Of a window's 1 + T places one at least stays hidden: the next byte's. What is kept begins with a
        # byte of the text, as windows do in training, no more with the begin of a document.
        excess = self._held.shape[1] - self._context
        if excess > 0:
            once = self._context - self._context // 2
            self._held = self._held[:, -(-excess // once) * once :]
        self._logits = None
