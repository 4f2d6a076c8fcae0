"""JSON read record by record: the same values as json.loads, wherever the pieces are cut."""

import json
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bbyte.data.sources import json_records
from bbyte.data.sources.json_records import records
from bbyte.errors import DataError

values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=8,
)


def read(text, piece=1 << 20):
    data = text.encode() if isinstance(text, str) else text
    return list(records((data[start : start + piece] for start in range(0, len(data), piece)), "x.json"))


@given(st.lists(values, max_size=6), st.integers(1, 30), st.booleans(), st.sampled_from([None, 0, 2]))
def test_a_list(items, piece, ascii_only, indent):
    assert read(json.dumps(items, ensure_ascii=ascii_only, indent=indent), piece) == items


@given(
    st.lists(st.dictionaries(st.text(max_size=4), values, max_size=3), min_size=1, max_size=5),
    st.integers(1, 30),
)
def test_lines(items, piece):
    text = "\n".join(map(json.dumps, items))
    for after in ("", "\n", "\r\n\n"):
        assert read(text + after, piece) == items


def test_one_record_over_many_lines():
    record = {"story": "Once", "inside": [1, {"a": None}]}
    assert read(json.dumps(record, indent=4)) == [record]


def test_a_byte_order_mark_and_blank_lines():
    assert read("\ufeff\n [1, 2]\n") == [1, 2]
    assert read('\ufeff{"a": 1}\n\n{"a": 2}') == [{"a": 1}, {"a": 2}]


@pytest.mark.parametrize("piece", [1, 3, 7, 1 << 20])
@pytest.mark.parametrize(
    ("text", "place"),
    [
        ('[{"a": 1}, {"a": }]', "line 1, column 18"),
        ('{"a": 1}\n{"a": 2}\n{"a" 3}\n{"a": 4}' + "\n{}" * 20, "line 3, column 6"),
        ('{"a": 1}\n{"a": "cut', "line 2, column 7"),
        ("[1, 2", "line 1, column 6"),
        ("[1, 2,]", "line 1, column 7"),
        ("[,1]", "line 1, column 2"),
        ("[1 2]", "line 1, column 4"),
        ("[1]\n[2]", "line 2, column 1"),
        ("[", "line 1, column 2"),
        ("", "line 1, column 1"),
        ("  \n ", "line 2, column 2"),
        ('{"a": 1}\nnonsense', "line 2, column 1"),
        ("[[[" * 2000, ""),
    ],
)
def test_malformed_text_is_refused_with_its_place(text, place, piece):
    with pytest.raises(DataError, match=re.escape(f"x.json is not valid JSON: {place}")):
        read(text, piece)


@pytest.mark.parametrize("piece", [1, 3, 1 << 20])
def test_text_that_is_not_utf8_is_refused_with_its_place(piece):
    with pytest.raises(DataError, match="not UTF-8 text: see byte 11"):
        read(b'["caf\xc3\xa9", "\xff"]', piece)
    with pytest.raises(DataError, match="not UTF-8 text: see byte 2"):
        read(b'["\xc3', piece)


def test_too_many_digits():
    with pytest.raises(DataError, match="too many digits"):
        read("[" + "9" * 5000 + "]")


def test_a_record_without_end_is_refused_before_memory_is_full(monkeypatch):
    monkeypatch.setattr(json_records, "LARGEST_RECORD", 10_000)
    given = []

    def endless():
        yield b'["'
        while True:
            given.append(1)
            yield b"x" * 1000

    with pytest.raises(DataError, match="larger than"):
        list(records(endless(), "x.json"))
    assert len(given) < 50


def test_an_error_is_found_without_reading_on():
    def pieces():
        yield b'[{"a": 1}, oops, ' + b" " * 100
        raise AssertionError("read on")

    found = records(pieces(), "x.json")
    assert next(found) == {"a": 1}
    with pytest.raises(DataError):
        next(found)


def test_a_long_list_is_not_held_in_memory():
    alive = []

    def pieces():
        yield b"[0"
        for number in range(200):
            alive.append(number)
            yield b"".join(b", %d" % item for item in range(1000))
        yield b"]"

    found = records(pieces(), "x.json")
    for _ in range(3000):
        next(found)
    assert len(alive) < 8
    assert sum(1 for _ in found) == 200_001 - 3000
