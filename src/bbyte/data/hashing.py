"""BLAKE3 digests of bytes that are being read or written, taken meanwhile by another thread."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

from blake3 import blake3

_LARGE = 1 << 18
_threads = ThreadPoolExecutor(2, "hashing")


class Digest:
    """The digest of many pieces in a row."""

    def __init__(self) -> None:
        self._hasher = blake3()

    @contextmanager
    def beside(self, piece: memoryview) -> Iterator[None]:
        """Take in a piece while the block runs, which must leave it as it is. Both let other threads run."""
        begun = _threads.submit(self._hasher.update, piece) if len(piece) >= _LARGE else None
        try:
            yield
        finally:
            if begun is None or begun.cancel():  # not begun yet on a busy machine: quicker done here
                self._hasher.update(piece)
            else:
                begun.result()

    def hexdigest(self) -> str:
        """The digest of all pieces so far, in hexadecimal."""
        return self._hasher.hexdigest()
