"""The spans that cost most, beside a search of all stretches."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as some

from bbyte.analysis.costliest import buckets, costliest, maximal


def by_definition(scores):
    """Ruzzo and Tompa's own: the best stretch, shortest of equals, then the same to its left and right."""

    def search(start, stop):
        pairs = [(i, j) for i in range(start, stop) for j in range(i + 1, stop + 1)]
        best = max(pairs, key=lambda p: (sum(scores[slice(*p)]), p[0] - p[1]), default=None)
        if best is None or sum(scores[slice(*best)]) <= 0:
            return []
        return [*search(start, best[0]), best, *search(best[1], stop)]

    return search(0, len(scores))


@given(some.lists(some.integers(-5, 5), max_size=14))
def test_the_stretches_are_those_of_the_definition(scores):
    # Integers tie; a little of each place's own number lets no two stretches tie.
    distinct = [score * 2**20 + (1 << place) for place, score in enumerate(scores)]
    assert maximal(distinct) == by_definition(distinct)


def test_the_example_of_the_paper():
    scores = [4, -5, 3, -3, 1, 2, -2, 2, -2, 1, 5]
    assert maximal(scores) == [(0, 1), (2, 3), (4, 11)]
    assert maximal([2, -1, 1]) == [(0, 1), (2, 3)]  # together they would have no more than the first alone


def test_a_long_text_takes_linear_time():
    falling = [1.0, -2.0] * 100_000
    assert len(maximal(falling)) == 100_000
    rising = [2.0, -1.0] * 100_000
    assert maximal(rising) == [(0, 199_999)]


def test_the_dear_word_is_found_and_widened_to_whole_characters():
    data = "aaaa aaaa é zzzz aaaa aaaa".encode()
    bits = np.full(len(data), 0.5)
    bits[data.index(b"\xa9")] = 9  # its first byte is cheap
    at = data.index(b"zzzz")
    bits[at : at + 4] = 12
    first, second = costliest(data, bits, 5)
    assert (first.start, first.stop, first.bits) == (at, at + 4, 48)
    assert data[second.start : second.stop] == "é".encode() and second.bits == 9.5
    assert first.excess > second.excess > 0
    assert costliest(data, bits, 1) == [first]


def test_where_all_is_alike_nothing_is_dear():
    assert costliest(b"aaaa", np.full(4, 3.0), 5) == []
    assert costliest(b"", np.zeros(0), 5) == []


def test_buckets_cover_all():
    found = buckets(np.arange(10.0), 4)
    assert [part[:2] for part in found] == [(0, 3), (3, 6), (6, 9), (9, 10)]
    assert [mean for *_, mean in found] == pytest.approx([1, 4, 7, 9])
