"""The ternary matrices of a checkpoint, by the statistics stored when it was saved. Imports no torch."""

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import median

from bbyte.checkpoint.tensors import DAMAGED
from bbyte.errors import DataError

_NUMBERED = re.compile(r"(?:.*\.)?(\d{1,9})\.(.+)")


@dataclass(frozen=True)
class Matrix:
    """A ternary matrix: how many weights it has, the share of them that is zero, and its scale.

    layer: the number in its name, or None where there is none. place: the rest of the name after that.
    """

    name: str
    layer: int | None
    place: str
    size: int
    zeros: float
    scale: float


@dataclass(frozen=True)
class Spread:
    """What all ternary matrices are like: the share of zeros of all weights, and the extremes of a matrix."""

    zeros: float
    fewest_zeros: float
    most_zeros: float
    smallest_scale: float
    median_scale: float
    largest_scale: float


def matrices(
    ternary: Mapping[str, Mapping[str, float]], shapes: Mapping[str, Sequence[int]]
) -> tuple[Matrix, ...]:
    """The matrices that checkpoint.json tells of, in its order.

    Raises DataError where one of them has no weights among those of these `shapes`.
    """
    found = []
    for name, figures in ternary.items():
        shape = shapes.get(name)
        if shape is None or not math.prod(shape):
            raise DataError(f"checkpoint.json tells of a ternary matrix {name!r} that is not there", DAMAGED)
        numbered = _NUMBERED.fullmatch(name)
        layer, place = (int(numbered[1]), numbered[2]) if numbered else (None, name)
        found.append(Matrix(name, layer, place, math.prod(shape), figures["zeros"], figures["scale"]))
    return tuple(found)


def spread(found: Sequence[Matrix]) -> Spread:
    """What the matrices are like as a whole; at least one."""
    weights = sum(matrix.size for matrix in found)
    zeros, scales = [matrix.zeros for matrix in found], [matrix.scale for matrix in found]
    overall = sum(matrix.zeros * matrix.size for matrix in found) / weights
    return Spread(overall, min(zeros), max(zeros), min(scales), median(scales), max(scales))


def by_layer(found: Sequence[Matrix]) -> tuple[list[str], list[tuple[str, list[Matrix | None]]]]:
    """The matrices as a table: the short names of its columns, and a row a layer with what it has of each."""
    places = list(dict.fromkeys(matrix.place for matrix in found))
    rows: dict[str, dict[str, Matrix]] = {}
    for matrix in found:
        rows.setdefault("" if matrix.layer is None else str(matrix.layer), {})[matrix.place] = matrix
    return _short(places), [(layer, [row.get(place) for place in places]) for layer, row in rows.items()]


def _short(places: Sequence[str]) -> list[str]:
    """The last word of each, without an ending that all share; the whole where that would tell too little."""
    last = [place.rpartition(".")[2] for place in places]
    ending = "_proj"
    if all(word.endswith(ending) for word in last):
        last = [word.removesuffix(ending) for word in last]
    return last if len(set(last)) == len(last) else list(places)
