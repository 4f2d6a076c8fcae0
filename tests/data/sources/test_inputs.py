"""What the user names becomes documents: in order, once each, and nothing that should not be read."""

import bz2
import gzip
import io
import os
import socket
import sys
from pathlib import Path

import pytest

from bbyte.data.sources.documents import Reading, documents
from bbyte.data.sources.file import File, Skipped, Stored
from bbyte.data.sources.find import Inputs
from bbyte.errors import DataError, UsageError

posix = pytest.mark.skipif(sys.platform == "win32", reason="needs POSIX files")


@pytest.fixture
def tree(tmp_path):
    """A folder `in` with files whose order in a plain sort of names would differ from that of their paths."""
    root = tmp_path / "in"
    for name in ("a.txt", "a/z.md", "a-b", "a/b/c.TXT", "b.txt.gz", "B.txt", "d.log.gz", ".hidden"):
        file = root / name
        file.parent.mkdir(parents=True, exist_ok=True)
        data = name.encode()
        file.write_bytes(gzip.compress(data) if name.endswith(".gz") else data)
    return root


def files(*inputs, **settings):
    return [found for found in Inputs([*map(str, inputs)], **settings) if isinstance(found, File)]


def names(*inputs, **settings):
    return [found.name for found in files(*inputs, **settings)]


def skipped(*inputs, **settings):
    found = Inputs([*map(str, inputs)], **settings)
    return {Path(item.place).name: item.reason for item in found if isinstance(item, Skipped)}


def text(file, on_read=None):
    (document,) = documents(Stored(file, on_read), Reading())
    return b"".join(map(bytes, document))


def test_folders_are_read_in_the_order_of_full_paths(tree):
    expected = [".hidden", "B.txt", "a-b", "a.txt", "a/b/c.TXT", "a/z.md", "b.txt.gz", "d.log.gz"]
    assert names(tree) == [f"in/{name}" for name in expected]
    assert expected == sorted(expected)


def test_sizes_and_bytes(tree):
    for document in files(tree):
        assert document.stored_bytes == document.path.stat().st_size
        assert text(document) == document.name.removeprefix("in/").encode()


def test_inputs_are_sorted_whatever_their_order(tree):
    given = [tree / "B.txt", tree / "a", tree / "a.txt"]
    assert names(*given) == names(*given[::-1]) == ["B.txt", "a/b/c.TXT", "a/z.md", "a.txt"]


@pytest.mark.parametrize(
    ("extensions", "expected"),
    [
        ([".txt"], ["B.txt", "a.txt", "a/b/c.TXT", "b.txt.gz"]),
        (["txt", "MD"], ["B.txt", "a.txt", "a/b/c.TXT", "a/z.md", "b.txt.gz"]),
        ([".gz"], ["b.txt.gz", "d.log.gz"]),
        ([".log"], ["d.log.gz"]),
        ([".pdf"], []),
    ],
)
def test_extensions_apply_to_members_of_folders(tree, extensions, expected):
    assert names(tree, extensions=extensions) == [f"in/{name}" for name in expected]


def test_extensions_do_not_apply_to_what_is_named(tree):
    assert names(tree / "a-b", extensions=[".txt"]) == ["a-b"]


def test_a_file_reached_twice_is_read_once(tree, monkeypatch):
    every = names(tree)
    found = files(tree, tree / "a.txt", tree / "a" / "b", tree / "a" / "b", f"{tree}/./a/../a.txt")
    assert len({document.path.resolve() for document in found}) == len(found) == len(every)
    monkeypatch.chdir(tree)
    assert len(names(".", "a", str(tree))) == len(every)


def test_a_named_file_is_read_though_its_folder_leaves_it_out(tree):
    assert names(tree, tree / "a-b", extensions=[".md"]) == ["in/a/z.md", "a-b"]


def test_what_is_not_there(tree):
    with pytest.raises(UsageError, match="there is nothing at"):
        files(tree, tree / "gone")


def test_the_output_folder_is_left_out(tree):
    output = tree / "a"
    (tree / ".a.partial-1234abcd").mkdir()
    (tree / ".a.partial-1234abcd" / "shard_00000.bin").write_text("half")
    assert not [name for name in names(tree, output=output) if name.startswith(("in/a/", "in/.a."))]
    assert skipped(tree, output=output)["a"] == "it is the output folder"


@pytest.mark.parametrize("inside", ["a", "a/b", "a/b/c.TXT"])
def test_the_output_folder_is_no_input(tree, inside):
    with pytest.raises(UsageError, match="inside the output folder"):
        files(tree / inside, output=tree / "a")


@posix
def test_links_in_folders_are_not_followed(tree, tmp_path):
    (tmp_path / "secret.txt").write_text("secret")
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside" / "file.txt").write_text("secret")
    (tree / "link.txt").symlink_to(tmp_path / "secret.txt")
    (tree / "folder").symlink_to(tmp_path / "outside")
    (tree / "loop").symlink_to(tree)
    (tree / "broken").symlink_to(tmp_path / "gone")
    assert all(b"secret" not in text(document) for document in files(tree))
    assert set(skipped(tree)) == {"link.txt", "folder", "loop", "broken"}


@posix
def test_a_link_that_is_named_is_followed(tree, tmp_path):
    (tmp_path / "blob").write_bytes(gzip.compress(b"hello"))
    (tmp_path / "text.gz").symlink_to(tmp_path / "blob")
    (tmp_path / "also").symlink_to(tree)
    (document,) = files(tmp_path / "text.gz")
    assert text(document) == b"hello"
    assert len(names(tmp_path / "also")) == len(names(tree))


@posix
def test_special_files_are_not_opened(tree):
    os.mkfifo(tree / "pipe.txt")
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(os.path.relpath(tree / "socket.txt"))
        assert skipped(tree) == dict.fromkeys(["pipe.txt", "socket.txt"], "it is not a regular file")
    with pytest.raises(UsageError, match="neither a file nor a folder") as caught:
        files(tree / "pipe.txt")
    assert "-" in caught.value.hint
    with pytest.raises(UsageError, match="neither a file nor a folder"):
        files("/dev/zero")


@posix
@pytest.mark.skipif(sys.platform == "darwin", reason="names must be UTF-8 there")
def test_names_that_are_not_utf8(tmp_path):
    folder = tmp_path / os.fsdecode(b"caf\xe9")
    folder.mkdir()
    (folder / os.fsdecode(b"na\xefve.txt")).write_bytes(b"text")
    (document,) = files(tmp_path, extensions=[".txt"])
    assert text(document) == b"text"
    assert os.fsencode(document.name).endswith(b"/caf\xe9/na\xefve.txt")


@posix
@pytest.mark.skipif(hasattr(os, "geteuid") and os.geteuid() == 0, reason="root may read everything")
def test_an_unreadable_file_is_an_error(tree):
    (tree / "a.txt").chmod(0)
    with pytest.raises(PermissionError):
        [text(document) for document in files(tree)]


def test_a_read_error_is_an_error(tree, monkeypatch):
    class Failing(io.RawIOBase):
        def readinto(self, buffer):
            raise OSError(5, "input/output error")

    monkeypatch.setattr(File, "opened", lambda file: Failing())
    with pytest.raises(OSError, match="input/output"):
        text(files(tree)[0])


def test_damage_is_told_with_the_path(tree):
    (tree / "b.txt.gz").write_bytes(gzip.compress(b"hello")[:-3])
    with pytest.raises(DataError, match=r"in/b\.txt\.gz is truncated".replace("/", r"[/\\]")):
        [text(document) for document in files(tree)]


def test_suffixes_in_capitals(tmp_path):
    (tmp_path / "A.TXT.BZ2").write_bytes(bz2.compress(b"loud"))
    (document,) = files(tmp_path, extensions=[".txt"])
    assert text(document) == b"loud"


def test_what_is_read_is_counted_as_stored(tree):
    for document in files(tree):
        counts = []
        text(document, counts.append)
        assert sum(counts) == document.stored_bytes


def test_large_files_come_in_pieces(tmp_path):
    data = os.urandom(3_000_000)
    (tmp_path / "large").write_bytes(data)
    (document,) = files(tmp_path / "large")
    sizes = [len(chunk) for chunk in Stored(document).pieces()]
    assert max(sizes) <= 1 << 20
    assert text(document) == data
