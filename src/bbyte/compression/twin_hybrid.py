"""The hybrid coder of docs/coder.md in whole numbers of Python."""

from bisect import bisect_right
from collections.abc import Sequence
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from bbyte.compression.tables import LARGEST_STRETCH, TOTAL, tables
from bbyte.compression.twin_contexts import CONTEXTS, Contexts, towards_zero
from bbyte.compression.twin_history import LONGEST, History

INPUTS = 1 + 2 * CONTEXTS + 2 + 1
MIXERS = 3
SETS_OF_LENGTH = (0, 1, 8, 12, 16, 24, 32)
"""The first length of each set."""
LEARNING, LAST_LEARNING = 16, 6
MOST_WEIGHT = 1 << 22


class Stream(Protocol):
    """Where symbols go to, or come from."""

    def code(self, shares: Sequence[int], symbol: int | None) -> int:
        """Code a symbol of such shares of 2^24; None: the one that comes."""


class Hybrid:
    """The model's predictions mixed with those of what a chunk itself has taught."""

    def __init__(self) -> None:
        self._history, self._contexts = History(), Contexts()
        self._of_match = [65535 - 65536 // (n + 2) for n in range(LONGEST + 1)]
        alone = [65536] + [0] * (INPUTS - 1)
        self._mixers = [[alone.copy() for _ in range(256)] for _ in range(MIXERS)]
        self._last = [[65536 // MIXERS] * MIXERS for _ in range(256)]

    def code(self, shares: NDArray[np.int64], stream: Stream, byte: int | None) -> int:
        """A byte by the model's shares and what came before; None: the one that the stream has."""
        known = 1
        for bits in range(8):
            if bits in (0, 4):
                self._contexts.find(self._history, known)
            one = self._predict(shares, known, bits)
            bit = None if byte is None else byte >> (7 - bits) & 1
            bit = stream.code((TOTAL - one, one), bit)
            self._learn(known, bits, bit)
            known = 2 * known + bit
        self._history.append(known & 255)
        return known & 255

    def _predict(self, shares: NDArray[np.int64], known: int, bits: int) -> int:
        """The share of a 1."""
        history = self._history
        length_set = bisect_right(SETS_OF_LENGTH, history.length) - 1
        self._inputs = [
            _of_model(shares, known, bits),
            *self._contexts.inputs(known, bits),
            *self._of_the_match(known, bits),
            256,
        ]
        sets = (known, length_set, history.back(1))
        self._chosen = [mixer[which] for mixer, which in zip(self._mixers, sets, strict=True)]
        self._logits = [_mixed(weights, self._inputs) for weights in self._chosen]
        self._logit = _mixed(self._last[known], self._logits)
        return _squash(self._logit)

    def _of_the_match(self, known: int, bits: int) -> tuple[int, int]:
        bit, length = self._history.expected(known, bits), self._history.length
        if bit is None:
            return 0, 0
        sign = 1 if bit else -1
        return sign * tables().stretch[self._of_match[length] >> 4], sign * min(32 * length, 1024)

    def _learn(self, known: int, bits: int, bit: int) -> None:
        _teach(self._last[known], self._logits, bit, self._logit, LAST_LEARNING)
        for weights, logit in zip(self._chosen, self._logits, strict=True):
            _teach(weights, self._inputs, bit, logit, LEARNING)
        self._contexts.learn(bit)
        history, expected = self._history, self._history.expected(known, bits)
        if expected is not None:
            aim = 65535 if expected == bit else 0
            self._of_match[history.length] += towards_zero(aim - self._of_match[history.length], 64)
            if expected != bit:
                history.length = 0


def _of_model(shares: NDArray[np.int64], known: int, bits: int) -> int:
    width = 128 >> bits
    first = 2 * width * (known - (1 << bits))
    zero, one = int(shares[first : first + width].sum()), int(shares[first + width : first + 2 * width].sum())
    return _bounded(towards_zero(_logarithm(one) - _logarithm(zero), 256), LARGEST_STRETCH)


def _logarithm(x: int) -> int:
    """65536 ln x."""
    place = x.bit_length() - 1
    below = (x << 11 >> place) - 2048
    return 45426 * place + int(tables().logarithm[below])


def _mixed(weights: list[int], inputs: list[int]) -> int:
    return _bounded(sum(w * x for w, x in zip(weights, inputs, strict=True)) >> 16, LARGEST_STRETCH)


def _squash(logit: int) -> int:
    return int(tables().squash[logit + LARGEST_STRETCH])


def _teach(weights: list[int], inputs: list[int], bit: int, logit: int, rate: int) -> None:
    error = towards_zero(bit * TOTAL - _squash(logit), 256)
    for i, x in enumerate(inputs):
        weights[i] = _bounded(weights[i] + ((x * error * rate + (1 << 19)) >> 20), MOST_WEIGHT)


def _bounded(x: int, most: int) -> int:
    return max(-most, min(x, most))
