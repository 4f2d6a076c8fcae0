"""Where each document of a corpus ends: one little-endian uint64 each, in a file beside the shards."""

import io
import mmap
import os
import sys
from array import array
from collections.abc import Iterable
from pathlib import Path
from typing import BinaryIO

import numpy as np
from blake3 import blake3
from numpy.typing import NDArray

from bbyte.data.meta import INDEX_FILE, Shard

_GATHERED = 1 << 16
_AT_ONCE = 1 << 20


def ends_in(file: BinaryIO, documents: int) -> NDArray[np.uint64]:
    """The content of an index of so many documents, (documents,), as a memory map."""
    if not documents:
        return np.empty(0, np.uint64)
    return np.frombuffer(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ), "<u8")


def fits(ends: NDArray[np.uint64], size: int) -> bool:
    """Whether these can be where the documents of a corpus of `size` bytes end: in order, up to its end."""
    blocks = (ends[start : start + _AT_ONCE + 1] for start in range(0, ends.size, _AT_ONCE))
    in_order = all((block[1:] >= block[:-1]).all() for block in blocks)
    return in_order and (int(ends[-1]) if ends.size else 0) == size


class IndexWriter:
    """Writes the index of a corpus in `folder`; `close` says what corpus.json shall say of it.

    durable: whether to wait until it is safe from a power loss.
    """

    def __init__(self, folder: Path, *, durable: bool) -> None:
        self._file = io.FileIO(folder / INDEX_FILE, "xb")
        self._durable, self._hasher, self._size = durable, blake3(), 0
        self._ends = array("Q")

    def add(self, end: int) -> None:
        """A document, with its separator, ends before byte `end`."""
        self._ends.append(end)
        if len(self._ends) >= _GATHERED:
            self._flush()

    def extend(self, ends: Iterable[int]) -> None:
        """So do these."""
        for end in ends:
            self.add(end)

    def close(self) -> Shard:
        """Write what is left; the file is complete then."""
        self._flush()
        if self._durable:
            os.fsync(self._file.fileno())
        self.abandon()
        return Shard(INDEX_FILE, self._size, self._hasher.hexdigest())

    def abandon(self) -> None:
        """Close the file as it is."""
        self._file.close()

    def _flush(self) -> None:
        if sys.byteorder == "big":
            self._ends.byteswap()
        data = memoryview(self._ends.tobytes())
        self._hasher.update(data)
        self._size += len(data)
        while data:
            data = data[self._file.write(data) :]
        self._ends = array("Q")
