"""Characters with what they cost, and the kinds of bytes."""

import numpy as np
import pytest

from bbyte.analysis.byte_kinds import KINDS, kind, shown
from bbyte.analysis.characters import EDGES, characters, level_names


def test_bytes_of_a_character_cost_together():
    data = "aé日".encode()
    found = characters(data, np.array([1.0, 2, 3, 4, 5, 6]))
    assert [(one.shown, one.start, one.stop, one.bits) for one in found] == [
        ("a", 0, 1, 1.0), ("é", 1, 3, 5.0), ("日", 3, 6, 15.0),
    ]  # fmt: skip


def test_every_byte_belongs_to_one_character():
    data = np.random.default_rng(0).integers(0, 256, 20_000, dtype=np.uint8).tobytes()
    bits = np.random.default_rng(1).random(len(data))
    found = characters(data, bits)
    assert [one.start for one in found[1:]] == [one.stop for one in found[:-1]]
    assert found[-1].stop == len(data)
    assert sum(one.bits for one in found) == pytest.approx(bits.sum())
    text = "".join(one.shown for one in found)
    assert all(character.isprintable() or character in "\n\t" for character in text if character != "\u2028")


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (b"\xff\xc3", ["\ufffd", "\ufffd"]), (b"\x1b[", ["␛", "["]), (b"\r\n\t", ["␍", "↵\n", "→\t"]),
        ("\u202e".encode(), [r"\u{202e}"]), ("e\u0301x".encode(), ["e\u0301", "x"]),
        ("\n\u0301".encode(), ["↵\n", "\u0301"]), (b"\xed\xa0\x80", ["\ufffd"] * 3),
    ],
)  # fmt: skip
def test_what_is_shown(data, expected):
    assert [one.shown for one in characters(data, np.zeros(len(data)))] == expected


def test_levels():
    found = characters(b"abcdef", np.array([0.99, 1, 2.5, 4, 7.9, 8]))
    assert [one.level for one in found] == [0, 1, 2, 3, 4, 5]
    assert len(level_names()) == len(EDGES) + 1


def test_every_byte_has_a_kind_and_the_counts_are_those_of_utf8():
    counts = {name: [kind(byte) for byte in range(256)].count(name) for name in KINDS}
    assert counts == {
        "lower-case letter": 26, "upper-case letter": 26, "digit": 10, "punctuation": 32, "whitespace": 6,
        "control": 28, "begins a character": 51, "continues a character": 64, "never in UTF-8": 13,
    }  # fmt: skip


def test_names_are_short_printable_and_distinct():
    names = [shown(byte) for byte in range(256)]
    assert len(set(names)) == 256
    assert all(name.isprintable() and name.isascii() and len(name) <= 5 for name in names)
    assert [names[byte] for byte in b" \n\x1b\xc3A"] == ["space", r"\n", "1B", "C3", "A"]
