"""What is trained on and what is held out: two views that share no byte and leave none out."""

import random
import tempfile
import tracemalloc
from pathlib import Path

import numpy as np
import pytest
from blake3 import blake3
from hypothesis import given, settings
from hypothesis import strategies as st

from bbyte.data.corpus import ByteCorpus
from bbyte.data.corpus_writer import CorpusWriter
from bbyte.data.part import Part, divide


def bare(folder, *documents, separator=b"\0"):
    path = Path(folder) / "book.bin"
    path.write_bytes(b"".join(document + separator for document in documents))
    return ByteCorpus.open(path)


def documents(count, seed=0):
    """Texts of 64 to 256 bytes: long enough to be documents, short enough to be one piece in any corpus."""
    dice = random.Random(seed)
    return [bytes(dice.choices(range(1, 256), k=dice.randrange(64, 257))) for _ in range(count)]


def contents(source):
    return source.read(0, source.size).tobytes() if source is not None else b""


def texts(source):
    return contents(source).split(b"\0")[:-1]


def chosen(document):
    return int.from_bytes(blake3(document).digest()[:8], "big") / 2**64


@pytest.mark.parametrize("fraction", [0.01, 0.3, 0.9])
def test_documents_are_held_out_by_their_digests(tmp_path, fraction):
    all_of_them = documents(1000)
    train, held_out = divide(bare(tmp_path, *all_of_them), fraction)
    assert texts(held_out) == [text for text in all_of_them if chosen(text) < fraction]
    assert texts(train) == [text for text in all_of_them if chosen(text) >= fraction]
    assert abs(len(texts(held_out)) / 1000 - fraction) < 0.05


def test_the_choice_is_that_of_pack(tmp_path):
    for name, fraction in (("undivided", 0.0), ("divided", 0.2)):
        with CorpusWriter(tmp_path / name, val_fraction=fraction) as writer:
            for document in documents(300):
                writer.add(document)
    packed = ByteCorpus.open(tmp_path / "divided")
    train, held_out = divide(ByteCorpus.open(tmp_path / "undivided"), 0.2)
    assert contents(held_out) == contents(packed.validation)
    assert contents(train) == contents(packed)


def test_the_same_text_falls_on_the_same_side_wherever_it_stands(tmp_path):
    some = documents(200)
    dice = random.Random(1)
    sides = []
    for _ in range(3):
        shuffled = some + some[:50]
        dice.shuffle(shuffled)
        train, held_out = divide(bare(tmp_path, *shuffled), 0.2)
        assert not set(texts(train)) & set(texts(held_out))
        sides.append(set(texts(held_out)))
    assert sides[0] == sides[1] == sides[2]


@settings(deadline=None)
@given(
    st.integers(1, 12),
    st.integers(0, 99),
    st.lists(st.floats(0, 1), min_size=2, max_size=4),
    st.booleans(),
)
def test_a_larger_fraction_only_adds_down_to_the_smallest_corpora(count, seed, fractions, twice):
    some = documents(count, seed) * (2 if twice else 1)
    with tempfile.TemporaryDirectory() as folder:
        corpus = bare(folder, *some)
        before = set()
        for fraction in sorted(fractions):
            train, held_out = divide(corpus, fraction)
            inside, outside = set(texts(held_out)), set(texts(train))
            assert before <= inside and not inside & outside and inside | outside == set(some)
            assert outside, "something is left to learn from"
            assert bool(inside) == (count > 1 and fraction > 0), "and something to score, if they differ"
            before = inside


def test_where_nothing_would_be_held_out_it_is_the_text_with_the_lowest_digest(tmp_path):
    some = documents(20)
    train, held_out = divide(bare(tmp_path, *some, *some), 1e-12)
    assert texts(held_out) == [min(some, key=chosen)] * 2
    assert len(texts(train)) == 38
    train, held_out = divide(bare(tmp_path, *some, *some), 1.0)
    assert texts(train) == [max(some, key=chosen)] * 2


@pytest.mark.parametrize("data", [b"x" * 255, b"x" * 256 * 40])
def test_one_piece_or_equal_ones_are_not_divided(tmp_path, data):
    (tmp_path / "book").write_bytes(data)
    corpus = ByteCorpus.open(tmp_path / "book")
    assert divide(corpus, 0.5) == (corpus, None)


def test_without_a_fraction_nothing_is_read(tmp_path, monkeypatch):
    corpus = bare(tmp_path, *documents(9))
    monkeypatch.setattr("bbyte.data.part.pieces", None)
    assert divide(corpus, 0.0) == (corpus, None)


def test_a_file_without_documents_is_divided_too(tmp_path):
    (tmp_path / "book").write_bytes(random.Random(0).randbytes(400_000).replace(b"\0", b"z"))
    corpus = ByteCorpus.open(tmp_path / "book")
    train, held_out = divide(corpus, 0.01)
    assert 0.003 < held_out.size / corpus.size < 0.02 and train.size + held_out.size == corpus.size


def random_part(folder, dice):
    """A part of three files made of random runs, and its bytes."""
    for number in range(3):
        (Path(folder) / f"{number}").write_bytes(dice.randbytes(dice.randrange(1, 300)))
    corpus = ByteCorpus.open(folder)
    edges = sorted(
        dice.sample(range(corpus.size + 1), 2 * dice.randrange(1, min(9, corpus.size // 2 + 1) + 1))
    )
    part = Part(corpus, np.array(edges).reshape(-1, 2))
    whole = contents(corpus)
    return part, b"".join(whole[a:b] for a, b in zip(edges[::2], edges[1::2], strict=True))


@settings(deadline=None)
@given(st.randoms(use_true_random=False))
def test_a_part_reads_like_the_bytes_it_is_made_of(dice):
    with tempfile.TemporaryDirectory() as folder:
        part, expected = random_part(folder, dice)
        assert part.size == len(expected)
        for _ in range(20):
            start, stop = sorted(dice.choices(range(part.size + 1), k=2))
            assert part.read(start, stop).tobytes() == expected[start:stop]
            length = dice.randrange(1, part.size + 1)
            offsets = np.array(dice.choices(range(part.size - length + 1), k=dice.randrange(5)), np.int64)
            found = part.windows(offsets, length)
            assert found.shape == (offsets.size, length) and found.dtype == np.uint8
            assert [row.tobytes() for row in found] == [expected[o : o + length] for o in offsets.tolist()]


def test_a_part_has_no_bytes_outside(tmp_path):
    part, _ = random_part(tmp_path, random.Random(0))
    for start, stop in ((-1, 1), (0, part.size + 1), (2, 1)):
        with pytest.raises(IndexError, match="not within"):
            part.read(start, stop)
    for offset, length in ((-1, 1), (part.size, 1), (0, part.size + 1)):
        with pytest.raises(IndexError, match="outside"):
            part.windows(np.array([offset]), length)


def test_a_corpus_is_divided_without_holding_it_in_memory(tmp_path):
    (tmp_path / "book").write_bytes(np.random.default_rng(0).integers(1, 256, 16 << 20, np.uint8).tobytes())
    corpus = ByteCorpus.open(tmp_path / "book")
    tracemalloc.start()
    divide(corpus, 0.01)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 12 << 20
