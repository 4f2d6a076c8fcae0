"""What bytes cost, as OpenAI's protocol tells it: a token is a byte."""

import codecs
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bbyte.models.contract import Predictor
from bbyte.probabilities import log_probabilities
from bbyte.serving.expectations import Expectations, likeliest

IMPOSSIBLE = -9999.0
"""For minus infinity, which JSON does not have."""


@dataclass(frozen=True)
class Note:
    """A byte, its log-probability, and the likeliest bytes at its place with theirs."""

    byte: int
    logprob: float
    likeliest: tuple[tuple[int, float], ...]


class Watched:
    """A predictor whose logits are seen before they are drawn from; it writes byte by byte."""

    def __init__(self, predictor: Predictor) -> None:
        self.lanes = predictor.lanes
        self.reset, self.prime, self.feed = predictor.reset, predictor.prime, predictor.feed
        self._predictor = predictor

    def logits(self) -> NDArray[np.float32]:
        """Unnormalised log-probabilities of each lane's next byte, (L, 256)."""
        self._logits = self._predictor.logits()
        return self._logits

    def notes(self, drawn: NDArray[np.uint8], most: int) -> list[Note]:
        """Of the bytes just drawn, (L,), at temperature 1."""
        logs = log_probabilities(self._logits)
        bytes_, values = likeliest(logs, most)
        return [
            Note(int(byte), float(logs[lane, byte]), tuple(zip(some.tolist(), theirs.tolist(), strict=True)))
            for lane, (byte, some, theirs) in enumerate(zip(drawn, bytes_, values, strict=True))
        ]


def notes_of(read: Expectations) -> list[Note]:
    """Of a text that was read."""
    nats = -read.bits * math.log(2)
    return [
        Note(byte, logprob, tuple(zip(some, theirs, strict=True)))
        for byte, logprob, some, theirs in zip(
            read.data, nats.tolist(), read.likeliest.tolist(), read.logs.tolist(), strict=True
        )
    ]


def token(byte: int) -> str:
    r"""A byte as a token: ASCII as it is, others as OpenAI shows bytes that are no text, `bytes:\xff`."""
    return chr(byte) if byte < 0x80 else f"bytes:\\x{byte:02x}"


def offsets(data: bytes, start: int) -> list[int]:
    """Where in the text, which `start` characters come before, the character of each byte stands."""
    decoder, count, found = codecs.getincrementaldecoder("utf-8")("replace"), start, []
    for place in range(len(data)):
        count += len(decoder.decode(data[place : place + 1]))
        is_whole = not decoder.getstate()[0]
        found.append(count - is_whole)
    return found


def as_json(notes: Sequence[Note], places: Sequence[int]) -> dict[str, Any]:
    """Some bytes in the protocol's shape; the byte itself is always among those shown at its place."""
    return {
        "tokens": [token(note.byte) for note in notes],
        "token_logprobs": [_number(note.logprob) for note in notes],
        "top_logprobs": [
            {token(byte): _number(value) for byte, value in (*note.likeliest, (note.byte, note.logprob))}
            for note in notes
        ],
        "text_offset": list(places),
    }


def _number(logprob: float) -> float:
    return max(logprob, IMPOSSIBLE)
