"""What logits say: how surprising a byte is, and how surprising the next is expected to be."""

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

Figures = NDArray[np.float64]


def log_probabilities(logits: NDArray[Any]) -> Figures:
    """Natural logarithms of the probabilities (..., 256) that the logits (..., 256) stand for."""
    x: Figures = logits.astype(np.float64)
    x -= x.max(axis=-1, keepdims=True)
    x -= np.log(np.exp(x).sum(axis=-1, keepdims=True))
    return x


def nats_of(logs: Figures, data: NDArray[np.uint8]) -> Figures:
    """Nats (...) that the bytes `data` (...) cost under log-probabilities (..., 256)."""
    found: Figures = -np.take_along_axis(logs, data[..., None].astype(np.intp), axis=-1)[..., 0]
    return found


def entropy_of(logs: Figures) -> Figures:
    """Bits (...) that a byte is expected to cost under log-probabilities (..., 256)."""
    p = np.exp(logs)
    # What has no probability adds nothing, though its logarithm may be infinite.
    found: Figures = -(p * np.where(p > 0, logs, 0)).sum(axis=-1) / math.log(2)
    return found
