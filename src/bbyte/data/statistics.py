"""What a corpus is like: its documents, its bytes, how predictable they are from the few before them."""

import codecs
from array import array
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np
from blake3 import blake3
from numpy.typing import NDArray

from bbyte.data import meta
from bbyte.data.corpus import ByteCorpus
from bbyte.data.duplicates import DIGEST, Seen
from bbyte.data.pieces import UNDESCRIBED_SEPARATOR, blocks

ORDERS = 4
SAMPLE, STRETCH = 8 << 20, 64 << 10

_BLOCK = 2 << 20

ToldBy = Literal["index", "separator", "file", "nothing"]


@dataclass(frozen=True)
class Documents:
    """How many documents there are and how long, in bytes without the separators.

    told_by: how they were told apart: by the index, exactly; by the separator, which may stand in a document
    as well; by file; or by nothing, so that the whole is taken for one. not_utf8: how many are not valid
    UTF-8. duplicates: how many equal an earlier one, and their bytes.
    """

    told_by: ToldBy
    count: int
    mean: float
    median: float
    p99: float
    longest: int
    not_utf8: int
    duplicates: int
    duplicate_bytes: int


@dataclass(frozen=True)
class Statistics:
    """All about a corpus.

    histogram: how often each byte occurs, (256,). entropies: bits per byte given the 0, 1, 2 and 3 bytes
    before, from `sampled` bytes: all of them, or a sample of 8 MiB.
    """

    bytes: int
    documents: Documents
    histogram: NDArray[np.int64]
    entropies: tuple[float, ...]
    sampled: int


def statistics(corpus: ByteCorpus, on_bytes: Callable[[int], None] | None = None) -> Statistics:
    """Read a corpus once from end to end; takes about 24 bytes of memory a document.

    `on_bytes` is told the size of each piece read. Raises DataError where the index is damaged.
    """
    histogram, tally = np.zeros(256, np.int64), _Tally()
    told_by, borders = _borders(corpus)
    separator = 1 if told_by == "separator" or (told_by == "index" and corpus.separator is not None) else 0
    at = 0
    for block in blocks(corpus.files, _BLOCK):
        values = np.frombuffer(block, np.uint8)
        histogram += np.bincount(values, minlength=256)
        tally.take(block, borders(values, at), separator)
        at += len(block)
        if on_bytes is not None:
            on_bytes(len(block))
    tally.end_last()
    sample = _sample(corpus)
    return Statistics(
        corpus.size, tally.summary(told_by), histogram, entropies(sample), sum(len(one) for one in sample)
    )


def entropies(stretches: list[NDArray[np.uint8]]) -> tuple[float, ...]:
    """Bits per byte given the 0, 1, 2 and 3 bytes before it, as they are counted in these stretches.

    Counted over the same bytes for each order: those with three before them. From few bytes the higher orders
    come out too low, as most contexts have then been seen only once.
    """
    wide = [one.astype(np.uint32) for one in stretches if one.size >= ORDERS]
    total = sum(one.size - ORDERS + 1 for one in wide)
    if not total:
        return (0.0,) * ORDERS
    found = []
    for order in range(ORDERS):
        grams, contexts = [], []
        for one in wide:
            context = np.zeros(one.size - ORDERS + 1, np.uint32)
            for back in range(order, 0, -1):
                context = context << np.uint32(8) | one[ORDERS - 1 - back : one.size - back]
            contexts.append(context)
            grams.append(context << np.uint32(8) | one[ORDERS - 1 :])
        found.append(max(0.0, float(_weighed(contexts) - _weighed(grams)) / total))
    return tuple(found)


def _weighed(keys: list[NDArray[np.uint32]]) -> float:
    """The sum of n log2 n over how often each key occurs."""
    _, counts = np.unique(np.concatenate(keys), return_counts=True)
    return float((counts * np.log2(counts)).sum())


def _sample(corpus: ByteCorpus) -> list[NDArray[np.uint8]]:
    if corpus.size <= SAMPLE:
        return [corpus.read(0, corpus.size)]
    starts = np.linspace(0, corpus.size - STRETCH, SAMPLE // STRETCH).astype(np.int64)
    return [corpus.read(start, start + STRETCH) for start in starts.tolist()]


Borders = Callable[[NDArray[np.uint8], int], list[int]]
"""Where documents end in a block that begins at a place of the corpus, counted from the block's begin."""


def _borders(corpus: ByteCorpus) -> tuple[ToldBy, Borders]:
    ends = corpus.document_ends
    if ends is not None:
        return "index", lambda block, at: _between(ends, at, block.size)
    separator = corpus.separator
    if corpus.meta is None and all(meta.is_shard_name(file.name) for file in corpus.files):
        separator = UNDESCRIBED_SEPARATOR
    if separator is not None:
        return "separator", lambda block, at: (np.flatnonzero(block == separator) + 1).tolist()
    if corpus.meta is None:
        sizes = np.cumsum([file.stat().st_size for file in corpus.files])
        return "file", lambda block, at: _between(sizes, at, block.size)
    return "nothing", lambda block, at: []


def _between(ends: NDArray[np.integer], at: int, size: int) -> list[int]:
    first = np.searchsorted(ends, at, "right") if at else 0
    found: list[int] = (
        ends[first : np.searchsorted(ends, at + size, "right")].astype(np.int64) - at
    ).tolist()
    return found


class _Tally:
    """Counts documents that come in pieces."""

    def __init__(self) -> None:
        self._lengths, self._seen = array("Q"), Seen()
        self._not_utf8 = self._duplicates = self._duplicate_bytes = 0
        self._begin()

    def take(self, block: bytes, ends: list[int], separator: int) -> None:
        view, begin = memoryview(block), 0
        for end in ends:
            if end - begin >= separator:
                self._add(view[begin : end - separator])
            self._end()
            begin = end
        self._add(view[begin:])

    def end_last(self) -> None:
        """What is left without an end is a document, too."""
        if self._length:
            self._end()

    def summary(self, told_by: ToldBy) -> Documents:
        lengths = np.frombuffer(self._lengths, np.uint64) if self._lengths else np.zeros(1, np.uint64)
        return Documents(
            told_by,
            len(self._lengths),
            float(lengths.mean()),
            float(np.median(lengths)),
            float(np.percentile(lengths, 99)),
            int(lengths.max()),
            self._not_utf8,
            self._duplicates,
            self._duplicate_bytes,
        )

    def _begin(self) -> None:
        self._length, self._is_valid = 0, True
        self._hasher = blake3()
        self._decoder = codecs.getincrementaldecoder("utf-8")()

    def _add(self, piece: memoryview) -> None:
        self._length += len(piece)
        self._hasher.update(piece)
        self._decode(piece)

    def _decode(self, piece: memoryview | bytes, *, is_last: bool = False) -> None:
        if self._is_valid:
            try:
                self._decoder.decode(piece, is_last)
            except UnicodeDecodeError:
                self._is_valid = False

    def _end(self) -> None:
        self._decode(b"", is_last=True)
        self._not_utf8 += not self._is_valid
        self._lengths.append(self._length)
        if not self._seen.add(self._hasher.digest(DIGEST)):
            self._duplicates += 1
            self._duplicate_bytes += self._length
        self._begin()
