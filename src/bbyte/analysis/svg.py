"""A chart as SVG for a page that stands alone: no script, no font, no file from elsewhere.

Colours are left to the page: each part has a class, and the page's style sheet says how it looks.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from html import escape

from bbyte.analysis.series import Points, limits, ticks

_LEFT, _RIGHT, _TOP, _BOTTOM = 52, 14, 10, 26
MOST = 1e12
"""Magnitudes beyond this are not drawn: they are no figures of a run."""


@dataclass(frozen=True)
class Line:
    """A line, or single dots. `style` is its class; with `fits` the axis of values is chosen to show it."""

    points: Points
    style: str
    dots: bool = False
    fits: bool = True


@dataclass(frozen=True)
class Rule:
    """A vertical line at `x`, with words that appear when it is pointed at."""

    x: float
    style: str
    words: str


def chart(
    lines: Sequence[Line],
    *,
    label: str,
    size: tuple[int, int] = (760, 260),
    rules: Sequence[Rule] = (),
    from_zero: bool = False,
    logarithmic: bool = False,
    words: Callable[[float], str] = "{:g}".format,
) -> str:
    """The chart as one <svg> element. `label` says for readers without sight what it shows.

    from_zero: the axis of values begins at 0. logarithmic: it grows by powers of ten; what is not above 0 is
    left out. `words` writes a number beside the axis of values.
    """  # fmt: skip
    drawn = [Line(_usable(line.points, logarithmic), line.style, line.dots, line.fits) for line in lines]
    drawn = [line for line in drawn if line.points]
    if not drawn:
        return '<p class="none">nothing was logged</p>'
    width, height = size
    right = max(line.points[-1][0] for line in drawn) or 1.0
    low, high = limits([line.points for line in drawn if line.fits] or [line.points for line in drawn])
    low = 0.0 if from_zero else low
    across = _scale(0.0, right, _LEFT, width - _RIGHT)
    up = _scale(low, high, height - _BOTTOM, _TOP)

    parts = [f'<svg viewBox="0 0 {width} {height}" role="img" aria-label="{escape(label)}">']
    for value in _powers(low, high) if logarithmic else ticks(low, high, max(2, height // 50)):
        y, name = up(value), words(10**value if logarithmic else value)
        parts.append(f'<path class="grid" d="M{_LEFT} {y:.1f}H{width - _RIGHT}"/>')
        parts.append(f'<text x="{_LEFT - 8}" y="{y + 4:.1f}" text-anchor="end">{escape(name)}</text>')
    for value in ticks(0.0, right, max(2, width // 130)):
        x = min(across(value), width - _RIGHT - 3.2 * len(f"{value:,.0f}"))
        parts.append(f'<text x="{x:.1f}" y="{height - 8}" text-anchor="middle">{value:,.0f}</text>')
    for rule in rules:
        if 0 <= rule.x <= right:
            path = f'<path class="{rule.style}" d="M{across(rule.x):.1f} {_TOP}V{height - _BOTTOM}">'
            parts.append(f"{path}<title>{escape(rule.words)}</title></path>")
    for line in drawn:
        seen = [(x, y) for x, y in line.points if low <= y <= high]
        inside = seen if line.dots else _from_below(line.points, high)
        places = [(across(x), up(min(max(y, low), high))) for x, y in inside]
        if line.dots:
            parts.append(
                f'<path class="{line.style}" d="{"".join(f"M{x:.1f} {y:.1f}h0" for x, y in places)}"/>'
            )
        else:
            parts.append(
                f'<path class="{line.style}" d="M{" ".join(f"{x:.1f} {y:.1f}" for x, y in places)}"/>'
            )
    return "".join([*parts, "</svg>"])


def _powers(low: float, high: float) -> list[float]:
    """The powers of ten from `low` to `high` as logarithms; where they are few, also twice and five times."""
    powers = range(math.floor(low), math.ceil(high) + 1)
    factors = (1, 2, 5) if high - low < 2 else (1,)
    places = [power + math.log10(factor) for power in powers for factor in factors]
    return [place for place in places if low <= place <= high]


def _usable(points: Points, logarithmic: bool) -> list[tuple[float, float]]:
    sound = [(x, y) for x, y in points if 0 <= x <= MOST and math.isfinite(y) and abs(y) <= MOST]
    return [(x, math.log10(y)) for x, y in sound if y > 1e-12] if logarithmic else sound


def _from_below(points: Points, high: float) -> Points:
    """The points from where the line first comes below `high`."""
    first = next((place for place, (_, y) in enumerate(points) if y <= high), 0)
    if first == 0:
        return points
    (x, y), (next_x, next_y) = points[first - 1], points[first]
    return [(x + (next_x - x) * (y - high) / (y - next_y), high), *points[first:]]


def _scale(low: float, high: float, start: float, stop: float) -> Callable[[float], float]:
    factor = (stop - start) / ((high - low) or 1.0)
    return lambda value: start + (value - low) * factor
