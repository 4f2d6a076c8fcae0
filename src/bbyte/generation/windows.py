"""Where a model that sees only so many bytes at once looks to fill the holes of a text."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bbyte.errors import UsageError
from bbyte.generation.holes import HIDDEN, Text, ranges_of

Places = NDArray[np.intp]


@dataclass(frozen=True)
class Window:
    """The part of a text the model sees at once, and the hidden places in it that are filled there."""

    begin: int
    end: int
    places: Places


def windows(text: Text, context: int) -> list[Window]:
    """Where a model that sees `context` bytes at once looks to fill the holes, and what it fills there.

    The whole text where it fits. Else holes are grouped from left to right as long as a group takes no more
    than half the context, and a window of full length lies around each group, in the middle of it where the
    text goes on far enough. A hole is never divided. Raises UsageError for a text without holes and, where
    the text does not fit, for a hole that leaves less than a byte to see on both sides.
    """
    holes = ranges_of(text)
    if not holes:
        raise UsageError("the text has no hole to fill", "write [MASK*12] where 12 bytes are to be found")
    if len(text) <= context:
        return [Window(0, len(text), np.flatnonzero(text == HIDDEN))]
    groups: list[list[int]] = []
    for begin, end in holes:
        if end - begin > context - 2:
            raise UsageError(
                f"the hole {begin}:{end} of {end - begin} bytes does not fit in the model's window of "
                f"{context} bytes, with a byte to see on both sides",
                f"hide at most {max(context - 2, 0)} bytes in one place, or train with a longer --seq-len",
            )
        if groups and end - groups[-1][0] <= context // 2:
            groups[-1][1] = end
        else:
            groups.append([begin, end])
    found = []
    for begin, end in groups:
        start = min(max((begin + end) // 2 - context // 2, 0), len(text) - context)
        places = begin + np.flatnonzero(text[begin:end] == HIDDEN)
        found.append(Window(start, start + context, places))
    return found
