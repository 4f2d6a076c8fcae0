"""Pictures of weights: a bar of trits and the scales of each layer, or a histogram of its values."""

from collections.abc import Sequence

from bbyte.analysis.drawing import Boxes, Dot, Drawing, Label, Line, clipped
from bbyte.analysis.series import ticks
from bbyte.analysis.weights import Trits, Values, by_layer

_TOP = 78
SIGNS = (("-1", "orange"), ("0", "grey"), ("+1", "blue"))


def of_trits(found: Sequence[Trits], below: str) -> Drawing:
    """A row for each layer: the shares of -1, 0 and +1, and a dot for the scale of each matrix."""
    layers = by_layer(found)
    row, left, bar, right = 24, 92, 360, 500
    picture = Drawing(760, _TOP + row * len(layers) + 48, "shares of trits and scales by layer")
    picture.title("Ternary weights by layer", below)
    for place, (sign, role) in enumerate(SIGNS):
        picture.add(Boxes([(left + 52 * place, 57, 9, 9)], role), Label(left + 14 + 52 * place, 65, sign))
    picture.add(Label(right, 65, "scale of each matrix"))
    widest = max(one.scale for one in found) * 1.08
    bottom = _TOP + row * len(layers)
    for value in ticks(0, widest, 4):
        x = right + (picture.width - 24 - right) * value / widest
        picture.add(Line([(x, _TOP - 4), (x, bottom)], "rule", 1))
        picture.add(Label(x, bottom + 15, f"{value:g}", anchor="middle"))
    for place, (name, members) in enumerate(layers.items()):
        y, size = _TOP + row * place, sum(one.size for one in members)
        picture.add(Label(left - 10, y + 14, clipped(name, 13), "ink", 11, "end"))
        counts = [sum(getattr(one, part) for one in members) for part in ("minus", "zero", "plus")]
        at: float = left
        for (sign, role), count in zip(SIGNS, counts, strict=True):
            width = bar * count / size
            title = f"{name}: {count / size:.1%} are {sign}"
            picture.add(Boxes([(at, y + 2, max(0.0, width - 1), row - 8)], role, title=title))
            at += width
        picture.add(Line([(right, y + 10), (picture.width - 24, y + 10)], "rule", 1))
        for one in members:
            x = right + (picture.width - 24 - right) * one.scale / widest
            picture.add(Dot(x, y + 10, 4, "green", f"{one.name}: scale {one.scale:.4g}"))
    for share in (0, 0.25, 0.5, 0.75, 1):
        picture.add(Label(left + bar * share, bottom + 15, f"{share:.0%}", anchor="middle"))
    picture.add(Label(right, bottom + 34, "in a browser, point at a dot for its name"))
    return picture


def of_values(found: Sequence[Values], below: str) -> Drawing:
    """A histogram for each layer, all on one axis."""
    layers = by_layer(found)
    row, left = 62, 92
    picture = Drawing(760, _TOP + row * len(layers) + 30, "histograms of weights by layer")
    picture.title("Weights by layer, in full precision", below)
    edges, bottom = found[0].edges, _TOP + row * len(layers)
    room = picture.width - 24 - left
    low, reach = float(edges[0]), float(edges[-1] - edges[0])
    for value in ticks(low, low + reach, 7):
        x = left + room * (value - low) / reach
        picture.add(Line([(x, _TOP - 10), (x, bottom)], "rule", 1))
        picture.add(Label(x, bottom + 16, f"{value:g}", anchor="middle"))
    for place, (name, members) in enumerate(layers.items()):
        y = _TOP + row * (place + 1) - 8
        counts = sum(one.counts for one in members[1:]) + members[0].counts
        size, highest = sum(one.size for one in members), max(int(counts.max()), 1)
        width = room / len(counts)
        bars = [
            (left + width * at, y - (row - 16) * count / highest, width, (row - 16) * count / highest)
            for at, count in enumerate(counts.tolist())
            if count
        ]
        outside = size - int(counts.sum())
        deviation = (sum(one.size * (one.deviation**2 + one.mean**2) for one in members) / size) ** 0.5
        picture.add(
            Boxes(bars, "blue", title=f"{name}: {size:,} weights, {outside:,} of them beyond the axis"),
            Line([(left, y), (picture.width - 24, y)], "dim", 1),
            Label(left - 10, y - 2, clipped(name, 13), "ink", 11, "end"),
            Label(picture.width - 24, y - row + 26, f"root mean square {deviation:.3g}", anchor="end"),
        )
    return picture
