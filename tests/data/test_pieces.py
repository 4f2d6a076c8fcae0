"""How a corpus is cut, beside a slow reference that has all of it at hand."""

import random
import tempfile
from pathlib import Path

import numpy as np
import pytest
from blake3 import blake3
from hypothesis import given, settings
from hypothesis import strategies as st

from bbyte.data.corpus import ByteCorpus
from bbyte.data.corpus_writer import CorpusWriter
from bbyte.data.pieces import SHORTEST, _cut, piece_length, pieces
from bbyte.errors import DataError


def digest(text):
    return int.from_bytes(blake3(text).digest()[:8], "big")


def reference(data, separator, length):
    """(where a piece begins, its text) of all of `data`, looking at every byte and its neighbours."""
    fields = data.split(bytes([separator])) if separator is not None else [data]
    documents, kept_open = [], []
    for number, field in enumerate(fields):
        kept_open.append(field)
        following = fields[number + 1] if number + 1 < len(fields) else None
        if following is None or len(field) >= SHORTEST or len(following) >= SHORTEST:
            documents.append(bytes([separator or 0]).join(kept_open))
            kept_open = []
    if separator is not None and documents[-1] == b"":
        documents.pop()  # nothing after the last separator
    found, begin = [], 0
    for document in documents:
        for start in range(0, max(1, len(document)), length):
            found.append((begin + start, document[start : start + length]))
        begin += len(document) + 1
    return found


def cut_in_steps(data, separator, length, steps):
    """What `_cut` finds in `data` given to it step by step."""
    found, rest, since, read = [], b"", 0, 0
    for more in [*steps, b""]:
        held = rest + more
        begins, ends, done, since = _cut(held, separator, length, since, is_last=not more)
        found += [(read + b, held[b:e]) for b, e in zip(begins.tolist(), ends.tolist(), strict=True)]
        rest, read = held[done:], read + done
    assert not rest and read == len(data)
    return found


def text_of_crumbs_and_documents(dice):
    """Up to 2,000 bytes in which separators stand at all the distances that matter."""
    lengths = [0, 1, 2, 10, SHORTEST - 1, SHORTEST, SHORTEST + 1, 3 * SHORTEST]
    documents = (dice.randbytes(dice.choice(lengths)) for _ in range(dice.randrange(12)))
    return b"".join(
        document.replace(b"\0", b"z") + dice.choice([b"\0", b"\0", b"\0", b""]) for document in documents
    )


@pytest.mark.parametrize("seed", range(10))
@pytest.mark.parametrize("separator", [0, None])
def test_the_cut_is_that_of_the_reference_however_the_bytes_arrive(seed, separator):
    dice = random.Random(seed)
    for _ in range(20):
        data = text_of_crumbs_and_documents(dice)
        length, block = dice.choice([1, 5, SHORTEST, 150]), dice.choice([1, 3, 11, SHORTEST, 200, 5000])
        steps = [data[start : start + block] for start in range(0, len(data), block)]
        expected = reference(data, separator, length) if data else []
        assert cut_in_steps(data, separator, length, steps) == expected


def listed(corpus, length, **how):
    batches = list(pieces(corpus, length, **how))
    return [(int(b), int(d)) for begins, digests in batches for b, d in zip(begins, digests, strict=True)]


@settings(deadline=None)
@given(st.lists(st.binary(min_size=1, max_size=400), min_size=1, max_size=8), st.integers(1, 999))
def test_each_bare_file_is_cut_by_itself(contents, block):
    with tempfile.TemporaryDirectory() as name:
        for number, content in enumerate(contents):
            (Path(name) / f"{number}").write_bytes(content)
        found = listed(ByteCorpus.open(name), 100, block=block)
    expected, begin = [], 0
    for content in contents:
        expected += [(begin + start, digest(text)) for start, text in reference(content, 0, 100)]
        begin += len(content)
    assert found == expected


@pytest.mark.parametrize("separator", [0, ord("\n"), None])
def test_a_packed_corpus_is_cut_after_its_separator_and_across_its_shards(tmp_path, separator):
    dice = random.Random(0)
    documents = [bytes([65 + n]) * dice.randrange(SHORTEST, 700) for n in range(26)]
    with CorpusWriter(tmp_path / "c", separator=separator, shard_bytes=333) as writer:
        for document in documents:
            writer.add_stream([document])
    corpus = ByteCorpus.open(tmp_path / "c")
    assert len(corpus.files) > 10
    data = corpus.read(0, corpus.size).tobytes()
    expected = [(begin, digest(text)) for begin, text in reference(data, separator, 256)]
    assert listed(corpus, 256) == listed(corpus, 256, block=7) == expected
    if separator is not None:
        assert {digest(text[:256]) for text in documents} <= {found for _, found in expected}


def test_a_byte_between_crumbs_is_no_separator(tmp_path):
    (tmp_path / "utf16.txt").write_bytes(("a story in another encoding, " * 40).encode("utf-16-le"))
    found = listed(ByteCorpus.open(tmp_path / "utf16.txt"), 256)
    assert [begin for begin, _ in found] == list(range(0, 58 * 40, 256))


def test_a_document_has_its_digest_wherever_it_stands(tmp_path):
    dice = random.Random(1)
    long, short = dice.randbytes(700).replace(b"\0", b"z"), b"brief"
    others = [dice.randbytes(dice.randrange(100, 400)).replace(b"\0", b"z") for _ in range(9)]
    expected = {digest(part) for part in (long[:256], long[256:512], long[512:], short)}
    for place in range(9):
        texts = [*others[:place], long, short, *others[place:], long]
        (tmp_path / "book").write_bytes(b"\0".join(texts))
        found = [found for _, found in listed(ByteCorpus.open(tmp_path / "book"), 256)]
        assert expected <= set(found) and len(found) == len(set(found)) + 3, "the long one comes twice"


@pytest.mark.parametrize(
    ("size", "length"),
    [(1, 256), (100_000, 256), (1 << 20, 2048), (5_345_280, 10440), (32 << 20, 65536), (10**12, 65536)],
)
def test_pieces_of_small_corpora_are_small(size, length):
    assert piece_length(size) == length


def test_files_that_change_while_they_are_read_are_noticed(tmp_path):
    (tmp_path / "book").write_bytes(b"x" * 1000)
    corpus = ByteCorpus.open(tmp_path / "book")
    (tmp_path / "book").write_bytes(b"x" * 999)
    with pytest.raises(DataError, match="changed its size"):
        listed(corpus, 256)


def test_batches_hold_no_more_than_was_asked_for(tmp_path):
    (tmp_path / "book").write_bytes(np.random.default_rng(0).bytes(100_000))
    batches = list(pieces(ByteCorpus.open(tmp_path / "book"), 256, block=5000))
    assert len(batches) > 15 and all(begins[-1] - begins[0] <= 5000 + 256 + SHORTEST for begins, _ in batches)
