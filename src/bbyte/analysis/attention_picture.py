"""Attention maps as a picture: one large with its bytes, or many small ones beside each other."""

from collections.abc import Sequence

import numpy as np

from bbyte.analysis.attention import Maps
from bbyte.analysis.byte_kinds import shown
from bbyte.analysis.drawing import Box, Boxes, Drawing, Label, clipped
from bbyte.errors import UsageError

MOST = 64
"""Maps in one picture."""
_SHADES = 12
_TOP, _SIDE = 62, 132
LONGEST = 192


def drawing(
    maps: Sequence[Maps], text: bytes, below: str, *, layer: int | None = None, head: int | None = None
) -> Drawing:
    """The maps of `text`, a row for each layer and a column for each head, or only those asked for.

    Raises UsageError for a layer or head that is not there, and for more maps or bytes than can be told
    apart.
    """
    _check("layer", layer, len(maps))
    _check("head", head, len(maps[0]))
    if len(text) > LONGEST:
        raise UsageError(
            f"{len(text)} bytes are too many for a map", f"give a prompt of at most {LONGEST} bytes"
        )
    layers = range(len(maps)) if layer is None else [layer]
    heads = range(len(maps[0])) if head is None else [head]
    if len(layers) * len(heads) > MOST:
        raise UsageError(f"{len(layers) * len(heads)} maps are too many for one picture", "--layer 0")
    if len(layers) == len(heads) == 1:
        return _large(maps[layers[0]][heads[0]], text, f"Layer {layers[0]}, head {heads[0]}", below)
    picture = Drawing(
        max(480, 64 + len(heads) * (_SIDE + 8) + 14),
        _TOP + 18 + len(layers) * (_SIDE + 8) + 30,
        "attention maps by layer and head",
    )
    picture.title("Attention: from each byte (down) to those it looks at (across)", below)
    for column, number in enumerate(heads):
        x = 64 + column * (_SIDE + 8)
        picture.add(Label(x + _SIDE / 2, _TOP + 10, f"head {number}", anchor="middle"))
        for row, deep in enumerate(layers):
            y = _TOP + 18 + row * (_SIDE + 8)
            picture.add(Boxes([(x, y, _SIDE, _SIDE)], "rule", 0.35))
            picture.add(*_shades(maps[deep][number], x, y, _SIDE))
    for row, deep in enumerate(layers):
        picture.add(Label(54, _TOP + 22 + row * (_SIDE + 8) + _SIDE / 2, f"layer {deep}", anchor="end"))
    words = (
        "the first column is the 0x00 at which a document begins; the fuller the colour, the more attention"
    )
    picture.add(Label(14, picture.height - 12, words))
    return picture


def _large(weights: Maps, text: bytes, name: str, below: str) -> Drawing:
    count = len(weights)
    cell = max(5.0, min(22.0, 640 / count))
    left, top, side = 70.0, _TOP + 46.0, cell * count
    picture = Drawing(max(480.0, left + side + 24), top + side + 34, f"attention map, {name}")
    picture.title(f"{name}: from each byte (down) to those it looks at (across)", below)
    picture.add(Boxes([(left, top, side, side)], "rule", 0.35))
    picture.add(*_shades(weights, left, top, cell * count))
    names = ["0", *(shown(byte) for byte in text)]
    apart = max(1, round(11 / cell))
    for place in range(0, count, apart):
        middle, words = (place + 0.5) * cell, clipped(names[place], 5)
        picture.add(Label(left - 8, top + middle + 4, words, "dim", min(11, 1.1 * cell * apart), "end", True))
        across = {"space": "␣"}.get(words, words)
        size = min(11.0, 1.5 * cell * apart / len(across))
        picture.add(Label(left + middle, top - 6, across, "dim", size, "middle", True))
    words = "0 is the 0x00 at which a document begins; the fuller the colour, the more attention"
    picture.add(Label(14, picture.height - 12, words))
    return picture


def _shades(weights: Maps, x: float, y: float, side: float) -> list[Boxes]:
    """The cells of a map by shade, those beside each other of one shade as one box."""
    cell = side / len(weights)
    # The root makes small shares visible beside large ones.
    levels = np.rint(np.sqrt(np.clip(weights, 0, 1)) * _SHADES).astype(int)
    boxes: dict[int, list[Box]] = {}
    for row, line in enumerate(levels):
        edges = np.flatnonzero(np.diff(line)) + 1
        for start, stop in zip([0, *edges.tolist()], [*edges.tolist(), len(line)], strict=True):
            if line[start]:
                box = (x + start * cell, y + row * cell, (stop - start) * cell, cell)
                boxes.setdefault(int(line[start]), []).append(box)
    return [Boxes(found, "blue", level / _SHADES) for level, found in sorted(boxes.items())]


def _check(name: str, number: int | None, count: int) -> None:
    if number is not None and not 0 <= number < count:
        raise UsageError(f"there is no {name} {number}", f"they are 0 to {count - 1}")
