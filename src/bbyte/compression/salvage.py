"""What is left of a damaged archive: every chunk whose digest matches, wherever it stands."""

from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass

from bbyte.compression.coder import Opener
from bbyte.compression.expansion import plain_chunks
from bbyte.compression.layout import (
    CHUNK_MARK,
    DIGEST,
    FOOTER_MARK,
    FRAME_BYTES,
    HEADER_BYTES,
    LARGEST_CHUNK,
    Chunk,
    Footer,
    Frame,
    Header,
    chunks_in,
    footer_bytes,
)
from bbyte.compression.writer import Report, Source, Write, read_fully

_AT_ONCE = 1 << 20


@dataclass(frozen=True)
class Salvaged:
    """What was written. missing: the chunks known to be lost, each a (first, last) byte of the original.

    size: that of the original, None where nothing that is left tells it: more may then be lost after the end.
    """

    bytes: int
    missing: tuple[tuple[int, int], ...]
    size: int | None


def salvage(
    source: Source,
    write: Write,
    opener: Opener,
    *,
    name: str = "the archive",
    threads: int = 0,
    on_progress: Report | None = None,
) -> Salvaged:
    """Write the bytes of all good chunks, in order and without gaps.

    Raises DataError for a damaged header, without which nothing is decoded, and what `opener` raises.
    """
    raw = read_fully(source, HEADER_BYTES)
    header = Header.unpack(raw, name)
    scan = _Scan(source, header.chunk_bytes, raw[-DIGEST:])
    written, found = 0, dict[int, int]()

    def report(done: int) -> None:
        if on_progress is not None:
            on_progress(done, scan.passed)

    with closing(plain_chunks(scan, header, opener, name, threads, report)) as plain:
        for number, data in plain:
            write(data)
            found[number] = len(data)
            written += len(data)
            report(written)
    size = header.size if scan.footer is None else scan.footer.size
    return Salvaged(written, tuple(_missing(found, header.chunk_bytes, size)), size)


def _missing(found: dict[int, int], chunk_bytes: int, size: int | None) -> Iterator[tuple[int, int]]:
    """The stretches of the original between and after the chunks found."""
    reached = 0
    for number, length in found.items():
        if number * chunk_bytes > reached:
            yield reached, number * chunk_bytes - 1
        reached = number * chunk_bytes + length
    if size is not None and size > reached:
        yield reached, size - 1


class _Scan:
    """The good chunks of a stream in the order of their numbers, and its footer if that is good.

    It goes from mark to mark: what lies between matters as little as what is wrong behind one.
    """

    def __init__(self, source: Source, chunk_bytes: int, archive: bytes) -> None:
        self._source, self._chunk_bytes, self._archive = source, chunk_bytes, archive
        self._held = bytearray()
        self.passed = HEADER_BYTES
        self.footer: Footer | None = None

    def __iter__(self) -> Iterator[Chunk]:
        last = -1
        while self._reach(len(CHUNK_MARK)):
            size = 1
            if self._held.startswith(CHUNK_MARK) and (found := self._chunk()) is not None:
                size = FRAME_BYTES + len(found.coded)
                if found.number > last:
                    last = found.number
                    yield found
            elif self._held.startswith(FOOTER_MARK):
                self._take_footer()
            else:
                size = self._to_next_mark()
            self._pass(size)

    def _chunk(self) -> Chunk | None:
        if not self._reach(FRAME_BYTES):
            return None
        frame = Frame.unpack(bytes(self._held[:FRAME_BYTES]), self._chunk_bytes)
        if frame is None or not self._reach(FRAME_BYTES + frame.coded_bytes):
            return None
        return frame.chunk(bytes(self._held[FRAME_BYTES : FRAME_BYTES + frame.coded_bytes]), self._archive)

    def _take_footer(self) -> None:
        if not self._reach(footer_bytes(0)):
            return
        size = footer_bytes(chunks_in(self._held))
        if size <= LARGEST_CHUNK and self._reach(size):
            self.footer = Footer.unpack(bytes(self._held[:size]), self._archive) or self.footer

    def _reach(self, size: int) -> bool:
        """Whether so many bytes come from here on; they are held then."""
        while len(self._held) < size and (piece := self._source.read(_AT_ONCE)):
            self._held += piece
        return len(self._held) >= size

    def _to_next_mark(self) -> int:
        """How many bytes to pass: up to the next mark, else all that cannot be the beginning of one."""
        places = [self._held.find(mark, 1) for mark in (CHUNK_MARK, FOOTER_MARK)]
        found = [place for place in places if place > 0]
        return min(found) if found else len(self._held) - len(CHUNK_MARK) + 1

    def _pass(self, size: int) -> None:
        del self._held[:size]
        self.passed += size
