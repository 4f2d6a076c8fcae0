"""How surprising each byte of a text is to a model: the figures whose mean is its bits per byte.

Windows are those of `bbyte.evaluation`, which counts every byte once. Imports no torch.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bbyte.errors import BbyteError
from bbyte.evaluation import InMemory, Score, bits_per_byte, bits_per_byte_carried
from bbyte.models.contract import Cost
from bbyte.probabilities import Figures, entropy_of, log_probabilities, nats_of

Logits = Callable[[NDArray[np.uint8], int], NDArray[Any]]
"""logits(rows (B, T + 1), skip): those (B, T - skip, 256) of the bytes rows[:, skip + 1:]."""


@dataclass(frozen=True)
class Scorer:
    """What gives logits, and how much it sees: windows of `context` bytes every `stride`.

    carries: each call goes on where the last one ended, `stride` bytes at a time, and windows do not count.
    """

    logits: Logits
    context: int
    stride: int
    batch_size: int = 1
    carries: bool = False


@dataclass(frozen=True)
class Surprisal:
    """Of each byte of `data` what it cost, and the entropy of what the model expected there; both in bits."""

    data: bytes
    bits: Figures
    entropy: Figures
    score: Score


def surprisal(
    data: bytes, scorer: Scorer, on_progress: Callable[[int, int], None] | None = None
) -> Surprisal:
    """Score each byte of `data`. Raises what `evaluation.bits_per_byte` raises, also for infinite costs."""
    bits: list[Figures] = []
    entropy: list[Figures] = []

    def measure(rows: NDArray[np.uint8], skip: int) -> Cost:
        logs = log_probabilities(scorer.logits(rows, skip))
        cost = nats_of(logs, rows[:, skip + 1 :])
        bits.append(cost.reshape(-1) / math.log(2))
        entropy.append(entropy_of(logs).reshape(-1))
        return Cost(float(cost.sum()), cost.size)

    source = InMemory(data)
    if scorer.carries:
        score = bits_per_byte_carried(measure, source, block=scorer.stride, on_progress=on_progress)
    else:
        score = bits_per_byte(
            measure, source, context=scorer.context, stride=scorer.stride, batch_size=scorer.batch_size,
            on_progress=on_progress,
        )  # fmt: skip
    found = np.concatenate(bits)
    if not np.isfinite(found).all():
        raise BbyteError(
            f"the model gives byte {int(np.argmin(np.isfinite(found)))} no probability at all",
            "its weights may have diverged: try an earlier checkpoint",
        )
    return Surprisal(data, found, np.concatenate(entropy), score)
