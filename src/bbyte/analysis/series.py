"""Points of a curve: smoothing, thinning, and round numbers for an axis."""

import math
from collections.abc import Sequence
from itertools import accumulate

Points = Sequence[tuple[float, float]]


def smoothed(points: Points) -> list[tuple[float, float]]:
    """The points averaged with their neighbours on both sides, so that the line does not lag behind."""
    reach = max(len(points) // 60, 2)
    sums = [0.0, *accumulate(value for _, value in points)]
    line = []
    for place, (x, _) in enumerate(points):
        # Symmetric at the steep beginning; at the end, whatever is there.
        first, last = place - min(reach, place), min(place + min(reach, place), len(points) - 1)
        line.append((x, (sums[last + 1] - sums[first]) / (last + 1 - first)))
    return line


def thinned(points: Points, most: int) -> list[tuple[float, float]]:
    """At most about `most` of the points, evenly spaced, with the last one."""
    spacing = -(-len(points) // most) or 1
    kept = list(points[::spacing])
    return kept if not points or kept[-1] == points[-1] else [*kept, points[-1]]


def limits(lines: Sequence[Points]) -> tuple[float, float]:
    """From where to where an axis of values should go to show `lines`.

    What the first twenty-fifth of a line falls through is left out: it would press all the rest flat.
    """
    values = [value for line in lines for _, value in list(line)[len(line) // 25 :] if math.isfinite(value)]
    low, high = min(values, default=0.0), max(values, default=1.0)
    margin = max((high - low) * 0.06, abs(high) * 1e-3, 1e-9)
    return low - margin, high + margin


def ticks(low: float, high: float, about: int) -> list[float]:
    """Round numbers from `low` to `high`, about so many."""
    step = nice((high - low) / max(about, 1))
    first = math.ceil(low / step - 1e-9)
    return [place * step for place in range(first, math.floor(high / step + 1e-9) + 1)]


def nice(rough: float) -> float:
    """The least of 1, 2, 2.5, 5 and 10 times a power of ten that is at least `rough`, which is above 0."""
    power = 10.0 ** math.floor(math.log10(rough))
    return next(factor * power for factor in (1, 2, 2.5, 5, 10) if factor * power >= rough * 0.999)
