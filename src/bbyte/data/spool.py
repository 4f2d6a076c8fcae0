"""Documents set aside in two files of their own, and read back in any order."""

import sys
from array import array
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, Self

from bbyte.data.shards import Chunk

_GATHERED = 1 << 20
_ENDS_AT_ONCE = 1 << 13
_ENDS = 8  # bytes of the place where one document ends


class SpoolWriter:
    """Writes documents to `place`, and where each ends to a file beside it. Use it as a context manager."""

    def __init__(self, place: Path) -> None:
        self.count = 0
        self._end = 0
        self._texts = place.open("xb", buffering=_GATHERED)
        self._ends = _ends_of(place).open("xb", buffering=_GATHERED)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            self._texts.close()
        finally:
            self._ends.close()

    def add(self, document: Iterable[Chunk]) -> None:
        """Set one more aside. Its pieces may be reused buffers."""
        for chunk in document:
            self._end += self._texts.write(chunk)
        self._ends.write(self._end.to_bytes(_ENDS, sys.byteorder))
        self.count += 1


def read_back(place: Path) -> Iterator[Iterator[Chunk]]:
    """The documents at `place` in the order in which they were set aside, in bounded memory.

    Each, and each of its pieces, is good until the next is asked for, and is to be read to its end.
    """
    with place.open("rb", buffering=0) as texts:
        buffer, at, filled, begin = memoryview(bytearray(_GATHERED)), 0, 0, 0

        def pieces(left: int) -> Iterator[Chunk]:
            nonlocal at, filled
            while left:
                if at == filled:
                    at, filled = 0, texts.readinto(buffer)
                piece = buffer[at : min(filled, at + left)]
                at += len(piece)
                left -= len(piece)
                yield piece

        for ends in _read_ends(place):
            for end in ends:
                yield pieces(end - begin)
                begin = end


def read_back_in(place: Path, order: Iterable[Sequence[int]]) -> Iterator[Iterator[Chunk]]:
    """The documents at `place` that `order` names by their numbers, from 0 on, in batches of any size.

    Reads here and there: quick on solid-state disks, or while all fits into the memory that caches files.
    """
    with place.open("rb", buffering=0) as texts, _ends_of(place).open("rb", buffering=0) as ends:
        for numbers in order:
            for number in numbers:
                at = max(0, number - 1)
                ends.seek(_ENDS * at)
                found = array("Q", ends.read(_ENDS * (number - at + 1)))
                yield _between(texts, found[0] if number else 0, found[-1])


def remove(place: Path) -> None:
    """Remove what was set aside at `place`."""
    place.unlink()
    _ends_of(place).unlink()


def _between(file: BinaryIO, begin: int, end: int) -> Iterator[Chunk]:
    file.seek(begin)
    while begin < end:
        piece = file.read(min(_GATHERED, end - begin))
        begin += len(piece)
        yield piece


def _read_ends(place: Path) -> "Iterator[array[int]]":
    with _ends_of(place).open("rb") as file:
        while found := file.read(_ENDS * _ENDS_AT_ONCE):
            yield array("Q", found)


def _ends_of(place: Path) -> Path:
    return place.with_name(f"{place.name}.ends")
