"""The index: where each document ends, written beside the shards and checked like them."""

import itertools

import numpy as np
import pytest

from bbyte.data import meta
from bbyte.data.corpus import ByteCorpus
from bbyte.data.corpus_writer import CorpusWriter
from bbyte.data.meta import INDEX_FILE
from bbyte.data.part import divide
from bbyte.errors import DataError

TEXTS = [b"one", b"", b"three" * 30_000, b"\0\0", b"five"]


def write(folder, texts=TEXTS, **settings):
    with CorpusWriter(folder, index=True, **settings) as writer:
        for text in texts:
            writer.add_stream([text[:2], text[2:]])
    return ByteCorpus.open(folder)


@pytest.mark.parametrize("separator", [0, None])
def test_every_document_is_found_again(tmp_path, separator):
    corpus = write(tmp_path / "c", separator=separator, shard_bytes=50_000)
    extra = 0 if separator is None else 1
    ends = corpus.document_ends.tolist()
    starts = [0, *ends[:-1]]
    found = [corpus.read(start, end - extra).tobytes() for start, end in zip(starts, ends, strict=True)]
    assert found == TEXTS
    assert ends[-1] == corpus.size


def test_it_is_plain_numbers(tmp_path):
    corpus = write(tmp_path / "c")
    assert np.fromfile(tmp_path / "c" / INDEX_FILE, "<u8").tolist() == corpus.document_ends.tolist()
    assert corpus.meta.index.bytes == 8 * len(TEXTS)


def test_none_unless_asked_for(tmp_path):
    with CorpusWriter(tmp_path / "c") as writer:
        writer.add(b"text")
    assert ByteCorpus.open(tmp_path / "c").document_ends is None
    assert ByteCorpus.open(tmp_path / "c" / "shard_00000.bin").document_ends is None
    assert not (tmp_path / "c" / INDEX_FILE).exists()


def test_damage_is_found(tmp_path):
    write(tmp_path / "c")
    path = tmp_path / "c" / INDEX_FILE
    good = path.read_bytes()
    for bad, message in (
        (good[:-8], "bytes where corpus"),
        (good[:-1] + b"\1", "is damaged"),
        (b"", "bytes where"),
    ):
        path.write_bytes(bad)
        with pytest.raises(DataError, match=message):
            _ = ByteCorpus.open(tmp_path / "c").document_ends
        with pytest.raises(DataError, match=INDEX_FILE):
            ByteCorpus.open(tmp_path / "c").verify()
    path.unlink()
    with pytest.raises(DataError, match=r"documents\.u64 is missing"):
        ByteCorpus.open(tmp_path / "c").verify()


def test_well_signed_nonsense_is_refused(tmp_path):
    from blake3 import blake3

    described = write(tmp_path / "c").meta
    for ends in ([3, 2, 1, 0, 150_018], [4, 5, 6, 7, 8]):
        data = np.array(ends, "<u8").tobytes()
        (tmp_path / "c" / INDEX_FILE).write_bytes(data)
        index = meta.Shard(INDEX_FILE, 40, blake3(data).hexdigest())
        changed = type(described)(**{**described.__dict__, "index": index})
        (tmp_path / "c" / meta.FILE).write_text(meta.text(changed))
        with pytest.raises(DataError, match="does not fit its corpus"):
            _ = ByteCorpus.open(tmp_path / "c").document_ends


def test_documents_are_held_out_whole(tmp_path):
    texts = [bytes([number]) * (200_000 if number % 3 else 50) for number in range(60)]
    corpus = write(tmp_path / "c", texts, separator=255, val_fraction=0.4)
    found = set()
    for part in (corpus, corpus.validation):
        starts = [0, *part.document_ends.tolist()]
        pieces = {part.read(a, b - 1).tobytes() for a, b in itertools.pairwise(starts)}
        assert len(pieces) == part.meta.documents > 10
        assert not found & pieces
        found |= pieces
    assert found == set(texts)


def test_a_corpus_with_an_index_is_replaced(tmp_path):
    write(tmp_path / "c", val_fraction=0.5)
    write(tmp_path / "c", [b"other"], replace=True)
    assert ByteCorpus.open(tmp_path / "c").size == 6


def test_what_is_held_out_later_is_what_pack_would_have_held_out(tmp_path):
    texts = [bytes([number]) * (200_000 if number % 3 else 50) for number in range(60)]
    packed = write(tmp_path / "a", texts, separator=255, val_fraction=0.3)
    train, held_out = divide(write(tmp_path / "b", texts, separator=255), 0.3)
    for part, expected in ((train, packed), (held_out, packed.validation)):
        assert part.size == expected.size
        assert part.read(0, part.size).tobytes() == expected.read(0, part.size).tobytes()


def test_one_document_is_not_divided(tmp_path):
    corpus = write(tmp_path / "c", [bytes(1_000_000)])
    assert divide(corpus, 0.5) == (corpus, None)
