"""The tables of whole numbers that the hybrid coder looks things up in, made from exact arithmetic."""

import math
from functools import cache

import numpy as np

from bbyte.engine.core import CoderTables
from bbyte.engine.tables import logarithms, powers

TOTAL = 1 << 24
LARGEST_STRETCH = 3071


@cache
def tables() -> CoderTables:
    """Those of docs/coder.md, each entry the nearest whole number, ties to even."""
    logits = np.arange(-LARGEST_STRETCH, LARGEST_STRETCH + 1) / 256
    squash = np.rint(TOTAL / (1 + powers(math.e, -logits)))
    p = np.arange(4096) + 0.5
    stretch = np.rint(256 * logarithms(p / (4096 - p)))
    logarithm = np.rint(65536 * logarithms(1 + np.arange(2048) / 2048))
    rate = np.rint(65536 / (np.arange(1024) + 1.5))
    rows = [row.astype(np.int32).tolist() for row in (squash, stretch, logarithm, rate)]
    return CoderTables(*(field[1](*row) for field, row in zip(CoderTables._fields_, rows, strict=True)))
