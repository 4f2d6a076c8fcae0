"""The next-byte view of a checkpoint through the engine, without torch."""

from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from bbyte.checkpoint.find import Found
from bbyte.engine import core
from bbyte.engine.native import Native
from bbyte.engine.streams import By, Streams, open_streams
from bbyte.engine.weights import Floats
from bbyte.errors import BbyteError
from bbyte.models.window import forgotten

BEGIN_OF_DOCUMENT = 0
BYTES = 256
LONGEST_WINDOW = 1 << 40


class Settings(Protocol):
    """What a sampler is told (`generation.sampling.Sampling`)."""

    temperature: float
    top_k: int
    top_p: float
    min_p: float
    repetition_penalty: float
    penalty_window: int
    utf8: str
    seed: int


class EnginePredictor:
    """Steps `lanes` streams through a model, one byte at a time.

    A transformer sees `context` bytes at once, the longest window it was trained on: when so many are held,
    the last half of them is read again and the stream goes on from there. A Mamba has no such limit.
    """

    def __init__(self, streams: Streams, context: int) -> None:
        self.lanes = streams.lanes
        self._streams, self._context, self._is_bounded = streams, context, streams.is_bounded
        self._text = np.zeros((self.lanes, 1024), np.uint8)  # the document from its 0x00 on
        self.reset()

    def reset(self) -> None:
        """Back to the beginning of a document: one 0x00 byte was seen."""
        self._streams.clear()
        self._count = 0
        self._append(np.full((self.lanes, 1), BEGIN_OF_DOCUMENT, np.uint8))

    def logits(self) -> Floats:
        """Unnormalised log-probabilities of the next byte, (L, 256)."""
        return self._logits.copy()  # the caller may scale them in place

    def feed(self, data: NDArray[np.uint8]) -> None:
        """Take one byte a lane, (L,)."""
        self._append(data[:, None])

    def prime(self, prompt: bytes) -> None:
        """Feed `prompt` to every lane, in a block."""
        row = np.frombuffer(prompt, np.uint8)
        if len(row):
            self._append(np.broadcast_to(row, (self.lanes, len(row))))

    def _append(self, block: NDArray[np.uint8]) -> None:
        held, end = self._streams.length, self._count + block.shape[1]
        self._make_room(end)
        self._text[:, self._count : end] = block
        start = self._count
        if self._is_bounded and (dropped := forgotten(held + block.shape[1], self._context)):
            start = self._count - held + dropped
            self._streams.clear()
        self._count = end
        self._logits = self._streams.step(self._text[:, start:end], every=False)

    def _make_room(self, end: int) -> None:
        if end > self._text.shape[1]:
            self._text = np.concatenate([self._text, np.zeros((self.lanes, end), np.uint8)], axis=1)


class NativePredictor(EnginePredictor):
    """The same, able to write many bytes in one call of the core."""

    _streams: Native

    def continue_(self, n: int, sampling: Settings) -> NDArray[np.uint8]:
        """Draw, feed and return each lane's next n bytes, (L, n), as `generation.sampler.sample` draws them.

        Raises BbyteError where the logits are no distribution.
        """
        settings = core.SamplingSettings(
            sampling.temperature, sampling.top_p, sampling.min_p, sampling.repetition_penalty,
            min(sampling.top_k, BYTES), min(sampling.penalty_window, LONGEST_WINDOW), sampling.seed,
            sampling.utf8 == "valid",
        )  # fmt: skip
        begin, end = self._count, self._count + n
        self._make_room(end)
        while self._count < end:
            room = self._context - self._streams.length if self._is_bounded else n
            some = min(room, end - self._count)
            # The text's first byte, the 0x00, belongs to no document: it is not looked at.
            position, text = self._count - 1, self._text[:, 1:]
            if not self._streams.write(settings, max(some, 1), position, text, position, feeds=some > 0):
                raise BbyteError(
                    f"the model gives no distribution for byte {position}",
                    "its weights may have diverged: try an earlier checkpoint",
                )
            if some:
                self._count += some
            else:  # the context is full: what was drawn is fed with the half that stays
                self._append(self._text[:, self._count : self._count + 1].copy())
        self._logits = self._streams.logits()
        return self._text[:, begin:end].copy()


def open_predictor(
    found: Found, lanes: int = 1, *, by: By = "native", threads: int = 0, path: str | None = None
) -> tuple[EnginePredictor, Streams]:
    """A predictor of `lanes` streams for a verified checkpoint, and what computes it.

    threads: 0 takes as many as there are cores, at most four; path: one of `core.paths()`. Raises what
    `open_streams` raises.
    """
    context = max(2, found.meta.context)
    streams = open_streams(found, lanes, context, by=by, threads=threads, path=path)
    return predictor_of(streams, context), streams


def predictor_of(streams: Streams, context: int) -> EnginePredictor:
    """A predictor by streams that hold `context` bytes, two at least."""
    kind = NativePredictor if isinstance(streams, Native) else EnginePredictor
    return kind(streams, context)
