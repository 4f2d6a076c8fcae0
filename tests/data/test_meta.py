"""corpus.json: written, read, and refused whenever it is not exactly what was written."""

import dataclasses
import json
import os
import random

import pytest

from bbyte import manifest
from bbyte.data import meta
from bbyte.data.meta import CorpusMeta, Shard, Slice, Source, Split
from bbyte.errors import DataError

EXAMPLE = CorpusMeta(
    bytes=30,
    documents=2,
    separator=0,
    source_count=2,
    sources=(Source("a.txt", 10), Source("b.gz", 7)),
    split=Split("train", 0.1),
    shards=(Shard("shard_00000.bin", 20, "0" * 64), Shard("shard_00001.bin", 10, "a1" * 32)),
)


def written(folder, described=EXAMPLE):
    path = folder / meta.FILE
    path.write_text(meta.text(described), encoding="ascii")
    return path


def test_what_version_1_wrote_is_read(tmp_path):
    """Sources had only a name and a size then, and there was no index and no slice."""
    text = meta.text(EXAMPLE, version=1)
    values = json.loads(text)
    assert values["version"] == 1
    assert values["sources"] == [{"name": "a.txt", "bytes": 10}, {"name": "b.gz", "bytes": 7}]
    assert not {"index", "slice"} & values.keys()
    (tmp_path / meta.FILE).write_text(text)
    assert meta.read(tmp_path) == EXAMPLE


def rewritten(folder, **changes):
    """A manifest with changed values and a digest that fits them."""
    path = folder / meta.FILE
    values = json.loads(meta.text(EXAMPLE))
    del values["digest"]
    path.write_text(manifest.write_text(values | changes), encoding="ascii")
    return path


def test_what_is_written_is_read(tmp_path):
    written(tmp_path)
    assert meta.read(tmp_path) == EXAMPLE


def test_all_that_can_be_written_is_read(tmp_path):
    full = dataclasses.replace(
        EXAMPLE,
        sources=(Source("a.txt", 10, 2, "0" * 64, '"etag"'), Source("hf:a/b", 0, 0, None, "commit")),
        index=Shard("documents.u64", 16, "b" * 64),
        slice=Slice(1, 2, 100, "c" * 64),
    )
    written(tmp_path, full)
    assert meta.read(tmp_path) == full
    assert full.files == (*full.shards, full.index)


def test_long_names_of_sources_leave_room_for_the_shards():
    sources = [Source("x" * 4000, 1) for _ in range(500)]
    listed = list(meta.listed(sources))
    assert 50 < len(listed) < 70
    assert len(list(meta.listed([Source("x", 1)] * 2000))) == 1000


def test_file_names_that_are_no_text_survive(tmp_path):
    name = os.fsdecode(b"caf\xe9.txt")
    described = CorpusMeta(0, 0, None, 1, (Source(name, 1),), None, ())
    written(tmp_path, described)
    assert meta.read(tmp_path).sources[0].name == name


@pytest.mark.parametrize(
    "changes",
    [
        {"version": 3},
        {"version": True},
        {"format": "bbyte-checkpoint"},
        {"extra": 1},
        {"bytes": 31},
        {"bytes": "30"},
        {"documents": -1},
        {"documents": 2.0},
        {"separator": 256},
        {"separator": True},
        {"source_count": None},
        {"sources": {}},
        {"version": 1},
        {"index": {"name": "../documents.u64", "bytes": 16, "blake3": "0" * 64}},
        {"index": {"name": "documents.u64", "bytes": 15, "blake3": "0" * 64}},
        {"index": {"name": "documents.u64", "bytes": 16, "blake3": "0"}},
        {"index": []},
        {"slice": {"number": 2, "count": 2, "shard_bytes": 1, "plan": "0" * 64}},
        {"slice": {"number": 0, "count": 2, "shard_bytes": 1, "plan": ""}},
        {"slice": {"number": 0, "count": 2}},
        {"sources": [{"name": "a", "bytes": 1}]},
        {"sources": [{"name": "a", "bytes": 1, "documents": 1, "blake3": "x", "revision": None}]},
        {"sources": [{"name": "a", "bytes": 1, "documents": 1, "blake3": None, "revision": 3}]},
        {"sources": [{"name": "a", "bytes": 1, "documents": -1, "blake3": None, "revision": None}]},
        {"sources": [{"name": "a", "bytes": 1, "path": "/etc"}]},
        {"sources": [{"name": 3, "bytes": 1}]},
        {"split": {"part": "test", "val_fraction": 0.1}},
        {"split": {"part": "val", "val_fraction": 1}},
        {"split": {"part": "val"}},
        {"shards": None},
        {"shards": [{"name": "../../etc/passwd", "bytes": 30, "blake3": "0" * 64}]},
        {"shards": [{"name": "/dev/zero", "bytes": 30, "blake3": "0" * 64}]},
        {"shards": [{"name": "shard_00001.bin", "bytes": 30, "blake3": "0" * 64}]},
        {"shards": [{"name": "shard_00000.bin", "bytes": 30, "blake3": "0" * 63}]},
        {"shards": [{"name": "shard_0000٣.bin", "bytes": 30, "blake3": "0" * 64}]},
        {"shards": [{"name": "shard_00000.bin\n", "bytes": 30, "blake3": "0" * 64}]},
    ],
)
def test_well_signed_nonsense_is_refused(tmp_path, changes):
    rewritten(tmp_path, **changes)
    with pytest.raises(DataError, match=r"corpus\.json") as caught:
        meta.read(tmp_path)
    assert "\n" not in caught.value.message


def test_the_same_values_in_another_order_are_refused(tmp_path):
    for place in (lambda all: all, lambda all: all["shards"][0], lambda all: all["split"]):
        values = json.loads(meta.text(EXAMPLE))
        first = next(iter(place(values)))
        place(values)[first] = place(values).pop(first)  # the digest does not mind
        (tmp_path / meta.FILE).write_text(json.dumps(values, indent=1) + "\n")
        with pytest.raises(DataError, match="was changed after it was written"):
            meta.read(tmp_path)


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"[]",
        b"null",
        b"{}",
        b"[" * 100_000,
        b'{"a":' * 5000,
        b'{"a":' * 300 + b"1" + b"}" * 300,
        b"\xff\xfe",
        b'{"format": "bbyte-corpus", "format": "bbyte-corpus"}',
        b'{"bytes": NaN}',
        b'{"bytes": 1e999}',
        b'{"bytes": ' + b"9" * 10_000 + b"}",
        b" " * (1 << 20) + b"{}",
    ],
)
def test_what_is_no_manifest_is_refused(tmp_path, text):
    (tmp_path / meta.FILE).write_bytes(text)
    with pytest.raises(DataError):
        meta.read(tmp_path)


def test_a_missing_manifest_is_said(tmp_path):
    with pytest.raises(DataError, match="is missing"):
        meta.read(tmp_path)


def test_too_many_shards_are_refused_before_they_are_written():
    shards = tuple(Shard(f"shard_{n:05d}.bin", 1, "0" * 64) for n in range(10_000))
    described = CorpusMeta(10_000, 1, 0, 0, (), None, shards)
    with pytest.raises(DataError, match="10000 shards are too many"):
        meta.text(described)


def mutants_of(text, count, seed):
    """Copies with bits flipped, bytes changed, inserted, removed, doubled or swapped, or the end cut off."""
    rng = random.Random(seed)
    for _ in range(count):
        data = bytearray(text)
        for _ in range(rng.choice([1, 1, 1, 2, 5])):
            at = rng.randrange(max(1, len(data)))
            data = data or bytearray(b" ")
            match rng.randrange(6):
                case 0:
                    data[at] ^= 1 << rng.randrange(8)
                case 1:
                    data[at] = rng.randrange(256)
                case 2:
                    data.insert(
                        at, rng.choice(b' \t\n0123456789{}[]",:eE+-.ntf\\') if rng.random() < 0.8 else 0
                    )
                case 3:
                    del data[at]
                case 4:
                    end = min(len(data), at + rng.randrange(1, 40))
                    data[at:at] = data[at:end]
                case 5:
                    del data[at + 1 :]
        if bytes(data) != text:
            yield bytes(data)


@pytest.mark.parametrize("count", [500, pytest.param(10_000, marks=pytest.mark.slow)])
def test_no_mutant_is_accepted(tmp_path, count):
    path = written(tmp_path)
    tried = 0
    for mutant in mutants_of(path.read_bytes(), count, seed=count):
        path.write_bytes(mutant)
        with pytest.raises(DataError):
            meta.read(tmp_path)
        tried += 1
    assert tried > 0.95 * count
