"""Curves of several runs in one picture, PNG or SVG, by matplotlib (the extra `plot`).

The background is transparent and every colour is legible on white and on near-black, so that the picture can
stand on any page. Lines are told apart by colour, by dash, and by their name at their end.
"""

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bbyte.analysis.series import Points, limits, smoothed
from bbyte.errors import UsageError

INK = "#767676"
PALETTE = ("#0072b2", "#d55e00", "#009e73", "#cc79a7")
"""Of Okabe and Ito's colours those with a contrast of at least 3 to white and to #0d1117."""
DASHES = ("-", (0, (5, 2)), (0, (1, 1.5)), (0, (6, 2, 1, 2)))
SUFFIXES = (".png", ".svg")
MOST = len(PALETTE) * len(DASHES)


@dataclass(frozen=True)
class Curve:
    """Bits per byte of one run: of its training batches, and of its validations."""

    name: str
    train: Points
    validation: Points


def draw(curves: Sequence[Curve], path: Path, *, across: str) -> None:
    """Draw the curves over `across` (words for the axis) into `path`, .png or .svg.

    Raises UsageError for another ending, where matplotlib is missing, or for more curves than can be told
    apart; OSError where the file cannot be written.
    """
    if path.suffix.lower() not in SUFFIXES:
        raise UsageError(f"{path} does not end in .png or .svg", f"--out {path.with_suffix('.png')}")
    if len(curves) > MOST:
        raise UsageError(f"{len(curves)} runs are too many for one picture", f"name at most {MOST}")
    try:
        import matplotlib
        from matplotlib.figure import Figure
    except ImportError:
        raise UsageError("a picture needs matplotlib", "pip install 'bbyte[plot]'") from None
    settings: Any = {
        "font.size": 10, "text.color": INK, "axes.labelcolor": INK, "axes.edgecolor": INK, "xtick.color": INK,
        "ytick.color": INK, "svg.fonttype": "none", "svg.hashsalt": "bbyte", "text.parse_math": False,
    }  # fmt: skip
    with matplotlib.rc_context(settings), warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Glyph")  # a name may hold what the font lacks
        figure = Figure(figsize=(8, 4.2), dpi=150, layout="constrained")
        _fill(figure.add_subplot(), curves, across)
        path.parent.mkdir(parents=True, exist_ok=True)
        metadata = {"Date": None} if path.suffix.lower() == ".svg" else None
        figure.savefig(path, transparent=True, metadata=metadata)


def _fill(axes: Any, curves: Sequence[Curve], across: str) -> None:
    lines = [smoothed(curve.train) for curve in curves]
    low, high = limits([line for line in (*lines, *(curve.validation for curve in curves)) if line])
    ends = []
    for place, (curve, line) in enumerate(zip(curves, lines, strict=True)):
        colour, dash = PALETTE[place % len(PALETTE)], DASHES[place // len(PALETTE)]
        look = {"color": colour, "linestyle": dash}
        axes.plot(*_axes_of(line), **look, linewidth=1, alpha=0.7)
        axes.plot(*_axes_of(curve.validation), **look, linewidth=2, marker="o", markersize=4)
        last = curve.validation[-1] if curve.validation else line[-1] if line else None
        if last is not None:
            ends.append((min(max(last[1], low), high), last[0], f"{curve.name}  {last[1]:.3f}", colour))
    axes.set(xlabel=across, ylabel="bits per byte", ylim=(low, high))
    axes.xaxis.set_major_formatter("{x:,.0f}")
    axes.grid(axis="y", color=INK, alpha=0.25, linewidth=0.6)
    axes.spines[["top", "right", "left"]].set_visible(False)
    axes.tick_params(axis="y", length=0)
    right = max((x for _, x, _, _ in ends), default=1.0)
    heights = _spread([value for value, *_ in ends], (high - low) * 0.055, high)
    for height, (value, x, words, colour) in zip(heights, sorted(ends), strict=True):
        axes.plot([x, right * 1.02], [value, height], color=colour, linewidth=0.6, alpha=0.6, clip_on=False)
        axes.text(right * 1.03, height, words, color=colour, va="center", clip_on=False)
    axes.set_xlim(0, right * 1.01)
    axes.set_title("thin: training, smoothed;  dots: validation", fontsize=9, loc="left")


def _axes_of(points: Points) -> tuple[list[float], list[float]]:
    return [x for x, _ in points], [y for _, y in points]


def _spread(values: Sequence[float], apart: float, high: float) -> list[float]:
    """The values in order, moved up to stand `apart`; all of them moved down where they pass `high`."""
    placed: list[float] = []
    for value in sorted(values):
        placed.append(max(value, placed[-1] + apart) if placed else value)
    over = max(0.0, placed[-1] - high) if placed else 0.0
    return [value - over for value in placed]
