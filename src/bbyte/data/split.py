"""Which bytes are held out for validation: decided by their content, never by their place."""

from collections.abc import Iterable, Iterator

from blake3 import blake3

from bbyte.data.shards import Chunk
from bbyte.errors import UsageError

SEGMENT = 64 << 10
"""Documents are judged in pieces of this many bytes, the last one shorter; most are a single piece."""
DIGESTS = 1 << 64
"""A text is judged by the first eight bytes of its BLAKE3 digest: a number below this, as good as random."""


class Split:
    """Chooses about `val_fraction` of all segments to hold out.

    A segment is held out if its digest is below `val_fraction` of all `DIGESTS`. So the choice needs no
    memory, the same text always falls on the same side (duplicates too), and one large file gets a split as
    well. A larger fraction only ever adds to the held-out part.
    """

    def __init__(self, val_fraction: float) -> None:
        if not 0 <= val_fraction < 1:
            raise UsageError(
                f"val-fraction {val_fraction} is not between 0 and 1", "use 0.05 to hold out 5 % of the bytes"
            )
        self._bound = int(val_fraction * DIGESTS)
        self._lowest, self._highest = DIGESTS, 0

    def holds_out(self, segment: Chunk) -> bool:
        """Whether this segment belongs to the held-out part."""
        digest = int.from_bytes(blake3(segment).digest(8), "big")
        self._lowest, self._highest = min(self._lowest, digest), max(self._highest, digest)
        return digest < self._bound

    def check_both_sides(self, train_bytes: int, val_bytes: int) -> None:
        """Raise UsageError, with a fraction that would work if it is known, if one side has got nothing."""
        has_judged = self._lowest <= self._highest  # not so where slices are merged
        if not val_bytes or (has_judged and self._lowest >= self._bound):
            enough = f"{_upwards(self._lowest):.4f} or more" if has_judged else "that is larger"
            raise UsageError(
                "so little data that nothing fell into the held-out part",
                f"use --val-fraction {enough}, or more data",
            )
        if not train_bytes or (has_judged and self._highest < self._bound):
            raise UsageError(
                "everything fell into the held-out part", "use a smaller --val-fraction, or more data"
            )


def segments(chunks: Iterable[Chunk]) -> Iterator[memoryview]:
    """The bytes of one document cut every `SEGMENT` bytes. Each piece is good until the next is asked for."""
    pending = bytearray()
    for chunk in chunks:
        rest = memoryview(chunk)
        if pending:
            taken = SEGMENT - len(pending)
            pending += rest[:taken]
            rest = rest[taken:]
            if len(pending) < SEGMENT:
                continue
            yield memoryview(pending)
            pending = bytearray()
        while len(rest) >= SEGMENT:
            yield rest[:SEGMENT]
            rest = rest[SEGMENT:]
        pending += rest
    if pending:
        yield memoryview(pending)


def _upwards(digest: int) -> float:
    return min(digest / DIGESTS + 0.0001, 0.9999)
