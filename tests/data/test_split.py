"""The split: decided by content, the same wherever and however a text comes."""

import os

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bbyte.data.split import SEGMENT, Split, segments
from bbyte.errors import UsageError


def test_the_fraction_is_met():
    split = Split(0.25)
    held_out = sum(split.holds_out(b"document %d" % number) for number in range(10_000))
    assert abs(held_out - 2500) < 250


def test_the_choice_depends_on_nothing_but_content():
    documents = [b"document %d" % number for number in range(100)]
    forwards, backwards = Split(0.3), Split(0.3)
    chosen = {document: forwards.holds_out(document) for document in documents}
    assert {document: backwards.holds_out(document) for document in reversed(documents)} == chosen


def test_a_larger_fraction_only_adds():
    documents = [b"document %d" % number for number in range(200)]
    small, large = Split(0.1), Split(0.2)
    assert all(large.holds_out(document) for document in documents if small.holds_out(document))


@pytest.mark.parametrize("fraction", [-0.1, 1.0, 7.0, float("nan")])
def test_senseless_fractions(fraction):
    with pytest.raises(UsageError, match="between 0 and 1"):
        Split(fraction)


def test_an_empty_side_is_refused_with_a_fraction_that_works():
    split = Split(0.001)
    split.holds_out(b"abc")
    with pytest.raises(UsageError, match="held-out") as caught:
        split.check_both_sides(3, 0)
    better = Split(float(caught.value.hint.split()[2]))
    assert better.holds_out(b"abc")
    with pytest.raises(UsageError, match="everything"):
        better.check_both_sides(1, 1)


@given(st.lists(st.integers(0, 3 * SEGMENT), max_size=8))
def test_segments_do_not_depend_on_how_a_document_arrives(sizes):
    data = os.urandom(sum(sizes))
    starts = [sum(sizes[:index]) for index in range(len(sizes))]
    chunks = [data[start : start + size] for start, size in zip(starts, sizes, strict=True)]
    found = [bytes(segment) for segment in segments(chunks)]
    assert b"".join(found) == data
    assert all(len(segment) == SEGMENT for segment in found[:-1])
    assert all(found)
