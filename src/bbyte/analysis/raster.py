"""A drawing as PNG, by matplotlib (the extra `plot`): transparent, legible on white and on near-black."""

import io
import warnings
from typing import Any

from bbyte.analysis.drawing import Boxes, Dot, Drawing, Label, Line, Shape
from bbyte.analysis.theme import ROLES
from bbyte.errors import UsageError
from bbyte.sanitize import sanitize

_PIXELS_AN_INCH, _SHARPER = 100, 2


def check() -> None:
    """Raise UsageError where matplotlib is missing."""
    try:
        import matplotlib  # noqa: F401
    except ImportError:
        raise UsageError(
            "a PNG needs matplotlib", "pip install 'bbyte[plot]', or ask for .svg, which needs nothing"
        ) from None


def png(drawing: Drawing) -> bytes:
    """The drawing as a PNG file, two pixels for each of its own. Raises UsageError without matplotlib."""
    check()
    import matplotlib
    from matplotlib.figure import Figure

    settings: Any = {"text.parse_math": False}
    with matplotlib.rc_context(settings), warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Glyph")  # a text may hold what the font lacks
        size = (drawing.width / _PIXELS_AN_INCH, drawing.height / _PIXELS_AN_INCH)
        figure = Figure(figsize=size, dpi=_PIXELS_AN_INCH * _SHARPER)
        axes = figure.add_axes((0, 0, 1, 1))
        axes.set(xlim=(0, drawing.width), ylim=(drawing.height, 0))
        axes.set_axis_off()
        for order, shape in enumerate(drawing.shapes):
            _draw(axes, shape, order)
        file = io.BytesIO()
        figure.savefig(file, format="png", transparent=True)
    return file.getvalue()


def _draw(axes: Any, shape: Shape, order: int) -> None:
    from matplotlib.colors import to_rgba

    colour = to_rgba(ROLES[shape.role].either)
    look: dict[str, Any] = {"color": colour, "zorder": order}
    match shape:
        case Boxes():
            from matplotlib.collections import PolyCollection

            corners = [[(x, y), (x + w, y), (x + w, y + h), (x, y + h)] for x, y, w, h in shape.boxes]
            look["color"] = (*colour[:3], colour[3] * shape.opacity)
            axes.add_collection(PolyCollection(corners, linewidths=0, **look))
        case Dot():
            from matplotlib.patches import Circle

            axes.add_patch(Circle((shape.x, shape.y), shape.radius, linewidth=0, **look))
        case Line():
            axes.plot(*zip(*shape.points, strict=True), linewidth=_points(shape.width), **look)
        case Label():
            family = "DejaVu Sans Mono" if shape.is_mono else "DejaVu Sans"
            side = {"start": "left", "middle": "center", "end": "right"}[shape.anchor]
            place = {"ha": side, "va": "baseline", "family": family, "fontsize": _points(shape.size)}
            axes.text(shape.x, shape.y, sanitize(shape.words), **place, **look)


def _points(pixels: float) -> float:
    return pixels * 72 / _PIXELS_AN_INCH
