"""A text in characters that a screen or a page may show, each with what its bytes cost."""

import unicodedata
from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise

from bbyte.probabilities import Figures
from bbyte.sanitize import sanitize

EDGES = (1, 2, 3, 5, 8)
"""Bits of a character at which it comes to the next level."""
INVALID = "\N{REPLACEMENT CHARACTER}"
NEWLINE, TAB = "↵\n", "→\t"
PLAIN = {NEWLINE: "\n", TAB: "\t"}
"""How these stand in a text where they cost next to nothing."""


@dataclass(frozen=True)
class Character:
    """Bytes start .. stop - 1: what is shown of them, and the bits they cost together.

    Control and invisible characters are shown as by `sanitize`, a byte that is no UTF-8 as U+FFFD, the ends
    of lines and tabs with a sign before them; marks that combine stand with what they combine with.
    """

    shown: str
    start: int
    stop: int
    bits: float

    @property
    def level(self) -> int:
        """How surprising it is, from 0 to `len(EDGES)`."""
        return bisect_right(EDGES, self.bits)


def characters(data: bytes, bits: Figures) -> list[Character]:
    """The characters of `data`, whose bytes cost `bits` each."""
    found: list[Character] = []
    for shown, start, stop in _decoded(data):
        cost = float(bits[start:stop].sum())
        combines = len(shown) == 1 and unicodedata.category(shown) in ("Mn", "Me")
        if combines and found and not found[-1].shown.endswith(("\n", "\t")):
            last = found.pop()
            found.append(Character(last.shown + shown, last.start, stop, last.bits + cost))
        else:
            found.append(Character(shown, start, stop, cost))
    return found


def _decoded(data: bytes) -> Iterator[tuple[str, int, int]]:
    start = 0
    # A byte that is no part of a character becomes a lone surrogate, which no UTF-8 can give.
    for character in data.decode("utf-8", "surrogateescape"):
        is_invalid = 0xDC80 <= ord(character) <= 0xDCFF
        stop = start + (1 if is_invalid else len(character.encode("utf-8")))
        if is_invalid:
            yield INVALID, start, stop
        else:
            yield {"\n": NEWLINE, "\t": TAB}.get(character) or sanitize(character), start, stop
        start = stop


def level_names() -> list[str]:
    """What each level means, in bits: "below 1", "1 to 2", …, "8 and more"."""
    between = [f"{low} to {high}" for low, high in pairwise(EDGES)]
    return [f"below {EDGES[0]}", *between, f"{EDGES[-1]} and more"]
