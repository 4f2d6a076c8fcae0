"""A drawing as SVG that stands alone and follows the reader's theme; no script, no font from elsewhere."""

from html import escape

from bbyte.analysis.drawing import Boxes, Dot, Drawing, Label, Line, Shape
from bbyte.analysis.theme import picture_style
from bbyte.sanitize import sanitize

_FONT = "system-ui,-apple-system,'Segoe UI','DejaVu Sans',sans-serif"
_MONO = "ui-monospace,'DejaVu Sans Mono',monospace"


def document(drawing: Drawing) -> str:
    """The drawing as an SVG file, on a page of its own colour."""
    size = f'xmlns="http://www.w3.org/2000/svg" width="{drawing.width:g}" height="{drawing.height:g}"'
    style = f"<style>{font_style()}{picture_style()}</style>"
    paper = f'<rect class="paper" width="{drawing.width:g}" height="{drawing.height:g}"/>'
    return _element(drawing, size, style + paper) + "\n"


def inline(drawing: Drawing) -> str:
    """The drawing as an <svg> element of a page that has `picture_style()` and `font_style()`."""
    return _element(drawing, "", "")


def font_style() -> str:
    """The style sheet of the fonts of a picture."""
    return f"svg text{{font-family:{_FONT}}}svg .mono{{font-family:{_MONO}}}"


def _element(drawing: Drawing, attributes: str, before: str) -> str:
    box = f'viewBox="0 0 {drawing.width:g} {drawing.height:g}"'
    label = escape(_plain(drawing.label))
    inside = "".join(map(_shape, drawing.shapes))
    return f'<svg {attributes} {box} role="img" aria-label="{label}">{before}{inside}</svg>'


def _shape(shape: Shape) -> str:
    match shape:
        case Boxes():
            path = "".join(f"M{_n(x)} {_n(y)}h{_n(w)}v{_n(h)}h{_n(-w)}z" for x, y, w, h in shape.boxes)
            opacity = f' fill-opacity="{_n(shape.opacity)}"' if shape.opacity < 1 else ""
            return _with_title(f'path class="{shape.role}"{opacity} d="{path}"', shape.title)
        case Dot():
            place = f'cx="{_n(shape.x)}" cy="{_n(shape.y)}" r="{_n(shape.radius)}"'
            return _with_title(f'circle class="{shape.role}" {place}', shape.title)
        case Line():
            points = " ".join(f"{_n(x)},{_n(y)}" for x, y in shape.points)
            return f'<polyline class="{shape.role}" stroke-width="{_n(shape.width)}" points="{points}"/>'
        case Label():
            font = f'class="{shape.role}{" mono" if shape.is_mono else ""}" font-size="{_n(shape.size)}"'
            anchor = f' text-anchor="{shape.anchor}"' if shape.anchor != "start" else ""
            words = escape(_plain(shape.words))
            return f'<text x="{_n(shape.x)}" y="{_n(shape.y)}" {font}{anchor}>{words}</text>'


def _with_title(start: str, title: str) -> str:
    if not title:
        return f"<{start}/>"
    name = start.partition(" ")[0]
    return f"<{start}><title>{escape(_plain(title))}</title></{name}>"


def _plain(words: str) -> str:
    """What XML and a reader bear: sanitised, on one line."""
    return sanitize(words).replace("\n", " ").replace("\t", " ")


def _n(value: float) -> str:
    return f"{value:.2f}".rstrip("0").rstrip(".") if value % 1 else f"{value:.0f}"
