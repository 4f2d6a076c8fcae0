"""Compression: a stream of bytes becomes an archive, chunk by chunk, in bounded memory."""

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from typing import Protocol

from blake3 import blake3

from bbyte.compression import chunks
from bbyte.compression.coder import Coding, Make, OnProgress
from bbyte.compression.layout import CHUNK, DIGEST, KINDS, Chunk, Footer, Header
from bbyte.compression.workers import Coders, in_order, thread_count
from bbyte.errors import DataError


class Source(Protocol):
    """What is read from: a binary file or a pipe."""

    def read(self, size: int, /) -> bytes:
        """At most `size` bytes; none at the end."""


Write = Callable[[bytes], object]
"""Takes the next bytes of what is written."""
Report = Callable[[int, int], None]
"""Told how many plain bytes have come out of an archive, and how many coded ones they took."""
Written = Callable[[int, int, int], None]
"""Told how many plain bytes are done, how many of whole chunks, and how many coded bytes the latter take."""


@dataclass(frozen=True)
class Summary:
    """What an archive holds. kinds: how many chunks are stored, how many are zstd's and the model's."""

    bytes: int
    coded_bytes: int
    blake3: str
    kinds: dict[str, int]
    chunk_bytes: int
    coding: Coding | None

    @property
    def ratio(self) -> float:
        """Plain bytes for each coded byte."""
        return self.bytes / self.coded_bytes

    @property
    def bits_per_byte(self) -> float | None:
        """Coded bits for each plain byte; None for an empty file."""
        return 8 * self.coded_bytes / self.bytes if self.bytes else None


def write_archive(
    source: Source,
    write: Write,
    coder: tuple[Coding, Make] | None = None,
    *,
    name: str = "the input",
    size: int | None = None,
    chunk_bytes: int = CHUNK,
    threads: int = 0,
    on_progress: Written | None = None,
) -> Summary:
    """Compress all of `source`; the archive's bytes go to `write` as they come.

    coder: None compresses without a model. name: for the messages. size: of the source, where it is known.
    threads: 0 takes all cores; the archive is the same for any number. Raises DataError where the source is
    not of that size.
    """
    header = Header(chunk_bytes, size, coder[0] if coder else None)
    packed = header.pack()
    write(packed)
    archive, coded_bytes = packed[-DIGEST:], len(packed)
    hasher, index = blake3(max_threads=blake3.AUTO), list[tuple[int, int]]()
    length = whole = 0

    def plain() -> Iterator[tuple[int, bytes]]:
        nonlocal length
        number = 0
        while data := read_fully(source, chunk_bytes):
            hasher.update(data)
            length += len(data)
            yield number, data
            number += 1

    def report(done: int) -> None:
        if on_progress is not None:
            on_progress(done, whole, coded_bytes)

    work = _work(coder)
    with closing(in_order(work, plain(), thread_count(threads), report)) as done:
        for chunk in done:
            piece = chunk.pack(archive)
            write(piece)
            coded_bytes += len(piece)
            index.append((chunk.kind, len(chunk.coded)))
            whole += chunk.size
            report(whole)
    if size is not None and length != size:
        raise DataError(f"{name} changed while it was read: {size:,} bytes became {length:,}", "try again")
    footer = Footer(length, hasher.digest(), index).pack(archive)
    write(footer)
    return summary(header, coded_bytes + len(footer), length, hasher.hexdigest(), index)


def _work(coder: tuple[Coding, Make] | None) -> Callable[[tuple[int, bytes], OnProgress], Chunk]:
    coders = Coders(coder[1]) if coder else None

    def work(item: tuple[int, bytes], on_progress: OnProgress) -> Chunk:
        if coders is None:
            chunk = chunks.encode(*item)
        else:
            with coders.one() as one:
                chunk = chunks.encode(*item, one, on_progress)
        on_progress(len(item[1]))
        return chunk

    return work


def summary(
    header: Header, coded_bytes: int, size: int, whole: str, index: Sequence[tuple[int, int]]
) -> Summary:
    """The summary of an archive with this index."""
    counts = Counter(kind for kind, _ in index)
    kinds = {name: counts[kind] for kind, name in KINDS.items()}
    return Summary(size, coded_bytes, whole, kinds, header.chunk_bytes, header.coding)


def read_fully(source: Source, size: int) -> bytes:
    """The next `size` bytes, less only at the end; read in pieces, so that a false size allocates nothing."""
    pieces, missing = list[bytes](), size
    while missing and (piece := source.read(min(missing, 1 << 20))):
        pieces.append(piece)
        missing -= len(piece)
    return b"".join(pieces)
