"""What the weights of each layer look like: shares of trits and scales, or a histogram of values."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from bbyte.analysis.stored_weights import Matrix

BINS = 81
_DEVIATIONS = 4


@dataclass(frozen=True)
class Trits:
    """How many weights of a ternary matrix are -1, 0 and 1, and its scale."""

    name: str
    layer: int | None
    minus: int
    zero: int
    plus: int
    scale: float

    @property
    def size(self) -> int:
        """All weights."""
        return self.minus + self.zero + self.plus


@dataclass(frozen=True)
class Values:
    """A matrix in full precision: mean, standard deviation, largest magnitude, and a histogram.

    counts: weights in each of the bins between `edges`, which all matrices share; what lies outside is in
    none.
    """

    name: str
    layer: int | None
    size: int
    mean: float
    deviation: float
    largest: float
    counts: NDArray[np.int64]
    edges: NDArray[np.float64]


Kind = TypeVar("Kind", Trits, Values)


def trits(found: Iterable[Matrix]) -> list[Trits]:
    """Of the ternary ones among the matrices."""
    result = []
    for one in found:
        if one.scale is not None:
            minus, plus = int((one.values < 0).sum()), int((one.values > 0).sum())
            result.append(Trits(one.name, one.layer, minus, one.values.size - minus - plus, plus, one.scale))
    return result


def values(found: Sequence[Matrix]) -> list[Values]:
    """Of those in full precision; the bins reach four standard deviations of all their weights."""
    full = [one for one in found if one.scale is None]
    if not full:
        return []
    size = sum(one.values.size for one in full)
    squares = sum(float(np.square(one.values, dtype=np.float64).sum()) for one in full)
    reach = _DEVIATIONS * (squares / size) ** 0.5
    reach = reach if np.isfinite(reach) and reach > 0 else 1.0
    edges = np.linspace(-reach, reach, BINS + 1)
    return [_values(one, edges) for one in full]


def _values(one: Matrix, edges: NDArray[np.float64]) -> Values:
    deviation, largest = float(one.values.std(dtype=np.float64)), float(np.abs(one.values).max())
    mean, counts = float(one.values.mean(dtype=np.float64)), np.histogram(one.values, edges)[0]
    return Values(one.name, one.layer, one.values.size, mean, deviation, largest, counts, edges)


def by_layer(found: Iterable[Kind]) -> Mapping[str, list[Kind]]:
    """The matrices of each layer, by its number or, without one, by the matrix's own name."""
    layers: dict[str, list[Kind]] = {}
    for one in found:
        layers.setdefault(one.name if one.layer is None else f"layer {one.layer}", []).append(one)
    return layers
