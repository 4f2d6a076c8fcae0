"""A corpus reads the same whatever its bytes lie in, and says what is wrong with one that does not fit."""

import json
import os
import random
import shutil
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bbyte import manifest
from bbyte.data import corpus as corpus_module
from bbyte.data import meta
from bbyte.data.corpus import ByteCorpus, newest_corpus
from bbyte.data.corpus_writer import CorpusWriter
from bbyte.data.meta import Source
from bbyte.errors import DataError, UsageError


def write(folder, *documents, **settings):
    with CorpusWriter(folder, **settings) as writer:
        for number, document in enumerate(documents):
            writer.add_source(Source(f"{number}.txt", len(document)))
            writer.add_stream([document])
    return writer


def contents(corpus):
    return corpus.read(0, corpus.size).tobytes()


def test_a_packed_folder(tmp_path):
    write(tmp_path / "tales", b"once", b"upon a time", shard_bytes=7)
    corpus = ByteCorpus.open(tmp_path / "tales")
    assert contents(corpus) == b"once\0upon a time\0"
    assert (corpus.size, corpus.name, corpus.separator) == (17, "tales", 0)
    assert corpus.path == tmp_path / "tales"
    assert len(corpus.files) == 3
    assert corpus.meta.documents == 2
    assert corpus.validation is None
    corpus.verify()


def test_bare_shards_as_a_folder_and_as_a_pattern(tmp_path):
    for number, data in enumerate((b"ab", b"", b"cde")):
        (tmp_path / f"shard_{number:05d}.bin").write_bytes(data)
    (tmp_path / "notes.txt").write_text("not a shard")
    for path in (tmp_path, tmp_path / "shard_*.bin", str(tmp_path / "shard_*.bin")):
        corpus = ByteCorpus.open(path)
        assert contents(corpus) == b"abcde"
        assert corpus.name == tmp_path.name
        assert corpus.separator is None
        assert corpus.meta is None
        corpus.verify()


def test_a_relative_pattern(tmp_path, monkeypatch):
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "shard_00000.bin").write_bytes(b"abc")
    monkeypatch.chdir(tmp_path)
    corpus = ByteCorpus.open("data/shard_*.bin")
    assert (contents(corpus), corpus.name) == (b"abc", "data")
    assert ByteCorpus.open("dat?/*").size == 3


def test_one_file_of_any_kind(tmp_path):
    (tmp_path / "book.txt").write_bytes(b"\xff\0 text")
    corpus = ByteCorpus.open(tmp_path / "book.txt")
    assert (contents(corpus), corpus.name) == (b"\xff\0 text", "book.txt")


def test_a_name_with_a_star_in_it_is_a_file_first(tmp_path):
    (tmp_path / "a[1].txt").write_bytes(b"abc")
    assert ByteCorpus.open(tmp_path / "a[1].txt").size == 3


def test_a_folder_of_any_files_in_order(tmp_path):
    for name, data in (("b.txt", b"2"), ("a/z", b"1"), ("c", b"3"), ("empty", b"")):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(data)
    assert contents(ByteCorpus.open(tmp_path)) == b"123"


def test_nothing_there(tmp_path):
    with pytest.raises(UsageError, match="there is nothing at"):
        ByteCorpus.open(tmp_path / "gone")
    with pytest.raises(UsageError, match="no file matches"):
        ByteCorpus.open(tmp_path / "shard_*.bin")
    with pytest.raises(DataError, match="is empty") as caught:
        ByteCorpus.open(tmp_path)
    assert "bbyte pack" in caught.value.hint


@pytest.fixture(scope="module")
def cut(tmp_path_factory):
    """The same thousand bytes, cut in files in many ways."""
    data = os.urandom(1000)
    corpora = []
    for pieces in (1000, 300, 64, 1):
        folder = tmp_path_factory.mktemp("cut") / str(pieces)
        write(folder, data, shard_bytes=pieces, separator=None)
        corpora.append(ByteCorpus.open(folder))
    return data, corpora


@given(start=st.integers(0, 1000), length=st.integers(0, 1000))
def test_reads_cross_borders(cut, start, length):
    data, corpora = cut
    stop = min(start + length, 1000)
    for corpus in corpora:
        found = corpus.read(start, stop)
        assert found.dtype == np.uint8
        assert found.tobytes() == data[start:stop]


@given(offsets=st.lists(st.integers(0, 900), max_size=6), length=st.integers(1, 100))
def test_windows_cross_borders(cut, offsets, length):
    data, corpora = cut
    for corpus in corpora:
        found = corpus.windows(np.array(offsets, np.int64), length)
        assert found.shape == (len(offsets), length)
        assert [row.tobytes() for row in found] == [data[start : start + length] for start in offsets]


def test_outside_is_outside(cut):
    for corpus in cut[1]:
        for start, stop in ((-1, 5), (0, 1001), (6, 5)):
            with pytest.raises(IndexError):
                corpus.read(start, stop)
        for offset in (-1, 999, 991):
            with pytest.raises(IndexError):
                corpus.windows(np.array([0, offset]), 10)


def test_what_is_read_may_be_written_to(cut):
    data, (corpus, *_) = cut
    corpus.read(0, 10)[:] = 0
    corpus.windows(np.array([0]), 10)[:] = 0
    assert corpus.read(0, 10).tobytes() == data[:10]


def test_few_files_are_kept_open(tmp_path, monkeypatch):
    monkeypatch.setattr(corpus_module, "_MAPS_OPEN", 3)
    write(tmp_path / "c", bytes(range(100)), shard_bytes=5, separator=None)
    corpus = ByteCorpus.open(tmp_path / "c")
    for _ in range(2):
        assert contents(corpus) == bytes(range(100))
        assert len(corpus._maps) == 3


def test_damage_is_found_by_its_digest(tmp_path):
    write(tmp_path / "c", bytes(100), shard_bytes=40)
    shard = tmp_path / "c" / "shard_00001.bin"
    data = bytearray(shard.read_bytes())
    data[7] ^= 4
    shard.write_bytes(data)
    corpus = ByteCorpus.open(tmp_path / "c")
    with pytest.raises(DataError, match=r"shard_00001\.bin is damaged"):
        corpus.verify()


def test_damage_to_the_held_out_part_is_found(tmp_path):
    write(tmp_path / "c", *(b"document %d" % n for n in range(100)), val_fraction=0.3)
    shard = tmp_path / "c" / "val" / "shard_00000.bin"
    shard.write_bytes(shard.read_bytes()[::-1])
    with pytest.raises(DataError, match="val"):
        ByteCorpus.open(tmp_path / "c").verify()


def test_sizes_are_checked_when_it_is_opened(tmp_path):
    write(tmp_path / "c", bytes(100), shard_bytes=40)
    with (tmp_path / "c" / "shard_00002.bin").open("ab") as file:
        file.write(b"x")
    with pytest.raises(DataError, match=r"shard_00002\.bin has 22 bytes where corpus\.json says 21"):
        ByteCorpus.open(tmp_path / "c")
    (tmp_path / "c" / "shard_00001.bin").unlink()
    with pytest.raises(DataError, match=r"shard_00001\.bin is missing"):
        ByteCorpus.open(tmp_path / "c")


def test_a_file_that_shrinks_while_it_is_open_is_no_crash(tmp_path):
    (tmp_path / "a").write_bytes(bytes(100))
    corpus = ByteCorpus.open(tmp_path / "a")
    (tmp_path / "a").write_bytes(bytes(50))
    with pytest.raises(DataError, match="changed its size"):
        corpus.read(0, 100)


def test_the_fingerprint_names_the_content(tmp_path):
    write(tmp_path / "one", b"abc", b"d")
    write(tmp_path / "two", b"abc", b"d")
    write(tmp_path / "other", b"abc", b"e")
    one, two, other = (ByteCorpus.open(tmp_path / name).fingerprint for name in ("one", "two", "other"))
    assert one == two != other
    assert len(one) == 64


def test_the_fingerprint_of_bare_files(tmp_path):
    data = bytearray(os.urandom(300_000))
    seen = set()
    for change in (None, 0, 299_999, "longer", "cut elsewhere"):
        folder = tmp_path / str(change)
        folder.mkdir()
        copy = bytearray(data)
        if isinstance(change, int):
            copy[change] ^= 1
        at = 100_000 if change == "cut elsewhere" else 150_000
        (folder / "a").write_bytes(copy[:at])
        (folder / "b").write_bytes(copy[at:] + (b"x" if change == "longer" else b""))
        seen.add(ByteCorpus.open(folder).fingerprint)
    assert len(seen) == 5


def test_the_held_out_part(tmp_path):
    documents = [b"document %d" % number for number in range(1000)]
    writer = write(tmp_path / "c", *documents, val_fraction=0.2)
    corpus = ByteCorpus.open(tmp_path / "c")
    train, val = (contents(part).split(b"\0")[:-1] for part in (corpus, corpus.validation))
    assert sorted(train + val) == sorted(documents)
    assert train == [document for document in documents if document in set(train)], "the order is kept"
    assert 130 < len(val) < 270
    assert corpus.meta == writer.meta
    assert corpus.validation.meta == writer.val_meta
    assert (corpus.meta.split.part, corpus.validation.meta.split.part) == ("train", "val")
    assert corpus.validation.validation is None
    corpus.verify()


def test_one_large_document_is_split_too(tmp_path):
    dice = random.Random(3)  # of so few segments chance may choose almost none
    document = dice.randbytes(64 << 10) * 2 + dice.randbytes(5_000_000)
    write(tmp_path / "c", document, val_fraction=0.1)
    corpus = ByteCorpus.open(tmp_path / "c")
    assert 0.02 < corpus.validation.size / len(document) < 0.25
    separators = corpus.meta.documents + corpus.validation.meta.documents
    assert corpus.size + corpus.validation.size == len(document) + separators
    assert separators > 2


def test_a_held_out_part_that_is_gone_is_said(tmp_path):
    write(tmp_path / "c", *(b"document %d" % n for n in range(100)), val_fraction=0.3)
    shutil.rmtree(tmp_path / "c" / "val")
    with pytest.raises(DataError, match=r"val.*is missing"):
        _ = ByteCorpus.open(tmp_path / "c").validation


def test_an_empty_corpus_is_not_written(tmp_path):
    with pytest.raises(DataError, match="nothing to pack"):
        write(tmp_path / "c", separator=0)
    with pytest.raises(DataError, match="nothing to pack"):
        write(tmp_path / "c", b"", separator=None)
    with pytest.raises(UsageError, match="held-out"):
        write(tmp_path / "c", b"tiny", val_fraction=0.000001)
    assert list(tmp_path.iterdir()) == []


def test_a_manifest_cannot_lead_elsewhere(tmp_path):
    write(tmp_path / "c", b"abc")
    (tmp_path / "secret").write_bytes(b"1234")
    path = tmp_path / "c" / meta.FILE
    values = json.loads(path.read_text())
    del values["digest"]
    values["shards"][0]["name"] = "../secret"
    path.write_text(manifest.write_text(values))
    with pytest.raises(DataError, match="no shard name"):
        ByteCorpus.open(tmp_path / "c")


def test_sources_are_listed_up_to_a_thousand(tmp_path):
    writer = write(tmp_path / "c", *(b"x" for _ in range(1500)))
    assert writer.meta.source_count == 1500
    assert [source.name for source in writer.meta.sources] == [f"{number}.txt" for number in range(1000)]
    assert (tmp_path / "c" / meta.FILE).stat().st_size < 1 << 20


def test_the_newest_corpus(tmp_path):
    assert newest_corpus(tmp_path / "gone") is None
    assert newest_corpus(tmp_path) is None
    for age, name in ((30, "old"), (10, "new"), (20, "middle"), (0, ".new.partial-1234")):
        write(tmp_path / name, b"abc")
        stamp = 1_700_000_000 - age
        os.utime(tmp_path / name / meta.FILE, (stamp, stamp))
    (tmp_path / "no corpus").mkdir()
    assert newest_corpus(tmp_path) == tmp_path / "new"


def test_shards_made_long_ago_open_as_they_are():
    data = Path(__file__).parents[2].parent / "shared" / "data" / "canterbury"
    if not data.is_dir():
        pytest.skip("the test data is not in ../shared/data")
    corpus = ByteCorpus.open(data)
    files = sorted(file for file in data.iterdir() if file.is_file())
    assert corpus.size == sum(file.stat().st_size for file in files)
    alice = ByteCorpus.open(data / "alice29.txt")
    assert alice.size == 152_089
    assert alice.read(0, 1000).tobytes() == (data / "alice29.txt").read_bytes()[:1000]
