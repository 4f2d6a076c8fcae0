"""One file to read, wherever it lies, and what becomes known of it while it is read."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from bbyte import manifest
from bbyte.data.hashing import Digest
from bbyte.data.meta import Source
from bbyte.data.sources.decompression import SUFFIXES
from bbyte.errors import DataError

OnRead = Callable[[int], None]

_READ = 1 << 20
_SHORT_FOR = {".tgz": ".tar.gz", ".tbz2": ".tar.bz2", ".txz": ".tar.xz", ".tzst": ".tar.zst"}


@dataclass(frozen=True)
class File:
    """One file to read: on this machine (`path`), elsewhere (`url`), or standard input (neither).

    name: as corpus.json lists it, with slashes, the same on every machine. stored_bytes: its size as it is
    stored; 0 where nobody knows. revision: what names this state of a file elsewhere, such as an ETag.
    """

    name: str
    path: Path | None
    stored_bytes: int
    url: str = ""
    revision: str | None = None

    @property
    def is_stdin(self) -> bool:
        """Whether this is standard input."""
        return self.path is None and not self.url

    def __str__(self) -> str:
        return self.name if self.path is None else str(self.path)

    def opened(self, *, at_random: bool = False) -> BinaryIO:
        """The file, to be read from its beginning on, or at any place. Raises OSError when it cannot be."""
        if self.path is not None:
            return self.path.open("rb", buffering=0)
        if self.url:
            from bbyte.data.sources import remote

            return remote.opened(self.url, at_random=at_random)
        return open(sys.stdin.fileno(), "rb", buffering=0, closefd=False)


@dataclass(frozen=True)
class Skipped:
    """Something among the inputs that is not read, and why."""

    place: str
    reason: str


class Stored:
    """The stored bytes of a file while they are read: counted, told to `on_read`, digested.

    bytes: how many they are. digest: their BLAKE3 digest in hexadecimal once all were read; None before, and
    for a file elsewhere that is read in parts.
    """

    def __init__(self, file: File, on_read: OnRead | None = None) -> None:
        self.file = file
        self.bytes = 0
        self.digest: str | None = None
        self._tell = on_read or (lambda _: None)

    def pieces(self) -> Iterator[memoryview]:
        """All of it in pieces of at most 1 MiB, each good until the next is asked for.

        One buffer is filled again and again: fresh memory for every read would cost as much as the read.
        Raises OSError when reading fails, DataError where a file elsewhere ends before its size.
        """
        digest = Digest()
        buffer = memoryview(bytearray(_READ))
        with self.file.opened() as opened:
            while count := opened.readinto(buffer):  # type: ignore[attr-defined]
                self.passed(count)
                with digest.beside(buffer[:count]):
                    yield buffer[:count]
        if self.file.url and self.file.stored_bytes not in (0, self.bytes):
            raise DataError(f"{self.file} ended after {self.bytes} of {self.file.stored_bytes} bytes")
        self.digest = digest.hexdigest()

    @contextmanager
    def at_random(self) -> Iterator[BinaryIO]:
        """The file to be read at any place; whoever reads it says with `passed` how far that is.

        One on this machine is read once from end to end before, for its digest.
        """
        with self.file.opened(at_random=True) as opened:
            if self.file.path is not None:
                self.digest = manifest.digest_of(opened)
                opened.seek(0)
            yield opened
        self.passed(max(0, self.file.stored_bytes - self.bytes))

    def passed(self, count: int) -> None:
        """So many stored bytes more are done."""
        self.bytes += count
        self._tell(count)

    def source(self, documents: int) -> Source:
        """What corpus.json says of it, once that many documents were taken from it."""
        size = self.bytes if self.digest is not None else self.file.stored_bytes
        return Source(self.file.name, size, documents, self.digest, self.file.revision)


def plain_name(name: str) -> str:
    """The name in lower case without its compressed suffix; a.tgz is short for a.tar.gz."""
    return _divided(name)[0]


def compression(name: str) -> str:
    """The compressed suffix of a name, such as ".gz"; empty where it has none."""
    return _divided(name)[1]


def _divided(name: str) -> tuple[str, str]:
    path = Path(name.lower())
    if path.suffix in _SHORT_FOR:
        path = path.with_suffix(_SHORT_FOR[path.suffix])
    return (path.stem, path.suffix) if path.suffix in SUFFIXES else (path.name, "")
