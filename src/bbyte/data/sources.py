"""From what the user names to documents: files, folders and standard input, compressed or not, streamed."""

import os
import stat
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from bbyte.data.decompression import SUFFIXES, decompressed
from bbyte.data.shards import Chunk
from bbyte.data.staging import is_staging_name
from bbyte.errors import UsageError

STDIN = "-"
_READ = 1 << 20


@dataclass(frozen=True)
class Document:
    """One file to read, or standard input where `path` is None.

    name: the path relative to the folder the input lies in, with slashes, the same on every machine.
    stored_bytes: its size on disk; 0 for standard input.
    """

    name: str
    path: Path | None
    stored_bytes: int

    def chunks(self, on_read: Callable[[int], None] | None = None) -> Iterator[Chunk]:
        """The plain bytes in pieces of at most 1 MiB, each good until the next is asked for.

        `on_read` is told the stored bytes read by each read. Raises OSError when reading fails, DataError for
        a compressed file that is damaged or truncated.
        """
        with _opened(self.path) as file:
            suffix = "" if self.path is None else Path(self.name).suffix.lower()
            pieces = _pieces(file, on_read or (lambda _: None))
            if suffix in SUFFIXES:
                yield from decompressed((bytes(piece) for piece in pieces), suffix, str(self.path))
            else:
                yield from pieces


@dataclass(frozen=True)
class Skipped:
    """Something inside an input folder that is not read, and why."""

    path: Path
    reason: str


def find_documents(
    inputs: Sequence[str], *, extensions: Sequence[str] = (), output: Path | None = None
) -> Iterator[Document | Skipped]:
    """What the inputs hold, sorted by path: files, all there is below folders, and standard input last.

    inputs: paths, or "-" for standard input. extensions: which members of folders to take, such as ".txt"; a
    compressed suffix is looked through, so .txt.gz is taken as well. output: the folder that is being
    written, which is left out where it lies inside an input. A file reached twice is read once. Links inside
    folders are not followed, special files not opened. Raises UsageError for inputs that cannot be read.
    """
    roots = sorted((_Root(given) for given in set(inputs)), key=lambda root: (root.is_stdin, root.parts))
    for root in roots:
        root.check(output.resolve() if output is not None else None)
    return _walk_all(roots, _endings(extensions), output.resolve() if output is not None else None)


class _Root:
    """One input as given, and where it really lies."""

    def __init__(self, given: str) -> None:
        self.given = given
        self.path = Path(given)
        self.parts = tuple(map(os.fsencode, self.path.parts))
        self.is_stdin = given == STDIN
        self.real = Path() if self.is_stdin else self.path.resolve()

    def check(self, output: Path | None) -> None:
        if self.is_stdin:
            return
        if not self.real.exists():
            raise UsageError(f"there is nothing at {self.given}", "check the path")
        if not (self.real.is_file() or self.real.is_dir()):
            raise UsageError(f"{self.given} is neither a file nor a folder", "pipe it in and name it as -")
        if output is not None and self.real.is_relative_to(output):
            raise UsageError(f"{self.given} lies inside the output folder", "write to another --out-dir")


def _walk_all(
    roots: list[_Root], endings: tuple[str, ...], output: Path | None
) -> Iterator[Document | Skipped]:
    named = {root.real for root in roots if not root.is_stdin and root.real.is_file()}
    done: set[Path] = set()
    for root in roots:
        if root.is_stdin:
            yield Document("stdin", None, 0)
        elif root.real in done or (root.real not in named and not done.isdisjoint(root.real.parents)):
            yield Skipped(root.path, "it is part of another input")
        elif root.real in named:
            yield Document(root.path.name, root.path, root.real.stat().st_size)
        else:
            yield from _walk(root.real, root.real.name, endings, named, output)
        done.add(root.real)


def _walk(
    folder: Path, place: str, endings: tuple[str, ...], named: set[Path], output: Path | None
) -> Iterator[Document | Skipped]:
    with os.scandir(folder) as found:
        entries = sorted(found, key=_sort_key)
    for entry in entries:
        path, name = Path(entry.path), f"{place}/{entry.name}"
        if output is not None and is_staging_name(path, output):
            continue
        if path == output:
            yield Skipped(path, "it is the output folder")
        elif entry.is_symlink():
            yield Skipped(path, "links inside folders are not followed; name its target as an input")
        elif entry.is_dir(follow_symlinks=False):
            yield from _walk(path, name, endings, named, output)
        elif endings and not (plain_name(entry.name).endswith(endings) or name.lower().endswith(endings)):
            continue
        elif not stat.S_ISREG((status := entry.stat(follow_symlinks=False)).st_mode):
            yield Skipped(path, "it is not a regular file")
        elif path not in named:
            yield Document(name, path, status.st_size)


def _sort_key(entry: "os.DirEntry[str]") -> bytes:
    """Sorts the members of a folder as a sort of all full paths would."""
    return os.fsencode(entry.name) + (b"/" if entry.is_dir(follow_symlinks=False) else b"")


def plain_name(name: str) -> str:
    """The name in lower case without its compressed suffix."""
    path = Path(name.lower())
    return path.stem if path.suffix in SUFFIXES else path.name


def _endings(extensions: Sequence[str]) -> tuple[str, ...]:
    return tuple(f".{extension.lower().lstrip('.')}" for extension in extensions)


def _opened(path: Path | None) -> BinaryIO:
    if path is None:
        return open(sys.stdin.fileno(), "rb", buffering=0, closefd=False)
    return path.open("rb", buffering=0)


def _pieces(file: BinaryIO, on_read: Callable[[int], None]) -> Iterator[memoryview]:
    """One buffer is filled again and again: fresh memory for every read would cost as much as the read."""
    buffer = memoryview(bytearray(_READ))
    while count := file.readinto(buffer):  # type: ignore[attr-defined]
        on_read(count)
        yield buffer[:count]
