"""Finds documents that were there before, byte for byte, at 16 to 18 bytes of memory each."""

import itertools
import tempfile
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from pathlib import Path

from blake3 import blake3

from bbyte.data.shards import Chunk

DIGEST = 16
_IN_MEMORY = 16 << 20
_AT_ONCE = 1 << 20


class Seen:
    """A set of digests of 16 bytes, as good as random, that holds little but the digests.

    They lie one behind the other in 65,536 buckets, chosen by the first two bytes. (A `set` of bytes takes
    about 90 a digest.)
    """

    def __init__(self) -> None:
        self._buckets = [bytearray() for _ in range(1 << 16)]

    def add(self, digest: bytes) -> bool:
        """Take a digest in. Returns False if it was there already."""
        bucket = self._buckets[digest[0] << 8 | digest[1]]
        at = bucket.find(digest)
        while at % DIGEST and at >= 0:  # within two neighbours
            at = bucket.find(digest, at + 1)
        if at >= 0:
            return False
        bucket += digest
        return True


def unique(
    documents: Iterable[Iterable[Chunk]], aside: Path, on_duplicate: Callable[[], None]
) -> Iterator[Iterable[Chunk]]:
    """The documents of which no equal one came before. `on_duplicate` is told of each of the others.

    A document is held until its end is known: in memory up to 16 MiB, beyond in a file in the folder `aside`.
    """
    seen = Seen()
    for document in documents:
        hasher, held, file = blake3(), bytearray(), None
        for chunk in document:
            hasher.update(chunk)
            held += chunk
            if len(held) > _IN_MEMORY:
                file = file or tempfile.TemporaryFile(dir=aside)  # noqa: SIM115 - most documents need none
                file.write(held)
                held = bytearray()
        if not seen.add(hasher.digest(DIGEST)):
            on_duplicate()
        elif file is None:
            yield [held]
        else:
            file.seek(0)
            yield itertools.chain(iter(partial(file.read, _AT_ONCE), b""), [held])
        if file is not None:
            file.close()
