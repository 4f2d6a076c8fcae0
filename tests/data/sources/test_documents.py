"""From files of every kind to their documents, and what in them is none."""

import bz2
import gzip
import io
import json
import lzma
import sys
import tarfile
import zipfile

import pytest
from test_tar import made as made_tar

from bbyte.data.sources.documents import NoText, Reading, documents, is_taken_as_it_is
from bbyte.data.sources.file import File, Skipped, Stored
from bbyte.errors import DataError

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

RECORDS = [{"text": "one"}, {"id": 2}, {"text": "zwei ü"}, {"text": None}, {"text": "\ud800"}, "x"]
LINES = "\n".join(map(json.dumps, RECORDS)).encode()
TAKEN = [b"one", None, "zwei ü".encode(), None, "\ufffd".encode(), None]
COMPRESS = {"gz": gzip.compress, "bz2": bz2.compress, "xz": lzma.compress, "zst": zstd.compress}


def stored(folder, name, data):
    path = folder / name
    path.write_bytes(data)
    return Stored(File(name, path, len(data)))


def read(stored, **reading):
    """Texts, None for a record without one, Skipped as it is."""
    return [
        item
        if isinstance(item, Skipped)
        else None
        if isinstance(item, NoText)
        else b"".join(map(bytes, item))
        for item in documents(stored, Reading(**reading))
    ]


@pytest.mark.parametrize("name", ["a.jsonl", "a.ndjson", "A.JSON", "a.jsonl.gz"])
def test_records_by_field(tmp_path, name):
    data = gzip.compress(LINES) if name.endswith("gz") else LINES
    assert read(stored(tmp_path, name, data), field="text") == TAKEN


def test_json_as_it_is(tmp_path):
    for name, reading in (("a.jsonl", {}), ("a.txt", {"field": "text"})):
        assert read(stored(tmp_path, name, LINES), **reading) == [LINES]


def test_a_list_of_records(tmp_path):
    assert read(stored(tmp_path, "a.json", json.dumps(RECORDS).encode()), field="text") == TAKEN


def test_a_field_that_no_record_has(tmp_path):
    with pytest.raises(DataError, match=r"no record of .*a\.jsonl has a text under txt") as caught:
        read(stored(tmp_path, "a.jsonl", LINES), field="txt")
    assert caught.value.hint == "there is: text, id"


MEMBERS = [
    ("b.txt", b"second"),
    ("a.txt", b"first"),
    ("c.md", b"third"),
    ("d.txt.gz", gzip.compress(b"fourth")),
]


def zipped(entries):
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in entries:
            archive.writestr(name, content)
    return file.getvalue()


ARCHIVES = {
    "a.zip": zipped,
    "a.tar": made_tar,
    "a.tgz": lambda entries: gzip.compress(made_tar(entries)),
    **{
        f"a.tar.{suffix}": lambda entries, compress=compress: compress(made_tar(entries))
        for suffix, compress in COMPRESS.items()
    },
}


@pytest.mark.parametrize("name", ARCHIVES)
def test_every_member_is_a_document(tmp_path, name):
    opened = stored(tmp_path, name, ARCHIVES[name](MEMBERS))
    assert read(opened) == [b"second", b"first", b"third", b"fourth"]
    assert opened.bytes == opened.file.stored_bytes
    assert read(stored(tmp_path, name, ARCHIVES[name](MEMBERS)), extensions=(".txt",)) == [
        b"second",
        b"first",
        b"fourth",
    ]


def test_an_archive_that_is_asked_for_by_name_is_taken_whole(tmp_path):
    assert len(read(stored(tmp_path, "a.zip", zipped(MEMBERS)), extensions=(".zip",))) == 4
    assert (
        len(read(stored(tmp_path, "a.tar.gz", gzip.compress(made_tar(MEMBERS))), extensions=(".tar.gz",)))
        == 4
    )


@pytest.mark.parametrize("name", ["a.zip", "a.tar"])
def test_what_cannot_be_read_inside_an_archive_is_told(tmp_path, name):
    entries = [("in.zip", zipped(MEMBERS)), ("in.tar.gz", b"x"), ("t.parquet", b"x"), ("a.txt", b"text")]
    *skipped, text = read(stored(tmp_path, name, ARCHIVES[name](entries)))
    assert text == b"text"
    assert [item.place.rpartition("/")[2] for item in skipped] == ["in.zip", "in.tar.gz", "t.parquet"]
    assert {item.reason for item in skipped} == {
        "archives and tables inside an archive are not read; unpack it first"
    }


@pytest.mark.parametrize("name", ["a.zip", "a.tar"])
def test_records_inside_an_archive(tmp_path, name):
    entries = [("a.jsonl", LINES), ("b.jsonl.gz", gzip.compress(LINES))]
    assert read(stored(tmp_path, name, ARCHIVES[name](entries)), field="text") == TAKEN + TAKEN


@pytest.mark.parametrize("name", ["a.zip", "a.tar"])
def test_damage_inside_a_member_names_it(tmp_path, name):
    with pytest.raises(DataError, match=r"a\.(zip|tar)/m\.gz is truncated"):
        read(stored(tmp_path, name, ARCHIVES[name]([("m.gz", gzip.compress(b"text" * 99)[:-3])])))


def test_digests_are_of_what_is_stored(tmp_path):
    from blake3 import blake3

    for name, make in ARCHIVES.items():
        data = make(MEMBERS)
        opened = stored(tmp_path, name, data)
        assert opened.digest is None
        read(opened)
        assert opened.source(4).blake3 == blake3(data).hexdigest()


def test_what_needs_no_work(tmp_path):
    as_it_is = lambda name, **reading: is_taken_as_it_is(File(name, tmp_path / name, 1), Reading(**reading))  # noqa: E731
    assert as_it_is("a.txt") and as_it_is("a.json") and as_it_is("a.txt", field="text")
    assert not any(map(as_it_is, ("a.gz", "a.zip", "a.tar", "a.parquet", "a.feather")))
    assert not as_it_is("a.json", field="text")
    assert is_taken_as_it_is(File("stdin", None, 0), Reading())
    assert not is_taken_as_it_is(File("a.txt", None, 0, "http://x/a.txt"), Reading())


def test_tarfile_writes_what_is_read_here(tmp_path):
    (tmp_path / "f.txt").write_bytes(b"text")
    with tarfile.open(tmp_path / "t.tar.xz", "w:xz") as archive:
        archive.add(tmp_path / "f.txt", "f.txt")
    path = tmp_path / "t.tar.xz"
    assert read(Stored(File("t.tar.xz", path, path.stat().st_size))) == [b"text"]
