"""What a run learns from and what it is measured on."""

import random

import numpy as np

from bbyte.data.corpus import ByteCorpus
from bbyte.data.corpus_writer import CorpusWriter
from bbyte.training.validation import divide


def text(size, seed=0):
    dice = random.Random(seed)
    return " ".join(str(dice.randrange(10**6)) for _ in range(size)).encode()[:size]


def contents(source):
    return source.read(0, source.size).tobytes()


def book(folder, size=100_000):
    (folder / "book.txt").write_bytes(text(size))
    return ByteCorpus.open(folder / "book.txt")


def test_what_pack_held_out_is_scored_and_the_rest_trained_on(tmp_path):
    with CorpusWriter(tmp_path / "packed", val_fraction=0.3) as writer:
        for seed in range(30):
            writer.add(text(300, seed))
    corpus = ByteCorpus.open(tmp_path / "packed")
    found = divide(corpus, 0.5, 100)
    assert found.train is corpus and found.corpus is corpus and found.val_fraction == 0
    assert contents(found.validation) == contents(corpus.validation)[:100]
    assert found.sentence == "validation: 100 bytes that pack held out"
    assert divide(corpus, 0.5, 10**9).validation.size == corpus.validation.size


def test_else_a_part_chosen_by_its_digests(tmp_path):
    corpus = book(tmp_path)
    found = divide(corpus, 0.1, 10**9)
    assert found.val_fraction == 0.1 and 0.05 < found.validation.size / corpus.size < 0.15
    assert found.train.size + found.validation.size == corpus.size
    whole, train = contents(corpus), contents(found.train)
    assert found.train.windows(np.array([0, 777]), 50)[1].tobytes() == train[777:827]
    assert all(piece not in train for piece in pieces(contents(found.validation)))
    assert all(piece in whole for piece in pieces(contents(found.validation)))
    assert found.sentence == f"validation: {found.validation.size:,} of {found.validation.size:,} " + (
        "bytes held out by their digests"
    )


def pieces(data, length=256):
    return [data[start : start + length] for start in range(0, len(data) - length, length)]


def test_the_first_of_them_are_scored(tmp_path):
    corpus = book(tmp_path)
    every, some = (divide(corpus, 0.1, eval_bytes) for eval_bytes in (10**9, 1000))
    assert contents(some.validation) == contents(every.validation)[:1000]
    assert some.train.size == every.train.size
    assert f"1,000 of {every.validation.size:,} bytes" in some.sentence


def test_nothing_held_out_is_said(tmp_path):
    corpus = book(tmp_path)
    found = divide(corpus, 0.0, 1000)
    assert (found.train, found.validation, found.val_fraction) == (corpus, None, 0)
    assert found.sentence == "validation: none, no bytes of the corpus are held out: as was asked for"
    small = book(tmp_path, 200)
    found = divide(small, 0.1, 1000)
    assert (found.train, found.validation) == (small, None)
    assert found.sentence.endswith("no bytes of the corpus are held out: it is too small or all the same")
