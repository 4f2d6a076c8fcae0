"""The stretches of a text that cost a model most."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from bbyte.probabilities import Figures


@dataclass(frozen=True)
class Span:
    """Bytes start .. stop - 1, what they cost in bits, and how much of that is beyond the usual."""

    start: int
    stop: int
    bits: float
    excess: float


def costliest(data: bytes, bits: Figures, most: int) -> list[Span]:
    """The spans that cost most beyond the usual, at most so many, costliest first.

    Usual is the mean and one standard deviation for each byte. A span is as wide as pays: no narrower or
    wider one around it has more excess. It is widened to whole characters.
    """
    if not len(bits):
        return []
    over = bits - (bits.mean() + bits.std())
    found = sorted(maximal(over.tolist()), key=lambda place: -float(over[slice(*place)].sum()))
    spans = []
    for start, stop in found[:most]:
        first, last = _whole(data, start, stop)
        spans.append(Span(first, last, float(bits[first:last].sum()), float(over[start:stop].sum())))
    return spans


def maximal(scores: Sequence[float]) -> list[tuple[int, int]]:
    """All maximal scoring stretches (start, stop), in order (Ruzzo and Tompa, ISMB 1999); linear time.

    Their sums are above 0, no part of one has more than the whole, and none can be widened without losing
    that.
    """
    done: list[tuple[int, int]] = []
    # start, stop, sum before, sum after, place of the nearest earlier one with a smaller sum before
    open_: list[tuple[int, int, float, float, int]] = []
    total = 0.0
    for place, score in enumerate(scores):
        before, total = total, total + score
        if score <= 0:
            continue
        start, low, at = place, before, len(open_) - 1
        while True:
            while at >= 0 and open_[at][2] >= low:
                at = open_[at][4]
            if at < 0:  # nothing that is open can grow any more
                done += [span[:2] for span in open_]
                open_.clear()
                break
            if open_[at][3] >= total:
                break
            start, _, low, _, earlier = open_[at]
            del open_[at:]
            at = earlier
        open_.append((start, place + 1, low, total, at))
    return done + [span[:2] for span in open_]


def _whole(data: bytes, start: int, stop: int) -> tuple[int, int]:
    inside = range(0x80, 0xC0)
    first = next((at for at in range(start, max(start - 4, -1), -1) if data[at] not in inside), start)
    ends = range(stop, min(stop + 4, len(data) + 1))
    last = next((at for at in ends if at == len(data) or data[at] not in inside), stop)
    return first, last


def buckets(values: Figures, most: int) -> list[tuple[int, int, float]]:
    """The values in at most so many stretches of one length: (start, stop, mean)."""
    length = max(1, -(-len(values) // most))
    edges = np.arange(0, len(values), length)
    return [
        (int(start), min(int(start) + length, len(values)), float(values[start : start + length].mean()))
        for start in edges
    ]
