"""A corpus divided in what is trained on and what is held out, each read as if it were one long array."""

import numpy as np
from numpy.typing import NDArray

from bbyte.data.corpus import ByteCorpus
from bbyte.data.pieces import piece_length, pieces
from bbyte.data.split import DIGESTS


class Part:
    """Stretches of a corpus one after the other, read as if they were one long array of bytes.

    runs: where each stretch begins and ends in the corpus, (R, 2), in order, none of them empty; they are all
    that is held in memory. size: bytes in all.
    """

    def __init__(self, corpus: ByteCorpus, runs: NDArray[np.int64]) -> None:
        self.corpus = corpus
        self._stops = np.cumsum(runs[:, 1] - runs[:, 0])  # of each run, counted within the part
        self._moves = runs[:, 1] - self._stops  # from there to the corpus
        self.size = int(self._stops[-1])

    def read(self, start: int, stop: int) -> NDArray[np.uint8]:
        """A copy of the bytes from start to stop - 1. Raises IndexError outside the part."""
        if not 0 <= start <= stop <= self.size:
            raise IndexError(f"bytes {start} to {stop} are not within a part of {self.size}")
        copy = np.empty(stop - start, np.uint8)
        first, last = np.searchsorted(self._stops, (start, stop)).tolist()
        stops = [*self._stops[first:last].tolist(), stop]
        begin = start
        for end, move in zip(stops, self._moves[first : last + 1].tolist(), strict=True):
            copy[begin - start : end - start] = self.corpus.read(begin + move, end + move)
            begin = end
        return copy

    def windows(self, offsets: NDArray[np.integer], length: int) -> NDArray[np.uint8]:
        """The `length` bytes from each offset on: (B,) -> (B, length). Raises IndexError beyond the end."""
        starts = np.asarray(offsets, np.int64)
        if starts.size and not 0 <= int(starts.min()) <= int(starts.max()) <= self.size - length:
            raise IndexError(f"a window of {length} bytes lies outside of a part of {self.size}")
        run = np.searchsorted(self._stops, starts, "right")
        batch = self.corpus.windows(starts + self._moves[run], length)
        for row in np.flatnonzero(starts + length > self._stops[run]).tolist():
            start = int(starts[row])
            batch[row] = self.read(start, start + length)
        return batch


def divide(corpus: ByteCorpus, val_fraction: float) -> tuple[ByteCorpus | Part, Part | None]:
    """What of a corpus is to be trained on, and about `val_fraction` of it that is to be held out.

    A piece is held out if its digest (see `pieces`) is below `val_fraction` of all digests, as in `pack`: by
    its text and not by where it stands, and a larger fraction only adds to what is held out. That stays true
    where a corpus is so small that all of it would fall on one side: then the piece with the lowest digest is
    held out after all, or the one with the highest is trained on, each with all that equal it. Only where
    there is but one piece, or all are equal, or the fraction is 0, is nothing held out.

    Reads the whole corpus once, unless the fraction is 0. Raises DataError when its files have changed.
    """
    if not val_fraction:
        return corpus, None
    bound = min(int(val_fraction * DIGESTS), DIGESTS - 1)
    runs, lowest, highest = _below(corpus, bound)
    if lowest == highest:
        return corpus, None
    if not lowest < bound <= highest:
        runs, _, _ = _below(corpus, min(max(bound, lowest + 1), highest))
    others = np.concatenate([[0], runs.ravel(), [corpus.size]]).reshape(-1, 2)
    return Part(corpus, others[others[:, 0] < others[:, 1]]), Part(corpus, runs)


def _below(corpus: ByteCorpus, bound: int) -> tuple[NDArray[np.int64], int, int]:
    """The runs of pieces with a digest below `bound`, (R, 2); the lowest and the highest digest of all."""
    edges, inside = [np.empty(0, np.int64)], False
    lowest, highest = DIGESTS, 0
    for begins, digests in pieces(corpus, piece_length(corpus.size)):
        is_below = digests < np.uint64(bound)
        edges.append(begins[is_below != np.append(inside, is_below[:-1])])
        inside = bool(is_below[-1])
        lowest, highest = min(lowest, int(digests.min())), max(highest, int(digests.max()))
    if inside:
        edges.append(np.array([corpus.size]))
    return np.concatenate(edges).reshape(-1, 2), lowest, highest
