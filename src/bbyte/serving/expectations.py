"""What a model expected at each place of a text, and what it got. Imports no torch."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bbyte.analysis.surprisal import Figures, Scorer, Surprisal, log_probabilities, surprisal


@dataclass(frozen=True)
class Expectations:
    """Of each of N bytes what it cost, and the K likeliest there with their log-probabilities, (N, K)."""

    found: Surprisal
    likeliest: NDArray[np.uint8]
    logs: Figures


def expectations(
    data: bytes, scorer: Scorer, most: int, on_progress: Callable[[int, int], None] | None = None
) -> Expectations:
    """Score a text, in the windows that evaluation counts it in. Raises what `surprisal` raises."""
    bytes_, logs = [], []

    def logits(rows: NDArray[np.uint8], skip: int) -> NDArray[Any]:
        values = scorer.logits(rows, skip)
        some = likeliest(log_probabilities(values).reshape(-1, 256), most)
        bytes_.append(some[0])
        logs.append(some[1])
        return values

    found = surprisal(data, replace(scorer, logits=logits), on_progress)
    return Expectations(found, np.concatenate(bytes_), np.concatenate(logs))


def likeliest(logs: Figures, most: int) -> tuple[NDArray[np.uint8], Figures]:
    """Of log-probabilities (N, 256) the K likeliest bytes and theirs, (N, K), equal ones in byte order."""
    order = np.argsort(-logs, axis=1, kind="stable")[:, :most]
    return order.astype(np.uint8), np.take_along_axis(logs, order, axis=1)
