"""Bytes that arrive one by one, passed on as whole characters, so that half a character is never shown."""

import codecs


class WholeCharacters:
    """Holds back the beginning of a UTF-8 character until the rest has come.

    What cannot become a character any more is passed on at once, unchanged: no byte is lost or replaced.
    """

    def __init__(self) -> None:
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")
        self._held = b""

    def push(self, data: bytes) -> bytes:
        """Take some bytes, give back those that are complete: at most three are held."""
        self._decoder.decode(data)
        taken = self._held + data
        waiting = len(self._decoder.getstate()[0])
        self._held = taken[len(taken) - waiting :]
        return taken[: len(taken) - waiting]

    def flush(self) -> bytes:
        """What is still held, now that no more bytes come."""
        rest, self._held = self._held, b""
        self._decoder.reset()
        return rest
