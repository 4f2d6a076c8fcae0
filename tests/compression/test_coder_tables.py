"""The hybrid coder's tables: each entry the nearest whole number, on every machine."""

import mpmath
import numpy as np
from blake3 import blake3

from bbyte.compression.tables import TOTAL, tables

PINNED = "181296d3b4573a7431319bfefd8df1a6"


def test_they_are_pinned():
    assert blake3(bytes(tables())).hexdigest()[:32] == PINNED


def test_each_is_the_nearest_whole_number():
    with mpmath.workprec(100):
        exact = {
            "squash": [TOTAL / (1 + mpmath.exp(mpmath.mpf(-i) / 256)) for i in range(-3071, 3072)],
            "stretch": [256 * mpmath.log((2 * i + 1) / mpmath.mpf(8191 - 2 * i)) for i in range(4096)],
            "logarithm": [65536 * mpmath.log(1 + mpmath.mpf(i) / 2048) for i in range(2048)],
            "rate": [65536 / (i + mpmath.mpf(3) / 2) for i in range(1024)],
        }
        for name, values in exact.items():
            nearest = [int(mpmath.nint(value)) for value in values]
            assert list(getattr(tables(), name)) == nearest, name
            # Far enough from a half that no rounding on the way can have decided.
            assert min(abs(value - mpmath.floor(value) - 0.5) for value in values[1:-1]) > 1e-7


def test_their_limits():
    squash, stretch = np.array(tables().squash), np.array(tables().stretch)
    assert (squash + squash[::-1] == TOTAL).all() and (np.diff(squash) >= 0).all()
    assert (stretch == -stretch[::-1]).all() and np.abs(stretch).max() <= 3071
    assert squash[0] == 103 and max(tables().rate) < 65536
