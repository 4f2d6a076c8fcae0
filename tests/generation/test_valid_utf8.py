"""Which bytes may stand in a hole, against Python's own decoder."""

import itertools

import numpy as np
import pytest

from bbyte.errors import UsageError
from bbyte.generation.holes import HIDDEN, visible
from bbyte.generation.valid_utf8 import Stretches, choices

EVERY = range(256)
EDGES = sorted({edge + step for edge in (0, 0x80, 0x90, 0xA0, 0xC0, 0xC2, 0xE0, 0xE1, 0xED, 0xEE, 0xF0,
                0xF1, 0xF4, 0xF5, 0xFF) for step in (-1, 0) if edge + step >= 0})  # fmt: skip


def decodes(data):
    try:
        bytes(data).decode()
    except UnicodeDecodeError:
        return False
    return True


def fillings(symbols, free=EVERY):
    return itertools.product(*(free if symbol == HIDDEN else (symbol,) for symbol in symbols))


def texts():
    """Every character of a few with some of its bytes hidden, alone and between others."""
    for text in ("é", "\u0800", "\ud7ff", "\ue000", "🙂", "\U00010000", "\U0010ffff", "aé", "é…"):
        data = text.encode()
        for hidden in itertools.product((False, True), repeat=len(data)):
            if 0 < sum(hidden) <= 3:
                yield [HIDDEN if hide else byte for byte, hide in zip(data, hidden, strict=True)]


def test_what_may_stand_in_one_hole_is_what_decodes():
    for symbols in texts():
        if symbols.count(HIDDEN) == 1:
            place = symbols.index(HIDDEN)
            right = np.array([decodes([*symbols[:place], byte, *symbols[place + 1 :]]) for byte in EVERY])
            assert np.array_equal(choices(symbols, [place])[0], right), symbols


def test_what_may_stand_in_several_holes_is_what_some_filling_has():
    # Bytes on both sides of every border of the standard's table stand for all of them.
    for symbols in texts():
        places = [place for place, symbol in enumerate(symbols) if symbol == HIDDEN]
        found = choices(symbols, places)
        right = np.zeros_like(found)
        for filling in fillings(symbols, EDGES):
            if decodes(filling):
                for row, place in enumerate(places):
                    right[row, filling[place]] = True
        assert np.array_equal(found[:, EDGES], right[:, EDGES]), symbols


def test_two_free_holes_byte_by_byte():
    found = choices([HIDDEN, HIDDEN], [0, 1])
    right = np.zeros((2, 256), bool)
    for first, second in itertools.product(EVERY, EVERY):
        if decodes((first, second)):
            right[0, first] = right[1, second] = True
    assert np.array_equal(found, right)


def test_a_text_that_can_be_valid_is_taken_and_one_that_cannot_is_refused():
    for symbols in [*texts(), [0xC3, HIDDEN, 0xA9], [0xA9, HIDDEN], [HIDDEN, 0xA9, 0xA9, 0xA9, 0xA9],
                    [0xE2, HIDDEN], [0x41, 0xFF, HIDDEN], [0xE0, 0x80, HIDDEN], [HIDDEN, 0xC3],
                    [0xC3, 0x41, HIDDEN], [HIDDEN, 0xA9, HIDDEN]]:  # fmt: skip
        text = np.array(symbols, np.int16)
        if any(decodes(filling) for filling in fillings(symbols, EDGES)):
            Stretches(text)
        else:
            with pytest.raises(UsageError, match="no filling of the holes is valid UTF-8"):
                Stretches(text)


def test_the_byte_at_fault_is_named():
    with pytest.raises(UsageError, match="byte 6, 0xFF"):
        Stretches(np.concatenate([visible(b"ab"), [HIDDEN, HIDDEN], visible(b"cd\xff")]))
    with pytest.raises(UsageError, match="bytes 1:3 fits no"):
        Stretches(np.concatenate([visible(b"a\xe2"), [HIDDEN], visible(b"cd")]))


def test_a_stretch_around_a_hole_says_as_much_as_the_whole_text():
    random = np.random.default_rng(3)
    data = "aé…🙂bß€ 𐀀x".encode() * 3
    for _ in range(200):
        text = visible(data)
        text[random.random(len(text)) < 0.3] = HIDDEN
        places = np.flatnonzero(text == HIDDEN)
        begin, end = Stretches(text).around(places[2], places[4] + 1)
        assert begin <= places[2]
        assert places[4] < end
        near = choices(text[begin:end].tolist(), (places[2:5] - begin).tolist())
        assert np.array_equal(near, choices(text.tolist(), places[2:5].tolist()))


def test_empty_and_visible_texts():
    Stretches(visible(b""))
    Stretches(visible("é".encode()))
    with pytest.raises(UsageError):
        Stretches(visible(b"\xc3"))
