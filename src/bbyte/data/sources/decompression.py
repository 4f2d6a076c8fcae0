"""Reads .gz, .bz2, .xz and .zst as streams, in bounded memory; what is damaged or cut short is refused."""

import bz2
import lzma
import sys
import zlib
from collections.abc import Callable, Iterable, Iterator
from typing import Protocol

from bbyte.errors import DataError

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

_AT_ONCE = 1 << 20
_LARGEST_DICTIONARY = 256 << 20
_DAMAGE = (zlib.error, lzma.LZMAError, zstd.ZstdError, OSError, EOFError)


class _Decoder(Protocol):
    """What the decompressors of bz2, lzma and zstd have in common; one decodes one member of a file."""

    @property
    def eof(self) -> bool: ...
    @property
    def needs_input(self) -> bool: ...
    @property
    def unused_data(self) -> bytes: ...
    def decompress(self, data: bytes, max_length: int) -> bytes: ...


class _Gzip:
    """zlib's decompressor with the interface of the others."""

    def __init__(self) -> None:
        self._zlib = zlib.decompressobj(wbits=31)
        self.needs_input = True

    @property
    def eof(self) -> bool:
        return self._zlib.eof

    @property
    def unused_data(self) -> bytes:
        return self._zlib.unused_data

    def decompress(self, data: bytes, max_length: int) -> bytes:
        found = self._zlib.decompress(self._zlib.unconsumed_tail + data, max_length)
        self.needs_input = not self._zlib.unconsumed_tail and len(found) < max_length
        return found


_DECODERS: dict[str, Callable[[], _Decoder]] = {
    ".gz": _Gzip,
    ".bz2": bz2.BZ2Decompressor,
    ".xz": lambda: lzma.LZMADecompressor(lzma.FORMAT_XZ, memlimit=_LARGEST_DICTIONARY),
    ".zst": zstd.ZstdDecompressor,
}

SUFFIXES = frozenset(_DECODERS)
"""The endings of file names that are looked through, in lower case."""


def decompressed(pieces: Iterable[bytes], suffix: str, name: str) -> Iterator[bytes]:
    """The plain bytes of a compressed file given in pieces, in chunks of at most 1 MiB.

    A file may consist of several members in a row. suffix: one of `SUFFIXES`. name: for the messages.
    Raises DataError for a file that is empty, truncated, damaged, or followed by anything else. The chunks
    before the place of the damage have been given by then.
    """
    decoder: _Decoder | None = None
    members, produced = 0, 0
    for piece in pieces:
        while piece or (decoder is not None and not decoder.needs_input):
            if decoder is None:
                decoder, produced = _DECODERS[suffix](), 0
            try:
                found = decoder.decompress(piece, _AT_ONCE)
            except _DAMAGE as error:
                if members and not produced:
                    raise DataError(f"{name} has something else after its end") from None
                raise DataError(
                    f"{name} is damaged: {_reason(error)}", "get it again from its source"
                ) from None
            if found:
                produced += len(found)
                yield found
            piece = b""
            if decoder.eof:
                piece, decoder, members = decoder.unused_data, None, members + 1
    if decoder is not None:
        also = ", or has something else after its end" if members and not produced else ""
        raise DataError(f"{name} is truncated{also}", "get it again from its source")
    if not members:
        raise DataError(f"{name} is empty, where {suffix} data was expected", "get it again from its source")


def _reason(error: Exception) -> str:
    words = str(error).rsplit(": ", 1)[-1].strip()
    return words[:1].lower() + words[1:] if words else type(error).__name__
