"""A corpus cut into the pieces that are trained on or held out whole: its documents, long ones divided."""

from collections.abc import Iterator, Sequence
from itertools import chain
from pathlib import Path

import numpy as np
from blake3 import blake3
from numpy.typing import NDArray

from bbyte.data.corpus import ByteCorpus
from bbyte.data.split import SEGMENT
from bbyte.errors import DataError

SHORTEST = 64
"""A separator with fewer bytes than this on both sides is content: UTF-16 and programs are full of 0x00."""
PIECES, SMALLEST = 512, 256
UNDESCRIBED_SEPARATOR = 0

_BLOCK = 2 << 20
_DOCUMENTS = 1 << 13


def piece_length(size: int) -> int:
    """How many bytes a piece of a corpus of `size` bytes has at most.

    As many as `pack` judges at once, 64 KiB, but at most 1/512 of the corpus, so that one per cent of it is
    some five pieces and not a stroke of luck; and at least 256, because a held-out piece begins without the
    context that stood before it, which shorter ones would mostly be scored for.
    """
    return min(max(size // PIECES, SMALLEST), SEGMENT)


def pieces(
    corpus: ByteCorpus, length: int, block: int = _BLOCK
) -> Iterator[tuple[NDArray[np.int64], NDArray[np.uint64]]]:
    """Where each piece begins, and its digest below `DIGESTS`, both (n,): all of them in order, in batches.

    Where the corpus has an index a piece is a whole document, and its digest that of its first 64 KiB, as in
    `pack`. Otherwise a packed corpus is cut after the separators that corpus.json names, across shards; of
    one without a corpus.json each file is cut after every 0x00, the separator of bare shards. What lies
    between is cut every `length` bytes from its own beginning on. Each piece ends where the next begins; its
    digest is that of its text, without the separator after it: the same text has the same digest wherever it
    stands.

    Reads `block` bytes at a time and holds little more. Raises DataError when the files have changed.
    """
    if corpus.document_ends is not None:
        yield from _documents(corpus, corpus.document_ends)
        return
    separator = UNDESCRIBED_SEPARATOR if corpus.meta is None else corpus.separator
    read = 0
    for files in [[file] for file in corpus.files] if corpus.meta is None else [corpus.files]:
        rest, since = b"", 0
        for more in chain(blocks(files, block), [b""]):
            data = rest + more
            begins, ends, done, since = _cut(data, separator, length, since, is_last=not more)
            if begins.size:
                yield begins + read, _digests(data, begins, ends)
            rest, read = data[done:], read + done
    if read != corpus.size:
        raise DataError(f"{corpus.path} has changed its size", "leave it alone while it is read")


def _documents(
    corpus: ByteCorpus, ends: NDArray[np.uint64]
) -> Iterator[tuple[NDArray[np.int64], NDArray[np.uint64]]]:
    separator = 0 if corpus.separator is None else 1
    begin = 0
    for at in range(0, ends.size, _DOCUMENTS):
        stops = ends[at : at + _DOCUMENTS].astype(np.int64)
        begins = np.append(begin, stops[:-1])
        beginnings = np.minimum(begins + SEGMENT, stops - separator)
        found = [
            blake3(corpus.read(*edges).data).digest(8)
            for edges in zip(begins.tolist(), beginnings.tolist(), strict=True)
        ]
        yield begins, np.frombuffer(b"".join(found), ">u8").astype(np.uint64)
        begin = int(stops[-1])


def _cut(
    data: bytes, separator: int | None, length: int, since: int, *, is_last: bool
) -> tuple[NDArray[np.int64], NDArray[np.int64], int, int]:
    """Where the pieces in `data` begin and their text ends, how many bytes they are, and the next `since`.

    since: how many bytes lie between the last separator and `data`, which begins with a piece. What is not
    certain without more data is left for the next time, unless this is the last.
    """
    bytes_ = np.frombuffer(data, np.uint8)
    found = np.flatnonzero(bytes_ == separator) if separator is not None else np.empty(0, np.int64)
    before = np.diff(found, prepend=-1 - since) - 1
    after = np.append(before[1:], bytes_.size - 1 - found[-1]) if found.size else before
    is_end = (before >= SHORTEST) | (after >= SHORTEST)
    certain = bytes_.size
    if found.size and not is_end[-1] and not is_last:
        certain = int(found[-1])  # more bytes after it may still make it the end of a document
    starts = np.append(0, found[is_end] + 1)
    stops = np.append(found[is_end], max(certain, starts[-1]))
    counts = np.maximum(1, -(-(stops - starts) // length))
    unfinished = int(stops[-1] - starts[-1])  # where its pieces end is certain once more text stands after
    counts[-1] = -(-unfinished // length) if is_last else max(0, unfinished - 1) // length
    done = bytes_.size if is_last else int(starts[-1] + counts[-1] * length)
    number = np.arange(counts.sum()) - np.repeat(np.cumsum(counts) - counts, counts)
    begins = np.repeat(starts, counts) + number * length
    ends = np.minimum(begins + length, np.repeat(stops, counts))
    passed = int(np.searchsorted(found, done))
    return begins, ends, done, done - 1 - int(found[passed - 1]) if passed else since + done


def _digests(data: bytes, begins: NDArray[np.int64], ends: NDArray[np.int64]) -> NDArray[np.uint64]:
    view = memoryview(data)
    found = [
        blake3(view[begin:end]).digest(8) for begin, end in zip(begins.tolist(), ends.tolist(), strict=True)
    ]
    return np.frombuffer(b"".join(found), ">u8").astype(np.uint64)


def blocks(files: Sequence[Path], size: int) -> Iterator[bytes]:
    """Ordinary reads: a memory map would count the whole corpus as memory in use, and fault on every page."""
    for file in files:
        with file.open("rb", buffering=0) as opened:
            while block := opened.read(size):
                yield block
