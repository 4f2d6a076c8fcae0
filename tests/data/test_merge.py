"""Slices and their merge: byte for byte what a single pack makes, or refused."""

import gzip
import json
import os
import random
import shutil

import pytest

from bbyte.data.corpus import ByteCorpus
from bbyte.data.merge import merge
from bbyte.data.pack import pack
from bbyte.errors import DataError, UsageError


def contents_of(folder):
    return {str(file.relative_to(folder)): file.read_bytes() for file in folder.rglob("*") if file.is_file()}


@pytest.fixture
def inputs(tmp_path):
    folder = tmp_path / "in"
    folder.mkdir()
    rng = random.Random(0)
    for number in range(23):
        size = rng.choice([0, 10, 3000, 100_000])
        text = "".join(rng.choices("abcdefg \n", k=size))
        if number % 3 == 0:
            lines = [json.dumps({"text": text[at : at + 100]}) for at in range(0, size, 100)] or ["[]"]
            (folder / f"{number:02}.jsonl").write_text("\n".join(lines))
        elif number % 3 == 1:
            (folder / f"{number:02}.txt.gz").write_bytes(gzip.compress(text.encode()))
        else:
            (folder / f"{number:02}.txt").write_text(text)
    return folder


def sliced(inputs, folder, count, **settings):
    for number in range(count):
        pack([str(inputs)], folder / f"{number}", num_slices=count, slice_number=number, **settings)
    return [folder / f"{number}" for number in range(count)]


@pytest.mark.parametrize("count", [1, 2, 5, 40])
@pytest.mark.parametrize(
    "settings",
    [
        {"field": "text", "index": True, "val_fraction": 0.2, "shard_bytes": 70_000},
        {"separator": None, "shard_bytes": 100_001},
        {"index": True, "separator": 10, "extensions": [".txt"]},
    ],
    ids=["everything", "no separator", "some files"],
)
def test_the_merge_is_what_a_single_pack_makes(inputs, tmp_path, count, settings):
    slices = sliced(inputs, tmp_path, count, **settings)
    told = []
    made = merge(slices[::-1], tmp_path / "merged", on_bytes=told.append)
    pack([str(inputs)], tmp_path / "single", **settings)
    assert contents_of(tmp_path / "merged") == contents_of(tmp_path / "single")
    assert made.meta == ByteCorpus.open(tmp_path / "single").meta
    assert sum(told) == made.meta.bytes + (made.val_meta.bytes if made.val_meta else 0)
    assert all(folder.is_dir() for folder in slices)


def test_slices_share_the_bytes_out(inputs, tmp_path):
    slices = sliced(inputs, tmp_path, 3)
    sizes = [ByteCorpus.open(folder).size for folder in slices]
    assert max(sizes) < 2 * min(sizes)
    corpus = ByteCorpus.open(slices[1])
    corpus.verify()
    assert corpus.meta.slice.number == 1


def test_a_great_many_sources_are_listed_as_by_a_single_pack(tmp_path):
    folder = tmp_path / "in"
    folder.mkdir()
    for number in range(1300):
        (folder / f"{'long' * (number % 50)}{number}").write_bytes(b"x")
    merge(sliced(folder, tmp_path, 3), tmp_path / "merged")
    pack([str(folder)], tmp_path / "single")
    assert contents_of(tmp_path / "merged") == contents_of(tmp_path / "single")


def refused(slices, out, kind, message):
    with pytest.raises(kind, match=message):
        merge(slices, out)
    assert not out.exists()


def test_what_does_not_belong_together_is_refused(inputs, tmp_path):
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    one = sliced(inputs, tmp_path / "a", 3)
    out = tmp_path / "out"
    refused([], out, UsageError, "nothing to merge")
    refused(one[:2], out, UsageError, r"1 of 3 slices are missing: 2")
    refused([one[0], *one], out, UsageError, "are both slice 0")
    pack([str(inputs)], tmp_path / "whole")
    refused([tmp_path / "whole"], out, UsageError, "is no slice")
    refused([tmp_path / "in"], out, DataError, r"corpus\.json is missing")
    other = sliced(inputs, tmp_path / "b", 3, separator=10)
    refused([*one[:2], other[2]], out, UsageError, "are not of one pack")
    (inputs / "new.txt").write_text("new")
    shutil.rmtree(other[2])
    pack([str(inputs)], other[2], num_slices=3, slice_number=2)
    refused([*one[:2], other[2]], out, UsageError, "inputs or settings differ")


@pytest.mark.parametrize("name", ["shard_00000.bin", "documents.u64", "val/shard_00000.bin", "corpus.json"])
def test_damage_is_found(inputs, tmp_path, name):
    slices = sliced(inputs, tmp_path, 2, index=True, val_fraction=0.3)
    path = slices[1] / name
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)
    refused(slices, tmp_path / "out", DataError, name)
    path.unlink()
    refused(slices, tmp_path / "out", DataError, f"{name} is missing")


def test_a_failed_merge_keeps_what_was_there(inputs, tmp_path, monkeypatch):
    slices = sliced(inputs, tmp_path, 2)
    pack([str(inputs / "02.txt")], tmp_path / "out")
    before = contents_of(tmp_path / "out")
    with pytest.raises(UsageError, match="not empty"):
        merge(slices, tmp_path / "out")

    def fail(*_):
        raise OSError(28, "injected")

    with monkeypatch.context() as patched:
        patched.setattr(os, "fsync", fail)
        with pytest.raises(OSError, match="injected"):
            merge(slices, tmp_path / "out", force=True)
    assert contents_of(tmp_path / "out") == before
    assert not list(tmp_path.glob(".out*"))
    merge(slices, tmp_path / "out", force=True)
    assert contents_of(tmp_path / "out") != before


def test_a_split_with_one_side_is_refused_at_the_end(tmp_path):
    (tmp_path / "in").mkdir()
    for number in range(3):
        (tmp_path / "in" / f"{number}").write_bytes(b"same")
    slices = sliced(tmp_path / "in", tmp_path, 3, val_fraction=0.01)
    refused(slices, tmp_path / "out", UsageError, "nothing fell into the held-out part")
