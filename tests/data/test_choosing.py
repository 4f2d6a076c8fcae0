"""Which documents are packed: without doubles, shuffled, up to a size."""

import itertools
import os
import random
import tracemalloc

import pytest
from blake3 import blake3
from hypothesis import given
from hypothesis import strategies as st

from bbyte.data import duplicates, spool
from bbyte.data.choosing import limited, shuffled
from bbyte.data.duplicates import Seen, unique
from bbyte.data.sampling import permute

TEXTS = st.lists(st.lists(st.binary(max_size=30), max_size=3), max_size=12)


def joined(documents):
    return [b"".join(map(bytes, document)) for document in documents]


@given(TEXTS)
def test_what_is_set_aside_comes_back(tmp_path_factory, documents):
    place = tmp_path_factory.mktemp("spool") / "x"
    with spool.SpoolWriter(place) as writer:
        for document in documents:
            writer.add(document)
    assert joined(spool.read_back(place)) == joined(documents)
    order = random.Random(len(documents)).sample(range(len(documents)), len(documents))
    assert joined(spool.read_back_in(place, [order[:5], order[5:]])) == [joined(documents)[n] for n in order]
    spool.remove(place)
    assert not list(place.parent.iterdir())


def test_large_documents_are_set_aside_in_pieces(tmp_path):
    texts = [os.urandom(5_000_000), b"", b"small", os.urandom(3 << 20)]
    with spool.SpoolWriter(tmp_path / "x") as writer:
        for text in texts:
            writer.add([text])
    for read in (spool.read_back(tmp_path / "x"), spool.read_back_in(tmp_path / "x", [range(4)])):
        for text, document in zip(texts, read, strict=True):
            pieces = [bytes(piece) for piece in document]
            assert b"".join(pieces) == text
            assert all(len(piece) <= 1 << 20 for piece in pieces)


@given(TEXTS)
def test_no_double_is_left(tmp_path_factory, documents):
    told = []
    found = joined(unique(iter(documents), tmp_path_factory.mktemp("aside"), lambda: told.append(1)))
    assert found == list(dict.fromkeys(joined(documents)))
    assert len(told) == len(documents) - len(found)


def test_large_doubles_wait_in_a_file(tmp_path, monkeypatch):
    monkeypatch.setattr(duplicates, "_IN_MEMORY", 1000)
    one, two = os.urandom(5000), os.urandom(999)
    documents = [[one[:3000], one[3000:]], [two], [one], [two + b"x"], [one[:10], one[10:]]]
    assert joined(unique(documents, tmp_path, lambda: None)) == [one, two, two + b"x"]
    assert not list(tmp_path.iterdir())


def test_digests_are_told_apart():
    """Also where one stands across two others in a bucket."""
    seen, rng = Seen(), random.Random(0)
    prefix = b"\1\2"
    few = [prefix + bytes(rng.choices(b"\0\1\2", k=14)) for _ in range(3000)]
    known = set()
    for digest in few:
        assert seen.add(digest) is (digest not in known)
        known.add(digest)


def test_digests_take_little_more_memory_than_they_are_long():
    digests = [blake3(number.to_bytes(4, "big")).digest(16) for number in range(200_000)]
    tracemalloc.start()
    seen = Seen()
    before = tracemalloc.get_traced_memory()[0]
    for digest in digests * 2:
        seen.add(digest)
    taken = tracemalloc.get_traced_memory()[0] - before
    tracemalloc.stop()
    assert taken < 200_000 * 21 + 2_000_000  # buckets are far from full here, and each is an object


@given(TEXTS, st.integers(0, 1 << 70))
def test_shuffled_is_a_permutation_that_the_seed_decides(tmp_path_factory, documents, seed):
    texts = [b"%d:" % number + text for number, text in enumerate(joined(documents))]
    runs = [
        joined(shuffled([[text] for text in texts], seed, tmp_path_factory.mktemp("aside"))) for _ in range(2)
    ]
    assert runs[0] == runs[1]
    order = permute(range(len(texts)), len(texts), seed) if texts else []
    assert runs[0] == [texts[number] for number in order]
    assert sorted(runs[0]) == sorted(texts)


def test_another_seed_is_another_order(tmp_path):
    texts = [[b"%d" % number] for number in range(5000)]
    orders = []
    for seed in range(3):
        (tmp_path / str(seed)).mkdir()
        orders.append(tuple(joined(shuffled(texts, seed, tmp_path / str(seed)))))
        assert not list((tmp_path / str(seed)).iterdir())
    assert len(set(orders)) == 3
    assert orders[0] != tuple(joined(texts))


@given(TEXTS, st.integers(0, 100), st.integers(0, 1))
def test_limited(documents, most, separator):
    found = joined(limited(iter(documents), most, separator))
    whole = [text + b"\n" * separator for text in joined(documents)]
    expected = b"".join(whole)
    total = b"".join(text + b"\n" * separator for text in found)
    assert len(total) <= most
    assert expected.startswith(total.rstrip(b"\n")) or not total
    assert len(total) == min(most, len(expected)) or most - len(total) <= separator


def test_no_more_is_asked_for_than_is_needed():
    asked = itertools.count()
    documents = ([b"x" * 10] for _ in asked)
    assert len(joined(limited(documents, 35, 1))) == 4
    assert next(asked) == 4


@pytest.mark.parametrize("most", [0, 1])
def test_no_room_for_a_byte(most):
    assert joined(limited([[b"text"]], most, 1)) == []
