"""Texts with holes: how they are written, and where their holes are. Holes are counted in bytes.

A text is an int16 array (N,), a number a byte, HIDDEN where a byte is hidden: what an Infiller reads.
"""

import re
from collections.abc import Sequence
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from bbyte.errors import UsageError
from bbyte.generation.sampler import random_bits

Text = NDArray[np.int16]
Range = tuple[int, int]
HIDDEN = 256
_HIDING = 1 << 62  # the place of the random words that choose what is hidden, far from those of drawn bytes
_HOLE = re.compile(rb"(\\*)(\[MASK(?:\]|\*([^\]]{0,20})(\]?)))")
_RANGE = re.compile(r"\s*(-?\d{1,18})?\s*:\s*(-?\d{1,18})?\s*")


def parse(prompt: bytes, most: int | None = None) -> Text:
    r"""The text that a prompt with holes stands for: `[MASK]` hides one byte, `[MASK*12]` twelve.

    `\[MASK]` stands for these very characters, and `\\[MASK]` for a backslash before a hole: of backslashes
    right before a hole every second is taken away. All others are left alone. Raises UsageError, also where
    more than `most` bytes are hidden: a few characters may stand for many.
    """
    pieces, end, hidden = [], 0, 0
    for match in _HOLE.finditer(prompt):
        slashes, hole = match[1], match[2]
        pieces.append(visible(prompt[end : match.start()] + slashes[: len(slashes) // 2]))
        if len(slashes) % 2 == 1:
            pieces.append(visible(hole))
        else:
            hidden += _size(match)
            if most is not None and hidden > most:
                raise UsageError(f"more than {most} bytes are hidden", "make the holes smaller")
            pieces.append(np.full(_size(match), HIDDEN, np.int16))
        end = match.end()
    return np.concatenate([*pieces, visible(prompt[end:])])


def _size(match: re.Match[bytes]) -> int:
    if match[3] is None:
        return 1
    written = match[2].decode("utf-8", "replace")
    if not (match[4] and re.fullmatch(rb"[0-9]{1,6}", match[3]) and int(match[3]) > 0):
        raise UsageError(
            f"{written} is no hole: after the * comes how many bytes it hides, 1 to 999999, and then ]",
            f"[MASK*12] hides 12 bytes; \\{written} stands for these very characters",
        )
    return int(match[3])


def visible(data: bytes) -> Text:
    """A text without holes."""
    return np.frombuffer(data, np.uint8).astype(np.int16)


def read_ranges(words: Sequence[str], length: int) -> list[Range]:
    """Ranges `a:b` of a text of `length` bytes, from byte a up to and not including b, sorted.

    As in Python a left-out number is an end of the text, and a negative one counts from its end. Raises
    UsageError for what is no range, lies outside, hides nothing, or overlaps another.
    """
    ranges = sorted(_read_range(word, length) for word in words)
    for (_, end), (begin, last) in pairwise(ranges):
        if begin < end:
            raise UsageError(f"the range {begin}:{last} overlaps one that ends at {end}", "join them to one")
    return ranges


def _read_range(word: str, length: int) -> Range:
    match = _RANGE.fullmatch(word)
    if match is None:
        raise UsageError(f"{word!r} is no range of bytes", "16:48 is the 32 bytes from byte 16 on")
    begin, end = (
        default if given is None else int(given) + (length if given.startswith("-") else 0)
        for given, default in zip(match.groups(), (0, length), strict=True)
    )
    if not (0 <= begin <= length and 0 <= end <= length):
        raise UsageError(f"the range {word} lies outside the text", f"it has {length} bytes, 0:{length}")
    if begin >= end:
        hint = f"did you mean {end}:{begin}?" if begin > end else f"{begin}:{begin + 1} is one byte"
        raise UsageError(f"the range {word} hides no byte: it ends before it begins", hint)
    return begin, end


def hide(data: bytes, ranges: Sequence[Range]) -> Text:
    """The text with these ranges hidden."""
    text = visible(data)
    for begin, end in ranges:
        text[begin:end] = HIDDEN
    return text


def hide_at_random(text: Text, rate: float, seed: int) -> Text:
    """The text with this part of its bytes hidden, one at least, at places that the seed decides."""
    if not 0 < rate <= 1:
        raise UsageError(f"random_rate {rate} is not above 0 and at most 1", "0.15 hides 15 bytes of 100")
    order = np.argsort(random_bits(seed, len(text), _HIDING), kind="stable")
    hidden = text.copy()
    hidden[order[: max(1, round(rate * len(text)))]] = HIDDEN
    return hidden


def ranges_of(text: Text) -> list[Range]:
    """The holes of a text, as ranges: every run of hidden bytes."""
    edges = np.flatnonzero(np.diff(text == HIDDEN, prepend=False, append=False))
    return [(int(begin), int(end)) for begin, end in edges.reshape(-1, 2)]


def cuts(data: bytes, ranges: Sequence[Range]) -> list[str]:
    """A sentence for each range that begins or ends inside a UTF-8 character: which, and what would not."""
    sentences = []
    for begin, end in ranges:
        first, last = _character(data, begin), _character(data, end)
        if first is None and last is None:
            continue
        cut = dict.fromkeys(part for part in (first, last) if part is not None)
        names = " and ".join(f"{data[a:b].decode()} (bytes {a}:{b})" for a, b in cut)
        whole = f"{first[0] if first else begin}:{last[1] if last else end}"
        sentences.append(f"the range {begin}:{end} cuts {names}; {whole} would not")
    return sentences


def _character(data: bytes, border: int) -> Range | None:
    """Where the character lies that a border goes through, if it goes through one."""
    for begin in range(max(0, border - 3), border):
        for end in range(border + 1, min(begin + 4, len(data)) + 1):
            try:
                if len(data[begin:end].decode()) == 1:
                    return begin, end
            except UnicodeDecodeError:
                continue
    return None
