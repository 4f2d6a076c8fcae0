"""How surprising a text is along its bytes: what they cost, and what the model expected them to cost."""

from bbyte.analysis.costliest import buckets
from bbyte.analysis.drawing import Anchor, Boxes, Drawing, Label, Line
from bbyte.analysis.series import ticks
from bbyte.analysis.surprisal import Surprisal

_STRETCHES = 340
_LEFT, _RIGHT, _TOP, _BOTTOM = 46, 16, 82, 40


def drawing(found: Surprisal, title: str, below: str) -> Drawing:
    """Bars of the bits a byte cost, a line of the entropy; both as means of stretches of one length."""
    picture = Drawing(760, 300, "surprisal and entropy along the text")
    picture.title(title, below)
    cost, hoped = buckets(found.bits, _STRETCHES), buckets(found.entropy, _STRETCHES)
    highest = max(max(mean for *_, mean in (*cost, *hoped)) * 1.05, 0.1)
    count, bottom = len(found.bits), picture.height - _BOTTOM
    room, tall = picture.width - _LEFT - _RIGHT, bottom - _TOP
    for value in ticks(0, highest, 5):
        y = bottom - tall * value / highest
        picture.add(Line([(_LEFT, y), (picture.width - _RIGHT, y)], "rule", 1))
        picture.add(Label(_LEFT - 8, y + 4, f"{value:g}", anchor="end"))
    for value in ticks(0, count, 6):
        x = _LEFT + room * value / count
        anchor: Anchor = "start" if value == 0 else "end" if x > picture.width - 40 else "middle"
        if value % 1 == 0:
            picture.add(Label(x, bottom + 16, f"{value:,.0f}", anchor=anchor))
    for start, stop, mean in cost:
        x, width = _LEFT + room * start / count, room * (stop - start) / count
        box = (x, bottom - tall * mean / highest, width, tall * mean / highest)
        title = f"bytes {start:,} to {stop - 1:,}: {mean:.2f} bits each"
        picture.add(Boxes([box], "orange", 0.6, title))
    middles = [_LEFT + room * (start + stop) / 2 / count for start, stop, _ in hoped]
    line = [(x, bottom - tall * mean / highest) for x, (*_, mean) in zip(middles, hoped, strict=True)]
    picture.add(Line(line, "blue", 1.5))
    length = cost[0][1] - cost[0][0]
    words = "a byte" if length == 1 else f"the mean of {length:,} bytes"
    picture.add(
        Boxes([(_LEFT, 58, 9, 9)], "orange", 0.6),
        Label(_LEFT + 14, 66, f"bits paid, {words}"),
        Line([(_LEFT + 214, 62), (_LEFT + 232, 62)], "blue", 2),
        Label(_LEFT + 238, 66, "bits expected (entropy)"),
        Label(picture.width / 2, picture.height - 6, "place in the text, in bytes", anchor="middle"),
    )
    return picture
