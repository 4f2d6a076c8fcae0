"""A picture as a list of shapes, to be written as SVG (`themed_svg`) or as PNG (`raster`).

Places are in pixels from the upper left corner. Colours are roles of `theme.ROLES`.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal

Box = tuple[float, float, float, float]
"""x and y of the upper left corner, width and height."""
Anchor = Literal["start", "middle", "end"]
WIDTH_OF_LETTER = 0.6
"""Of a letter's size, at most: fonts differ from one machine to another."""


@dataclass(frozen=True)
class Boxes:
    """Filled boxes of one colour, with words that appear when they are pointed at."""

    boxes: Sequence[Box]
    role: str
    opacity: float = 1.0
    title: str = ""


@dataclass(frozen=True)
class Dot:
    """A filled circle, with words that appear when it is pointed at."""

    x: float
    y: float
    radius: float
    role: str
    title: str = ""


@dataclass(frozen=True)
class Line:
    """A line through points."""

    points: Sequence[tuple[float, float]]
    role: str
    width: float = 1.5


@dataclass(frozen=True)
class Label:
    """Words whose lower edge stands at y; `size` in pixels."""

    x: float
    y: float
    words: str
    role: str = "dim"
    size: float = 11
    anchor: Anchor = "start"
    is_mono: bool = False


Shape = Boxes | Dot | Line | Label


@dataclass
class Drawing:
    """Shapes on a page of `width` by `height`; `label` says for readers without sight what it shows."""

    width: float
    height: float
    label: str
    shapes: list[Shape] = field(default_factory=list)

    def add(self, *shapes: Shape) -> None:
        """Draw shapes over those that are there."""
        self.shapes.extend(shapes)

    def title(self, words: str, below: str = "") -> None:
        """Write what the picture shows into its upper left corner, and a smaller line below it."""
        self.add(Label(14, 24, words, "ink", 14), Label(14, 42, below, "dim", 11))


def clipped(words: str, most: int) -> str:
    """The words, or their beginning and a sign that there is more."""
    return words if len(words) <= most else words[: most - 1] + "…"
