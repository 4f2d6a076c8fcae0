"""What a corpus is like, against slow and obvious ways of counting."""

import math
import os
from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bbyte.data import statistics as module
from bbyte.data.corpus import ByteCorpus
from bbyte.data.corpus_writer import CorpusWriter
from bbyte.data.statistics import entropies, statistics


def entropy_reference(data, order):
    """-sum of p(context, byte) log2 p(byte | context), over the bytes with three before them."""
    grams = Counter(data[at - order : at + 1] for at in range(3, len(data)))
    contexts = Counter(data[at - order : at] for at in range(3, len(data)))
    total = sum(grams.values())
    return sum(count / total * math.log2(contexts[gram[:-1]] / count) for gram, count in grams.items())


@given(st.binary(min_size=4, max_size=300))
def test_entropies_are_those_of_the_slow_way(data):
    found = entropies([np.frombuffer(data, np.uint8)])
    assert found == pytest.approx([entropy_reference(data, order) for order in range(4)], abs=1e-9)


def test_entropies_that_are_known():
    def of(data):
        return entropies([np.frombuffer(data, np.uint8)])

    assert of(bytes(1000)) == (0, 0, 0, 0)
    assert of(b"") == of(b"abc") == (0, 0, 0, 0)
    assert of(b"ab" * 500 + b"a") == pytest.approx((1, 0, 0, 0), abs=1e-5)
    assert of(os.urandom(1 << 20))[:2] == pytest.approx((8, 8), abs=0.1)
    assert of(b"aabb" * 1000) == pytest.approx((1, 1, 0, 0), abs=1e-3)


def test_stretches_do_not_run_into_each_other():
    one = np.frombuffer(b"abcd" * 8, np.uint8)
    assert entropies([one, one[:3], one]) == pytest.approx(entropies([one, one]))


TEXTS = [b"plain", "ü".encode(), b"\xff\xfe", b"", b"plain", "ü".encode()[:1], b"x" * 5_000_000, b"plain"]


def written(folder, texts=TEXTS, **settings):
    with CorpusWriter(folder, **settings) as writer:
        for text in texts:
            writer.add_stream([text])
    return ByteCorpus.open(folder)


@pytest.mark.parametrize(
    ("settings", "told_by"),
    [
        ({"index": True}, "index"),
        ({}, "separator"),
        ({"index": True, "separator": None}, "index"),
        ({"separator": 10}, "separator"),
    ],
)
@pytest.mark.parametrize("block", [3, 1000, 2 << 20])
def test_documents(tmp_path, monkeypatch, settings, told_by, block):
    monkeypatch.setattr(module, "_BLOCK", block)
    texts = [text if block > 3 else text[:5000] for text in TEXTS]
    corpus = written(tmp_path / "c", texts, **settings)
    told = []
    found = statistics(corpus, told.append)
    documents = found.documents
    assert documents.told_by == told_by
    assert documents.count == len(texts)
    assert documents.mean == pytest.approx(np.mean([len(text) for text in texts]))
    assert documents.median == np.median([len(text) for text in texts])
    assert documents.p99 == pytest.approx(np.percentile([len(text) for text in texts], 99))
    assert documents.longest == len(texts[6])
    assert (documents.not_utf8, documents.duplicates, documents.duplicate_bytes) == (2, 2, 10)
    everything = corpus.read(0, corpus.size).tobytes()
    assert found.histogram.tolist() == [everything.count(byte) for byte in range(256)]
    assert sum(told) == found.bytes == corpus.size


def test_files_are_documents(tmp_path):
    for name in "abc":
        (tmp_path / name).write_bytes(b"a\0b")
    found = statistics(ByteCorpus.open(tmp_path)).documents
    assert (found.told_by, found.count, found.longest, found.duplicates) == ("file", 3, 3, 2)


def test_bare_shards_have_separators(tmp_path):
    (tmp_path / "shard_00000.bin").write_bytes(b"one\0tw")
    (tmp_path / "shard_00001.bin").write_bytes(b"o\0three")
    found = statistics(ByteCorpus.open(tmp_path)).documents
    assert (found.told_by, found.count, found.longest) == ("separator", 3, 5)


def test_nothing_tells_documents_apart(tmp_path):
    found = statistics(written(tmp_path / "c", [b"one", b"two"], separator=None)).documents
    assert (found.told_by, found.count, found.longest) == ("nothing", 1, 6)


def test_a_sample_of_what_is_large(tmp_path, monkeypatch):
    monkeypatch.setattr(module, "SAMPLE", 1 << 20)
    corpus = written(tmp_path / "c", [os.urandom(3 << 20)])
    found = statistics(corpus)
    assert found.sampled == 1 << 20
    assert found.entropies[0] == pytest.approx(8, abs=0.01)
    assert statistics(written(tmp_path / "d", [b"small"])).sampled == 6
