"""What an archive holds, chunk by chunk as it is read, from a file or a pipe, in bounded memory."""

from collections.abc import Iterator
from typing import NoReturn

from bbyte.compression.layout import (
    AGAIN,
    CHUNK_MARK,
    DIGEST,
    FOOTER_MARK,
    FRAME_BYTES,
    HEADER_BYTES,
    Chunk,
    Footer,
    Frame,
    Header,
    footer_bytes,
)
from bbyte.compression.writer import Source, read_fully
from bbyte.errors import DataError

_SALVAGE = "bbyte decompress --salvage writes what is good"


class Archive:
    """The chunks of an archive, to be iterated over once; its footer when they are through.

    Nothing that was read is trusted before its digest matched. Raises DataError, about `name`, for what is
    damaged or cut short, with the number of the chunk and of the good bytes before it.
    """

    footer: Footer
    coded_bytes: int
    """The length of the whole archive, when its chunks are through."""

    def __init__(self, source: Source, name: str) -> None:
        self._source, self.name = source, name
        raw = read_fully(source, HEADER_BYTES)
        self.header = Header.unpack(raw, name)
        self.id = raw[-DIGEST:]
        self.coded_bytes = len(raw)
        self._index: list[tuple[int, int]] = []
        self._plain_bytes = 0

    def __iter__(self) -> Iterator[Chunk]:
        while (mark := self._read(len(CHUNK_MARK), self._next)) == CHUNK_MARK:
            yield self._chunk(mark)
        if mark != FOOTER_MARK:
            self._refuse("damaged", self._next)
        self._take_footer(mark)

    @property
    def _next(self) -> str:
        """What comes next, in words."""
        return "its footer" if self._plain_bytes == self.header.size else f"chunk {len(self._index):,}"

    def _chunk(self, mark: bytes) -> Chunk:
        here, count, chunk_bytes = self._next, len(self._index), self.header.chunk_bytes
        frame = Frame.unpack(mark + self._read(FRAME_BYTES - len(mark), here), chunk_bytes)
        chunk = frame.chunk(self._read(frame.coded_bytes, here), self.id) if frame is not None else None
        all_full = self._plain_bytes == count * chunk_bytes  # only the last chunk may be shorter
        if chunk is None or chunk.number != count or not all_full:
            self._refuse("damaged", here)
        self._index.append((chunk.kind, len(chunk.coded)))
        self._plain_bytes += chunk.size
        return chunk

    def _take_footer(self, mark: bytes) -> None:
        rest = self._read(footer_bytes(len(self._index)) - len(mark), "its footer")
        footer = Footer.unpack(mark + rest, self.id)
        size = self._plain_bytes if self.header.size is None else self.header.size
        if footer is None or list(footer.index) != self._index:
            self._refuse("damaged", "its footer")
        if not footer.size == self._plain_bytes == size:
            self._refuse("damaged", "its footer")
        if self._source.read(1):
            raise DataError(f"{self.name} has something else after its end", AGAIN)
        self.footer = footer

    def _read(self, size: int, place: str) -> bytes:
        raw = read_fully(self._source, size)
        if len(raw) < size:
            self._refuse("truncated", place)
        self.coded_bytes += size
        return raw

    def _refuse(self, what: str, place: str) -> NoReturn:
        good = f"{self._plain_bytes:,} bytes recoverable"
        raise DataError(f"{self.name} is {what} at {place}, {good}", _SALVAGE)
