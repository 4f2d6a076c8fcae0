"""Which bytes a hole may hold so that the whole text can still become valid UTF-8.

Valid UTF-8 is what the automaton of `bbyte.utf8` accepts. A byte may stand at a place exactly if it leads
from a state that can be reached there to one from which the rest of the text, its holes free, can still end
between two characters. Sets of states are bits of an int. A symbol is a byte, or HIDDEN for any.
"""

from collections.abc import Sequence
from functools import cache

import numpy as np
from numpy.typing import NDArray

from bbyte.errors import UsageError
from bbyte.generation.holes import HIDDEN, Range, Text
from bbyte.utf8 import BETWEEN, RESTS, transitions

_NEXT = transitions()


def choices(symbols: Sequence[int], places: Sequence[int]) -> NDArray[np.bool_]:
    """Which bytes may stand at each of the hidden `places` of a stretch, (len(places), 256).

    A stretch begins and ends between two characters. Where no filling is valid no byte may stand anywhere.
    """
    reached = [1 << BETWEEN]
    for symbol in symbols:
        reached.append(_after_symbol(reached[-1], symbol))
    hopeful = [1 << BETWEEN]
    for symbol in reversed(symbols):
        hopeful.append(_before_symbol(hopeful[-1], symbol))
    hopeful.reverse()
    return np.stack([_leading(reached[place], hopeful[place + 1]) for place in places])


class Stretches:
    """A text cut where two characters must meet: before each visible byte that goes on no character.

    So what may stand in a hole depends on the stretch around it alone, and a long file costs nothing. Raises
    UsageError where no filling of the holes makes the text valid.
    """

    def __init__(self, text: Text) -> None:
        goes_on = ((text >= 0x80) & (text < 0xC0)) | (text == HIDDEN)
        starts = np.flatnonzero(~goes_on)
        self._borders = np.unique(np.concatenate([[0], starts, [len(text)]]))
        self._check(text)

    def around(self, begin: int, end: int) -> Range:
        """The stretches that hold the bytes from `begin` up to `end`."""
        first = np.searchsorted(self._borders, begin, side="right") - 1
        last = np.searchsorted(self._borders, end, side="left")
        return int(self._borders[first]), int(self._borders[last])

    def _check(self, text: Text) -> None:
        begins, lengths = self._borders[:-1], np.diff(self._borders)
        holed = np.add.reduceat(text == HIDDEN, begins) > 0 if len(text) else np.zeros(0, bool)
        places = np.flatnonzero(~np.repeat(holed, lengths))
        try:
            text[places].astype(np.uint8).tobytes().decode()
        except UnicodeDecodeError as error:
            place = int(places[error.start])
            raise _impossible(f"byte {place}, 0x{text[place]:02X}, is part of no character") from None
        for begin, length in zip(begins[holed].tolist(), lengths[holed].tolist(), strict=True):
            reached = 1 << BETWEEN
            for symbol in text[begin : begin + length].tolist():
                reached = _after_symbol(reached, symbol)
            if not reached & 1 << BETWEEN:
                raise _impossible(f"what is visible of bytes {begin}:{begin + length} fits no characters")


def _impossible(why: str) -> UsageError:
    return UsageError(
        f"no filling of the holes is valid UTF-8: {why}",
        "hide whole characters, or leave --utf8 valid out",
    )


@cache
def _after_symbol(states: int, symbol: int) -> int:
    found = 0
    for state in _members(states):
        follow = _NEXT[state] if symbol == HIDDEN else _NEXT[state, symbol : symbol + 1]
        for after in np.unique(follow[follow >= 0]).tolist():
            found |= 1 << after
    return found


@cache
def _before_symbol(states: int, symbol: int) -> int:
    return sum(1 << state for state in RESTS if _after_symbol(1 << state, symbol) & states)


@cache
def _leading(reached: int, hopeful: int) -> NDArray[np.bool_]:
    allowed = np.zeros(256, bool)
    for state in _members(reached):
        allowed |= np.isin(_NEXT[state], _members(hopeful))
    return allowed


def _members(states: int) -> list[int]:
    return [state for state in RESTS if states >> state & 1]
