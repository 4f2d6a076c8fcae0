"""Where each document of a corpus ends: one little-endian uint64 each, in a file beside the shards."""

import io
import os
import sys
from array import array
from pathlib import Path
from typing import TYPE_CHECKING

from blake3 import blake3

from bbyte.data.meta import INDEX_FILE, Shard

if TYPE_CHECKING:
    from collections.abc import Iterable

_GATHERED = 1 << 16


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

    def extend(self, ends: "Iterable[int]") -> None:
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
