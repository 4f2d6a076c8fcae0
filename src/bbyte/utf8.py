"""The automaton of valid UTF-8 (RFC 3629; Unicode 3.9, table 3-7): which byte may follow which.

Eight states: between two characters (0), or inside one with some kind of rest to come.
"""

from functools import cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

BETWEEN = 0
RESTS = {  # state: what the next byte may be, and the state after it
    1: ((0x80, 0xBF, BETWEEN),),
    2: ((0x80, 0xBF, 1),),
    3: ((0x80, 0xBF, 2),),
    4: ((0xA0, 0xBF, 1),),  # after E0: what needs fewer bytes is excluded
    5: ((0x80, 0x9F, 1),),  # after ED: surrogates are excluded
    6: ((0x90, 0xBF, 2),),  # after F0: what needs fewer bytes is excluded
    7: ((0x80, 0x8F, 2),),  # after F4: nothing above U+10FFFF
    BETWEEN: (
        (0x00, 0x7F, BETWEEN), (0xC2, 0xDF, 1), (0xE0, 0xE0, 4), (0xE1, 0xEC, 2), (0xED, 0xED, 5),
        (0xEE, 0xEF, 2), (0xF0, 0xF0, 6), (0xF1, 0xF3, 3), (0xF4, 0xF4, 7),
    ),
}  # fmt: skip
LONGEST_BEGINNING = 3
"""Bytes that a character may have before its last one."""


@cache
def transitions() -> "NDArray[np.int8]":
    """The state after each byte in each state, (8, 256); -1 where the byte cannot come."""
    import numpy as np

    found = np.full((len(RESTS), 256), -1, np.int8)
    for state, steps in RESTS.items():
        for low, high, after in steps:
            found[state, low : high + 1] = after
    return found


def state_after(text: bytes) -> int:
    """The state at the end of `text`, told by its last three bytes; what is no character ends before it."""
    table, state = transitions(), BETWEEN
    for byte in text[-LONGEST_BEGINNING:]:
        state = int(table[state, byte])
        if state < 0:
            state = max(int(table[BETWEEN, byte]), BETWEEN)
    return state
