"""What a model expected at each place of a text, and what it got. Imports no torch."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bbyte.analysis.surprisal import Scorer, surprisal
from bbyte.errors import BbyteError
from bbyte.models.contract import Predictor
from bbyte.probabilities import Figures, entropy_of, log_probabilities, nats_of
from bbyte.serving.model import Served
from bbyte.serving.work import Heed


@dataclass(frozen=True)
class Expectations:
    """Of N bytes what each cost and what was expected to, in bits, and the K likeliest in its place.

    logs: log-probabilities of the likeliest, (N, K).
    """

    data: bytes
    bits: Figures
    entropy: Figures
    likeliest: NDArray[np.uint8]
    logs: Figures


def expectations(model: Served, data: bytes, most: int, heed: Heed, start: int = 0) -> Iterator[Expectations]:
    """Those of the bytes from `start` on, all at once or, where each takes a pass of its own, one by one.

    Read at once they are those that evaluation counts, window by window. Raises BbyteError where a byte has
    no probability, and what `heed` raises.
    """
    if start >= len(data):
        return
    if model.scorer is None:
        yield from _one_by_one(model.predictor(), data, most, start)
    else:
        yield _at_once(model.scorer, data, most, start, heed)


def joined(parts: Sequence[Expectations]) -> Expectations:
    """Several parts, one at least, as one."""
    bits, entropy, bytes_, logs = (
        np.concatenate([getattr(part, name) for part in parts])
        for name in ("bits", "entropy", "likeliest", "logs")
    )
    return Expectations(b"".join(part.data for part in parts), bits, entropy, bytes_, logs)


def likeliest(logs: Figures, most: int) -> tuple[NDArray[np.uint8], Figures]:
    """Of log-probabilities (N, 256) the K likeliest bytes and theirs, (N, K), equal ones in byte order."""
    if not most:
        return np.empty((len(logs), 0), np.uint8), np.empty((len(logs), 0))
    order = np.argsort(-logs, axis=1, kind="stable")[:, :most]
    return order.astype(np.uint8), np.take_along_axis(logs, order, axis=1)


def _at_once(scorer: Scorer, data: bytes, most: int, start: int, heed: Heed) -> Expectations:
    seen: list[tuple[NDArray[np.uint8], Figures]] = []

    def logits(rows: NDArray[np.uint8], skip: int) -> NDArray[Any]:
        values = scorer.logits(rows, skip)
        seen.append(likeliest(log_probabilities(values).reshape(-1, 256), most))
        return values

    found = surprisal(data, replace(scorer, logits=logits), lambda done, total: heed())
    bytes_, logs = (np.concatenate(parts)[start:] for parts in zip(*seen, strict=True))
    return Expectations(data[start:], found.bits[start:], found.entropy[start:], bytes_, logs)


def _one_by_one(predictor: Predictor, data: bytes, most: int, start: int) -> Iterator[Expectations]:
    predictor.reset()
    predictor.prime(data[:start])
    for place in range(start, len(data)):
        byte, logs = np.frombuffer(data[place : place + 1], np.uint8), log_probabilities(predictor.logits())
        bits = nats_of(logs, byte) / np.log(2)
        if not np.isfinite(bits).all():
            raise BbyteError(
                f"the model gives byte {place} no probability at all",
                "its weights may have diverged: try an earlier checkpoint",
            )
        yield Expectations(byte.tobytes(), bits, entropy_of(logs), *likeliest(logs, most))
        predictor.feed(byte)
