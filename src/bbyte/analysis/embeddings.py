"""The embeddings of the 256 bytes in two dimensions."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bbyte.analysis.byte_kinds import KINDS, kind, shown
from bbyte.analysis.drawing import WIDTH_OF_LETTER, Box, Dot, Drawing, Label
from bbyte.analysis.likeliest import legend
from bbyte.errors import DataError, UsageError

Points = NDArray[np.float64]
_MARGIN, _TOP, _BOTTOM = 40, 64, 66
_LETTER = 11.0
_RADIUS = 2.6


@dataclass(frozen=True)
class Plane:
    """Points (N, 2) along two principal components, their numbers, and the share of variance of each."""

    points: Points
    components: tuple[int, int]
    shares: tuple[float, float]


def principal(rows: NDArray[np.floating], components: tuple[int, int] = (1, 2)) -> Plane:
    """Two principal components of `rows` (N, C), counted from 1, by singular value decomposition.

    The largest entry of a direction is positive, so that the picture is the same wherever it is drawn.
    Raises UsageError for a component that is not there, DataError for numbers that are not finite.
    """
    if not all(1 <= one <= min(rows.shape) for one in components):
        raise UsageError(
            f"there are no components {components[0]} and {components[1]}", f"they are 1 to {min(rows.shape)}"
        )
    if not np.isfinite(rows).all():
        raise DataError("the embeddings hold what is no number", "the weights may have diverged")
    centred = rows.astype(np.float64) - rows.mean(axis=0, dtype=np.float64)
    _, sizes, directions = np.linalg.svd(centred, full_matrices=False)
    places = [one - 1 for one in components]
    directions = directions[places]
    largest = np.abs(directions).argmax(axis=1)
    directions = directions * np.sign(directions[np.arange(len(directions)), largest])[:, None]
    total = float((sizes**2).sum()) or 1.0
    first, second = (float(size**2) / total for size in sizes[places])
    return Plane(centred @ directions.T, components, (first, second))


def drawing(plane: Plane, below: str) -> Drawing:
    """The plane with a dot and, where there is room, a label for each byte, coloured by kind."""
    picture = Drawing(900, 760, "embeddings of the 256 bytes in two dimensions")
    low, high = plane.points.min(axis=0), plane.points.max(axis=0)
    room = np.array([picture.width - 2 * _MARGIN, picture.height - _TOP - _BOTTOM - 24])
    scale = room / np.maximum(high - low, 1e-12)  # one for each: the second would else be a thin line
    places = (plane.points - (low + high) / 2) * scale * [1, -1] + [picture.width / 2, _TOP + room[1] / 2 + 8]
    names = [shown(byte) for byte in range(len(places))]
    labels = _labels(places, names)
    (first, second), (across, up) = plane.shares, plane.components
    picture.title(
        "The embeddings of the 256 bytes",
        f"{below}: component {across} to the right, {first:.0%} of the variance; {up} upwards, {second:.0%}",
    )
    for byte, (x, y) in enumerate(places):
        role = KINDS[kind(byte)]
        picture.add(Dot(x, y, _RADIUS, role, f"0x{byte:02X} {names[byte]}, {kind(byte)}"))
        if (place := labels[byte]) is not None:
            picture.add(Label(*place, names[byte], role, _LETTER, is_mono=True))
    left_out = labels.count(None)
    if left_out:
        words = f"{left_out} bytes stand too close for a label; in a browser, point at a dot"
        picture.add(Label(14, picture.height - 46, words))
    legend(picture, list(KINDS), picture.height - 12)
    return picture


def _labels(places: Points, names: Sequence[str]) -> list[tuple[float, float] | None]:
    """Where each label begins: beside its dot, over no other dot and no other label; None without room."""
    taken: list[Box] = [(x - _RADIUS, y - _RADIUS, 2 * _RADIUS, 2 * _RADIUS) for x, y in places]
    found: list[tuple[float, float] | None] = [None] * len(names)
    crowd = ((places[:, None] - places[None]) ** 2).sum(axis=2)
    lonely = np.argsort(-np.sort(crowd, axis=1)[:, : min(6, len(names))].sum(axis=1), kind="stable")
    # What text is made of comes first, then whatever has most room.
    order = sorted(lonely.tolist(), key=lambda byte: not 0x20 <= byte < 0x7F)
    height = _LETTER * 0.8
    for byte in order:
        x, y = places[byte]
        width, gap = len(names[byte]) * _LETTER * WIDTH_OF_LETTER, _RADIUS + 1.5
        near = gap * 0.7
        for left, top in (
            (gap, -height / 2), (-gap - width, -height / 2), (-width / 2, -gap - height), (-width / 2, gap),
            (near, -gap - height * 0.7), (near, gap * 0.5), (-near - width, -gap - height * 0.7),
            (-near - width, gap * 0.5),
        ):  # fmt: skip
            box = (x + left, y + top, width, height)
            if not any(_overlap(box, other) for other in taken):
                taken.append(box)
                found[byte] = (box[0], box[1] + height)
                break
    return found


def _overlap(one: Box, other: Box) -> bool:
    across = one[0] < other[0] + other[2] and other[0] < one[0] + one[2]
    return across and one[1] < other[1] + other[3] and other[1] < one[1] + one[3]
