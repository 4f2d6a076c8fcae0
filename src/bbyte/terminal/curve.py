"""A curve in braille: the smoothed line over the single batches, with the validation points marked."""

import math
from itertools import pairwise

import plotille  # type: ignore[import-untyped]
from rich.text import Text

from bbyte.analysis.series import Points, nice

BLANK = "\u2800"
LABEL = 6
SMOOTH, RAW, MARK, BEST, SWITCH = "bold cyan", "cyan dim", "bold magenta", "bold green", "dim"


def curve(
    width: int, height: int, raw: Points, smooth: Points, marks: Points, switch: float | None
) -> list[Text]:
    """The chart as lines: `height` rows of plot and one of step labels, `width` cells in all.

    `marks` are validation points, the lowest of them in its own colour; a dotted line stands at `switch`.
    """
    columns = width - LABEL - 1
    if len(smooth) < 2 or columns < 10 or height < 3:
        return [Text("") for _ in range(height + 1)]
    left, right = smooth[0][0], max(smooth[-1][0], smooth[0][0] + 1)
    low, high = _limits(smooth, marks)
    rows = _layers(columns, height, (left, right, low, high), raw, smooth)
    if switch is not None and left < switch < right:
        _dotted(rows, round((switch - left) / (right - left) * (columns - 1)))
    _mark(rows, (left, right, low, high), marks)
    labels = labels_beside(low, high, height)
    lines = [
        Text.assemble(
            (labels.get(place, "").rjust(LABEL), "dim"), ("┤" if place in labels else "│", "dim"), row
        )
        for place, row in enumerate(map(joined, rows))
    ]
    return [*lines, labels_below(columns, left, right)]


def _limits(smooth: Points, marks: Points) -> tuple[float, float]:
    # The first steps fall from 8 bits; once the curve is long they would press all the rest flat.
    settled = [value for _, value in smooth[len(smooth) // 25 :]] or [smooth[-1][1]]
    values = [*settled, *(value for _, value in marks[len(marks) // 8 :])]
    low, high = min(values), max(values)
    margin = max((high - low) * 0.06, 0.01)
    return low - margin, high + margin


Cells = list[list[tuple[str, str]]]


def _layers(
    columns: int, height: int, limits: tuple[float, float, float, float], raw: Points, smooth: Points
) -> Cells:
    left, right, low, high = limits
    sheets = []
    for points, joined in ((raw, False), (smooth, True)):
        canvas = plotille.Canvas(columns, height, left, low, right, high)
        inside = [(x, min(max(y, low), high)) for x, y in points]
        if joined:
            for (x, y), (next_x, next_y) in pairwise(inside):
                canvas.line(x, y, next_x, next_y)
        else:
            for (x, y), (_, given) in zip(inside, points, strict=True):
                if y == given:
                    canvas.point(x, y)
        sheets.append(canvas.plot().split("\n"))
    return [
        [_merged(under, over) for under, over in zip(below, above, strict=True)]
        for below, above in zip(*sheets, strict=True)
    ]


def _merged(under: str, over: str) -> tuple[str, str]:
    if over != BLANK:
        return over, SMOOTH
    return (under, RAW) if under != BLANK else (" ", "")


def _dotted(rows: Cells, column: int) -> None:
    for row in rows:
        if row[column][1] != SMOOTH:
            row[column] = ("┊", SWITCH)


def _mark(rows: Cells, limits: tuple[float, float, float, float], marks: Points) -> None:
    left, right, low, high = limits
    best = min((value for _, value in marks), default=math.nan)
    for step, value in sorted(marks, key=lambda mark: -mark[1]):
        if not (left <= step <= right and low <= value <= high):
            continue
        column = round((step - left) / (right - left) * (len(rows[0]) - 1))
        row = round((high - value) / (high - low) * (len(rows) - 1))
        rows[row][column] = ("◆", BEST if value == best else MARK)


def joined(row: list[tuple[str, str]]) -> Text:
    """A row of cells as text."""
    text = Text()
    for character, style in row:
        text.append(character, style)
    return text


def labels_beside(low: float, high: float, height: int) -> dict[int, str]:
    """Round numbers for the axis of values, by row."""
    step = nice((high - low) / max(height / 2.5, 2))
    digits = max(0, 1 - math.floor(math.log10(step))) if step < 1 else 1
    labels = {}
    value = math.ceil(low / step) * step
    while value <= high:
        labels[round((high - value) / (high - low) * (height - 1))] = f"{value:.{min(digits, 3)}f}"
        value += step
    return labels


def labels_below(columns: int, left: float, right: float) -> Text:
    """The line of round numbers below the chart."""
    step = nice((right - left) / max(columns / 16, 2))
    width = columns + LABEL + 1
    line = Text()
    value = math.ceil(left / step) * step
    while value <= right:
        label = f"{value:,.0f}"
        middle = LABEL + 1 + round((value - left) / (right - left) * (columns - 1))
        start = min(max(middle - len(label) // 2, LABEL + 1), width - len(label))
        if start >= len(line) + 2:
            line.append(" " * (start - len(line)))
            line.append(label, "dim")
        value += step
    return line
