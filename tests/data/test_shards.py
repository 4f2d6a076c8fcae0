"""Shards: exact cuts, separators, digests, and errors that are not swallowed."""

import errno
import io
import os

import pytest
from blake3 import blake3
from hypothesis import given
from hypothesis import strategies as st

from bbyte.data.shards import ShardWriter
from bbyte.errors import UsageError


def shards_in(folder):
    return [file.read_bytes() for file in sorted(folder.iterdir())]


def check_described(folder, writer):
    files = sorted(folder.iterdir())
    assert [shard.name for shard in writer.shards] == [file.name for file in files]
    for shard, file in zip(writer.shards, files, strict=True):
        assert shard.bytes == file.stat().st_size > 0
        assert shard.blake3 == blake3(file.read_bytes()).hexdigest()
    assert writer.bytes == sum(shard.bytes for shard in writer.shards)


def test_documents_fill_shards_exactly(tmp_path):
    with ShardWriter(tmp_path, shard_bytes=4) as writer:
        for document in (b"abcdef", b"", b"ghi"):
            writer.write(document)
            writer.end_document()
    assert shards_in(tmp_path) == [b"abcd", b"ef\0\0", b"ghi\0"]
    assert writer.documents == 3
    check_described(tmp_path, writer)


def test_another_separator_or_none(tmp_path):
    for separator, expected in ((10, b"a\nb\n"), (None, b"ab")):
        folder = tmp_path / str(separator)
        folder.mkdir()
        with ShardWriter(folder, shard_bytes=100, separator=separator) as writer:
            for document in (b"a", b"b"):
                writer.write(document)
                writer.end_document()
        assert shards_in(folder) == [expected]


def test_whole_documents_are_not_cut(tmp_path):
    with ShardWriter(tmp_path, shard_bytes=6) as writer:
        for document in (b"abc", b"de", b"fgh", b"ijkl", b"a longer one", b"z"):
            writer.write_whole(document)
    assert shards_in(tmp_path) == [b"abc\0", b"de\0", b"fgh\0", b"ijkl\0", b"a long", b"er one", b"\0z\0"]
    check_described(tmp_path, writer)


def test_a_story_and_its_separator_fill_a_shard_to_the_last_byte(tmp_path):
    with ShardWriter(tmp_path, shard_bytes=4) as writer:
        for document in (b"abc", b"def"):
            writer.write_whole(document)
    assert shards_in(tmp_path) == [b"abc\0", b"def\0"]


@given(
    documents=st.lists(st.binary(max_size=40), max_size=20),
    shard_bytes=st.integers(1, 50),
    whole=st.booleans(),
    separator=st.sampled_from([0, 255, None]),
)
def test_shards_together_are_the_documents(tmp_path_factory, documents, shard_bytes, whole, separator):
    folder = tmp_path_factory.mktemp("shards")
    after = b"" if separator is None else bytes([separator])
    with ShardWriter(folder, shard_bytes=shard_bytes, separator=separator) as writer:
        for document in documents:
            if whole:
                writer.write_whole(document)
            else:
                writer.write(document)
                writer.end_document()
    assert b"".join(shards_in(folder)) == b"".join(document + after for document in documents)
    assert all(shard.bytes <= shard_bytes for shard in writer.shards)
    if not whole:
        assert all(shard.bytes == shard_bytes for shard in writer.shards[:-1])
    check_described(folder, writer)


@pytest.mark.parametrize("piece", [1000, 300_000, 2_500_000])
def test_large_pieces_and_a_reused_buffer(tmp_path, piece):
    data = os.urandom(5_000_000)
    buffer = bytearray(piece)
    with ShardWriter(tmp_path, shard_bytes=1_700_000) as writer:
        for start in range(0, len(data), piece):
            chunk = data[start : start + piece]
            buffer[: len(chunk)] = chunk
            writer.write(memoryview(buffer)[: len(chunk)])
        writer.end_document()
    assert b"".join(shards_in(tmp_path)) == data + b"\0"
    check_described(tmp_path, writer)


def test_short_writes_are_continued(tmp_path, monkeypatch):
    class Reluctant(io.FileIO):
        def write(self, data):
            return super().write(data[: max(1, len(data) // 3)])

    monkeypatch.setattr("bbyte.data.shards.io.FileIO", Reluctant)
    data = os.urandom(400_000)
    with ShardWriter(tmp_path, shard_bytes=150_000, separator=None) as writer:
        writer.write(data)
    assert b"".join(shards_in(tmp_path)) == data


@pytest.mark.parametrize("call", ["write", "fsync"])
def test_a_full_disk_is_an_error(tmp_path, monkeypatch, call):
    def fail(*_):
        raise OSError(errno.ENOSPC, "no space left on device")

    class Full(io.FileIO):
        write = fail

    if call == "write":
        monkeypatch.setattr("bbyte.data.shards.io.FileIO", Full)
    else:
        monkeypatch.setattr("bbyte.data.shards.os.fsync", fail)
    with pytest.raises(OSError, match="no space"), ShardWriter(tmp_path, shard_bytes=1 << 30) as writer:
        for _ in range(20):
            writer.write(bytes(1 << 20))


def test_senseless_settings(tmp_path):
    for settings in (
        {"shard_bytes": 0},
        {"shard_bytes": 5, "separator": 256},
        {"shard_bytes": 5, "separator": -1},
    ):
        with pytest.raises(UsageError):
            ShardWriter(tmp_path, **settings)
