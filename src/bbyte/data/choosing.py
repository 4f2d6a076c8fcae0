"""Which documents are packed, and in which order: shuffled by a seed, up to a number of bytes."""

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import numpy as np

from bbyte.data import spool
from bbyte.data.sampling import permute
from bbyte.data.shards import Chunk

_AT_ONCE = 1 << 12


def shuffled(documents: Iterable[Iterable[Chunk]], seed: int, aside: Path) -> Iterator[Iterator[Chunk]]:
    """All documents in an order that depends on nothing but their number and the seed.

    They are written to a file in the folder `aside` first, which takes as much room as they do, and are read
    back in the order of `sampling.permute`: no table of them is in memory.
    """
    place = aside / "all"
    with spool.SpoolWriter(place) as writer:
        for document in documents:
            writer.add(document)
    yield from spool.read_back_in(place, _order(writer.count, seed))
    spool.remove(place)


def limited(documents: Iterable[Iterable[Chunk]], most: int, separator: int) -> Iterator[Iterable[Chunk]]:
    """The first documents, of which the last is cut so that all together take at most `most` bytes.

    separator: how many bytes follow each document.
    """
    left = most

    def cut(document: Iterable[Chunk]) -> Iterator[Chunk]:
        nonlocal left
        for chunk in document:
            piece = chunk if len(chunk) <= left else memoryview(chunk)[:left]
            left -= len(piece)
            yield piece
            if not left:
                return

    for document in documents:
        left -= separator
        if left <= 0:
            return
        yield cut(document)
        if not left:
            return


def _order(count: int, seed: int) -> Iterator[Sequence[int]]:
    for start in range(0, count, _AT_ONCE):
        yield permute(np.arange(start, min(count, start + _AT_ONCE)), count, seed).tolist()
