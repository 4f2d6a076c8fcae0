"""Text that ends where a stop string begins. Imports no torch."""

from collections.abc import Sequence

from bbyte.errors import UsageError


class Stopping:
    """The text of one stream of bytes up to the first stop string, which is no part of it.

    `text` is what is sure to belong to it so far; the possible beginning of a stop string is held back.
    Where several stop strings end at the same byte, the longest counts.
    """

    def __init__(self, stops: Sequence[bytes] = ()) -> None:
        """Raises UsageError for an empty stop string."""
        if not all(stops):
            raise UsageError("a stop string is empty", "name the text to end before, such as THE END")
        self.text = bytearray()
        self.ended = False
        self._stops = tuple(stops)
        self._held = b""

    def push(self, data: bytes) -> bytes:
        """Take some bytes, give back those that are sure to belong to the text now."""
        before = len(self.text)
        if not self._stops:
            self.text += data
            return data
        for byte in data:
            if self.ended:
                break
            self._take(bytes([byte]))
        return bytes(self.text[before:])

    def close(self) -> bytes:
        """What is still held, now that no more bytes come: no stop string was completed."""
        rest, self._held = self._held, b""
        self.text += rest
        return rest

    def _take(self, byte: bytes) -> None:
        held = self._held + byte
        stop = max((len(stop) for stop in self._stops if held.endswith(stop)), default=0)
        self.ended = stop > 0
        waiting = 0 if self.ended else self._beginning(held)
        self.text += held[: len(held) - (stop or waiting)]
        self._held = held[len(held) - waiting :]

    def _beginning(self, held: bytes) -> int:
        """How many of the last bytes held may be the beginning of a stop string."""
        for size in range(len(held), 0, -1):
            if any(stop.startswith(held[-size:]) for stop in self._stops):
                return size
        return 0
