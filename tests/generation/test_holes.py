"""How holes are written, and the sentences for those that are written wrongly."""

import numpy as np
import pytest

from bbyte.errors import UsageError
from bbyte.generation.holes import (
    HIDDEN,
    cuts,
    hide,
    hide_at_random,
    parse,
    ranges_of,
    read_ranges,
    visible,
)


def shown(text):
    """A text with ? for every hidden byte."""
    return bytes(63 if token == HIDDEN else token for token in text.tolist())


@pytest.mark.parametrize(
    ("prompt", "text"),
    [
        (b"", b""),
        (b"plain", b"plain"),
        (b"a[MASK]b", b"a?b"),
        (b"a[MASK*3]b[MASK][MASK*2]", b"a???b???"),
        (b"[MASK*012]", b"?" * 12),
        (rb"a\[MASK]b", b"a[MASK]b"),
        (rb"a\[MASK*0]b", b"a[MASK*0]b"),
        (rb"a\\[MASK]b", b"a\\?b"),
        (rb"a\\\[MASK*2]b", rb"a\[MASK*2]b"),
        (rb"\n \\ [x] \[y]", rb"\n \\ [x] \[y]"),
        (b"[MASKED] [mask] MASK] [MASK", b"[MASKED] [mask] MASK] [MASK"),
        (b"\xff\x00[MASK]\x80", b"\xff\x00?\x80"),
        ("é[MASK*2]…".encode(), "é??…".encode()),
    ],
)
def test_a_prompt_and_the_text_it_stands_for(prompt, text):
    parsed = parse(prompt)
    assert parsed.dtype == np.int16
    assert shown(parsed) == text


def test_no_more_is_hidden_than_is_allowed():
    prompt = rb"[MASK*7] \[MASK*999999] [MASK*3]"
    assert (parse(prompt, 10) == HIDDEN).sum() == 10
    with pytest.raises(UsageError, match="more than 9 bytes are hidden"):
        parse(prompt, 9)
    with pytest.raises(UsageError, match="more than 10 bytes are hidden"):
        parse(b"[MASK*999999]" * 100_000, 10)


@pytest.mark.parametrize(
    "hole", ["[MASK*0]", "[MASK*x]", "[MASK*-1]", "[MASK*]", "[MASK*1.5]", "[MASK*9999999]", "[MASK*3"]
)
def test_what_is_no_hole_is_said(hole):
    with pytest.raises(UsageError, match="is no hole") as caught:
        parse(f"a{hole}".encode())
    assert caught.value.message.startswith(hole)
    assert f"\\{hole}" in caught.value.hint
    assert shown(parse(f"a\\{hole}".encode())) == f"a{hole}".encode()


@pytest.mark.parametrize(
    ("words", "ranges"),
    [
        (["2:5"], [(2, 5)]),
        ([":"], [(0, 10)]),
        (["8:"], [(8, 10)]),
        (["-3:-1"], [(7, 9)]),
        (["5:6", ":2", "2:4"], [(0, 2), (2, 4), (5, 6)]),
        ([" 1 : 2 "], [(1, 2)]),
        ([], []),
    ],
)
def test_ranges_are_read_as_python_reads_them(words, ranges):
    assert read_ranges(words, 10) == ranges
    for word, (begin, end) in zip(words, ranges, strict=True):
        if len(words) == 1 and word.strip() == word:
            parts = [int(part) if part else None for part in word.split(":")]
            assert range(10)[slice(*parts)] == range(begin, end)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["5:2"], "hides no byte"),
        (["4:4"], "hides no byte"),
        (["5:11"], "lies outside"),
        (["-11:3"], "lies outside"),
        (["11:12"], "lies outside"),
        (["1:5", "4:6"], "overlaps"),
        (["1:5", "1:5"], "overlaps"),
        (["1-5"], "is no range"),
        (["1:2:3"], "is no range"),
        (["x:2"], "is no range"),
        (["7"], "is no range"),
        ([""], "is no range"),
    ],
)
def test_bad_ranges_are_said(words, message):
    with pytest.raises(UsageError, match=message) as caught:
        read_ranges(words, 10)
    assert caught.value.hint


def test_a_reversed_range_is_answered_with_the_right_one():
    with pytest.raises(UsageError) as caught:
        read_ranges(["5:2"], 10)
    assert "2:5" in caught.value.hint


def test_hidden_ranges_are_found_again():
    ranges = [(0, 2), (3, 4), (8, 10)]
    text = hide(b"0123456789", ranges)
    assert shown(text) == b"??2?4567??"
    assert ranges_of(text) == ranges
    assert ranges_of(visible(b"abc")) == []
    assert ranges_of(visible(b"")) == []


def test_random_holes_are_as_many_as_asked_for_and_the_seed_says_where():
    text = visible(bytes(range(200)))
    hidden = hide_at_random(text, 0.15, 7)
    assert (hidden == HIDDEN).sum() == 30
    assert np.array_equal(hidden, hide_at_random(text, 0.15, 7))
    assert not np.array_equal(hidden, hide_at_random(text, 0.15, 8))
    assert (text < HIDDEN).all()
    assert (hide_at_random(text[:3], 0.01, 0) == HIDDEN).sum() == 1
    assert (hide_at_random(text, 1.0, 0) == HIDDEN).all()
    where = np.concatenate([np.flatnonzero(hide_at_random(text, 0.1, seed) == HIDDEN) for seed in range(200)])
    assert np.bincount(where, minlength=200).std() < 8  # 20 a place, each with a deviation of 4.2


@pytest.mark.parametrize("rate", [0.0, -0.1, 1.01, float("nan")])
def test_a_rate_that_is_none(rate):
    with pytest.raises(UsageError, match="random_rate"):
        hide_at_random(visible(b"abc"), rate, 0)


def test_a_cut_character_is_named_with_the_range_that_spares_it():
    data = "aé…🙂b".encode()  # a 0, é 1:3, … 3:6, 🙂 6:10, b 10
    assert cuts(data, [(0, 1), (1, 3), (3, 10), (0, 11)]) == []
    assert cuts(data, [(2, 6)]) == ["the range 2:6 cuts é (bytes 1:3); 1:6 would not"]
    assert cuts(data, [(0, 4)]) == ["the range 0:4 cuts … (bytes 3:6); 0:6 would not"]
    assert cuts(data, [(2, 9)]) == ["the range 2:9 cuts é (bytes 1:3) and 🙂 (bytes 6:10); 1:10 would not"]
    assert cuts(data, [(7, 8)]) == ["the range 7:8 cuts 🙂 (bytes 6:10); 6:10 would not"]


def test_bytes_that_are_no_characters_cannot_be_cut():
    data = b"\xff\x80\x80\xc3("
    assert not [cut for a in range(5) for b in range(a + 1, 6) for cut in cuts(data, [(a, b)])]
