"""What is written appears whole or not at all, replaces nothing unasked, and is like its source."""

import os
import stat
import sys
from pathlib import Path

import pytest
from archives import names

from bbyte.compression import files
from bbyte.errors import UsageError

posix = pytest.mark.skipif(sys.platform == "win32", reason="permissions of POSIX")


@pytest.fixture
def place(tmp_path):
    (tmp_path / "source").write_bytes(b"source")
    return tmp_path


def write(target, data=b"new", *, force=False, like=None):
    with files.new_file(target, force=force, like=like) as file:
        file.write(data)


def refused(target, **settings):
    with pytest.raises(UsageError) as raised:
        write(target, **settings)
    return raised.value.message


def test_names():
    assert files.archive_path(Path("a/b.txt")) == Path("a/b.txt.bbz")
    assert files.plain_path(Path("a/b.txt.bbz")) == Path("a/b.txt")
    for path in ("b.txt", "bbz", ".bbz", "a.bbz.txt"):
        with pytest.raises(UsageError):
            files.plain_path(Path(path))
    with pytest.raises(UsageError, match="compressed already"):
        files.archive_path(Path("a.bbz"))


def test_a_new_file(place):
    write(place / "new")
    assert (place / "new").read_bytes() == b"new"
    assert names(place) == ["new", "source"]


def test_what_is_there_stays(place):
    (place / "old").write_bytes(b"old")
    assert refused(place / "old") == f"{place / 'old'} is there already"
    assert (place / "old").read_bytes() == b"old"
    (place / "dangling").symlink_to("nowhere")
    assert "is there already" in refused(place / "dangling")
    write(place / "old", force=True)
    assert (place / "old").read_bytes() == b"new"


def test_what_comes_meanwhile_stays(place):
    with (
        pytest.raises(UsageError, match="came to be there meanwhile"),
        files.new_file(place / "new", force=False, like=None) as file,
    ):
        file.write(b"late")
        (place / "new").write_bytes(b"first")
    assert (place / "new").read_bytes() == b"first" and len(names(place)) == 2


def test_without_links(place, monkeypatch):
    def none(*_):
        raise PermissionError

    monkeypatch.setattr(os, "link", none)
    write(place / "new")
    assert (place / "new").read_bytes() == b"new" and len(names(place)) == 2


def test_force_replaces_plain_files_only(place):
    (place / "folder").mkdir()
    assert "is no plain file" in refused(place / "folder", force=True)
    with (place / "source").open("rb") as like:
        assert "is what is read" in refused(place / "source", force=True, like=like)
        os.link(place / "source", place / "other name")
        assert "is what is read" in refused(place / "other name", force=True, like=like)


@pytest.mark.parametrize("failure", [ValueError, KeyboardInterrupt, SystemExit])
def test_a_failure_leaves_nothing(place, failure):
    (place / "old").write_bytes(b"old")
    with pytest.raises(failure), files.new_file(place / "old", force=True, like=None) as file:
        file.write(b"half")
        file.flush()
        raise failure
    assert (place / "old").read_bytes() == b"old" and names(place) == ["old", "source"]


@posix
def test_like_its_source(place):
    (place / "source").chmod(0o640)
    os.utime(place / "source", ns=(10**18, 10**18 + 123))
    with (place / "source").open("rb") as like:
        with files.new_file(place / "new", force=False, like=like) as file:
            inside = os.fstat(file.fileno())
            assert stat.S_IMODE(inside.st_mode) == 0o600, "until it is whole, nobody else reads it"
        status = (place / "new").stat()
    assert stat.S_IMODE(status.st_mode) == 0o640 and status.st_mtime_ns == 10**18 + 123


@posix
def test_of_no_source_in_particular(place):
    before = os.umask(0o027)
    try:
        write(place / "new")
    finally:
        os.umask(before)
    assert stat.S_IMODE((place / "new").stat().st_mode) == 0o640


@posix
def test_what_is_opened(place):
    with pytest.raises(UsageError, match="is a folder"):
        files.opened(place)
    file, size = files.opened(place / "source")
    with file:
        assert size == 6
    os.mkfifo(place / "pipe")
    keeper = os.open(place / "pipe", os.O_RDWR)
    file, size = files.opened(place / "pipe")
    file.close()
    os.close(keeper)
    assert size is None
