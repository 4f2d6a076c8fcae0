"""Curves of several runs in one chart of braille, each with a colour and a sign of its own."""

from collections.abc import Sequence
from itertools import pairwise

import plotille  # type: ignore[import-untyped]
from rich.text import Text

from bbyte.analysis.picture import Curve
from bbyte.analysis.series import Points, limits, smoothed
from bbyte.sanitize import sanitize
from bbyte.terminal.curve import BLANK, LABEL, Cells, joined, labels_below, labels_beside

LOOKS = (
    ("cyan", "◆"), ("magenta", "●"), ("yellow", "▲"), ("green", "■"), ("blue", "◇"), ("red", "○"),
)  # fmt: skip
"""Colours and signs, which repeat after the sixth run."""


def comparison(width: int, height: int, curves: Sequence[Curve]) -> list[Text]:
    """The chart as lines: a legend line for each run, `height` rows of plot, and one of labels.

    Lines are of the training batches, smoothed; signs are validations.
    """
    lines = [smoothed(curve.train) for curve in curves]
    shown = [line for line in (*lines, *(curve.validation for curve in curves)) if line]
    right = max((line[-1][0] for line in shown), default=0.0)
    if right <= 0 or width < 40:
        return [Text("nothing was logged" if right <= 0 else "the terminal is too narrow for a chart")]
    low, high = limits(shown)
    rows: Cells = [[(" ", "")] * (width - LABEL - 1) for _ in range(height)]
    for place, line in enumerate(lines):
        _draw(rows, (right, low, high), line, _look(place)[0])
    for place, curve in enumerate(curves):
        _mark(rows, (right, low, high), curve.validation, *_look(place))
    labels = labels_beside(low, high, height)
    chart = [
        Text.assemble((labels.get(n, "").rjust(LABEL), "dim"), ("┤" if n in labels else "│", "dim"), row)
        for n, row in enumerate(map(joined, rows))
    ]
    legend = [_legend(curve, *_look(place)) for place, curve in enumerate(curves)]
    return [*legend, *chart, labels_below(len(rows[0]), 0, right)]


def _look(place: int) -> tuple[str, str]:
    return LOOKS[place % len(LOOKS)]


def _draw(rows: Cells, limits: tuple[float, float, float], line: Points, style: str) -> None:
    right, low, high = limits
    canvas = plotille.Canvas(len(rows[0]), len(rows), 0, low, right, high)
    for (x, y), (next_x, next_y) in pairwise((x, min(max(y, low), high)) for x, y in line):
        canvas.line(x, y, next_x, next_y)
    for row, drawn in zip(rows, canvas.plot().split("\n"), strict=True):
        for column, dots in enumerate(drawn):
            if dots != BLANK:
                row[column] = (dots, style)


def _mark(rows: Cells, limits: tuple[float, float, float], points: Points, style: str, sign: str) -> None:
    right, low, high = limits
    for x, y in points:
        if low <= y <= high:
            row = rows[round((high - y) / (high - low) * (len(rows) - 1))]
            row[round(x / right * (len(row) - 1))] = (sign, f"bold {style}")


def _legend(curve: Curve, style: str, sign: str) -> Text:
    best = f"  {min(y for _, y in curve.validation):.3f} at best" if curve.validation else ""
    return Text.assemble((f"⠒⠒ {sign} ", f"bold {style}"), sanitize(curve.name), (best, "dim"))
