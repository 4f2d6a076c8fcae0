"""The parts of a .bbz file and their bytes, as docs/compression.md describes them; numbers little-endian."""

import struct
from collections.abc import Sequence
from dataclasses import dataclass

from blake3 import blake3

from bbyte.compression.coder import MODES, PROBE, WINDOWS, Coding
from bbyte.errors import DataError

MAGIC = bytes.fromhex("89 42 42 5A 0D 0A 1A 0A")
VERSION = 1
CRITICAL = 0x00FF
"""The flags that a reader must know; the others it may pass over."""
SMALLEST_CHUNK, CHUNK, LARGEST_CHUNK = 1 << 12, 1 << 20, 1 << 26
UNKNOWN = (1 << 64) - 1
MODEL_CODER = 1
STORED, ZSTD, NEURAL = 1, 2, 3
KINDS = {STORED: "stored", ZSTD: "zstd", NEURAL: "neural"}
CHUNK_MARK, FOOTER_MARK = b"\x89CHK", b"\x89END"
DIGEST = 8
WHOLE = 32

_FIXED = struct.Struct("<8sHHQI")
_CODER = struct.Struct(f"<HHBBH32s{PROBE}s")
_FRAME = struct.Struct(f"<4sBBIII{DIGEST}s")
_FOOTER = struct.Struct(f"<4sIQ{WHOLE}s")
_ENTRY = struct.Struct("<BI")
_LENGTH = struct.Struct("<I")

HEADER_BYTES = _FIXED.size + _CODER.size + DIGEST
FRAME_BYTES = _FRAME.size + DIGEST
TAIL_BYTES = _LENGTH.size + DIGEST
AGAIN = "get it again from its source"
_NEWER = "a newer bbyte may read it"


def digest(*parts: bytes, length: int = DIGEST) -> bytes:
    """The first bytes of the BLAKE3 digest of the parts, one after the other."""
    hasher = blake3()
    for part in parts:
        hasher.update(part)
    return hasher.digest(length=length)


@dataclass(frozen=True)
class Header:
    """The beginning of an archive. size: that of the original, None where it came from a pipe."""

    chunk_bytes: int
    size: int | None = None
    coding: Coding | None = None

    def pack(self) -> bytes:
        """The header's bytes. The last DIGEST of them stand for the archive in all other digests."""
        size = UNKNOWN if self.size is None else self.size
        coder = bytes(_CODER.size)
        if (c := self.coding) is not None:
            mode, window = MODES.index(c.mode), WINDOWS.index(c.window)
            coder = _CODER.pack(MODEL_CODER, c.lanes, window, mode, c.arithmetic, c.identity, c.probe)
        body = _FIXED.pack(MAGIC, VERSION, 0, size, self.chunk_bytes) + coder
        return body + digest(body)

    @classmethod
    def unpack(cls, raw: bytes, name: str) -> "Header":
        """The header in the first HEADER_BYTES of a file, or in all that there is of a shorter one.

        Raises DataError, about `name`, for anything but a whole header of this version with its digest.
        """
        _check_magic(raw, name)
        if len(raw) < HEADER_BYTES:
            raise DataError(f"{name} is truncated within its header: nothing is recoverable", AGAIN)
        _, version, flags, size, chunk_bytes = _FIXED.unpack_from(raw)
        if version != VERSION:
            raise DataError(
                f"{name} has version {version} of the format; this bbyte knows version {VERSION}", _NEWER
            )
        if raw[-DIGEST:] != digest(raw[:-DIGEST]):
            raise DataError(f"{name} has a damaged header", AGAIN)
        if flags & CRITICAL:
            raise DataError(f"{name} has flags that this bbyte does not know ({flags:#06x})", _NEWER)
        if not SMALLEST_CHUNK <= chunk_bytes <= LARGEST_CHUNK:
            raise DataError(f"{name} has chunks of {chunk_bytes:,} bytes, expected 4 KiB to 64 MiB", _NEWER)
        return cls(chunk_bytes, None if size == UNKNOWN else size, _coding(raw, name))


def _check_magic(raw: bytes, name: str) -> None:
    if not raw:
        raise DataError(f"{name} is empty, where a .bbz file was expected", AGAIN)
    if raw[: len(MAGIC)] != MAGIC[: len(raw)]:
        if raw[:4] == MAGIC[:4]:
            raise DataError(
                f"{name} was changed by a transfer that took it for text", "transfer it as binary"
            )
        raise DataError(f"{name} is no .bbz file", "bbyte compress makes them")


def _coding(raw: bytes, name: str) -> Coding | None:
    kind, lanes, window, mode, arithmetic, identity, probe = _CODER.unpack_from(raw, _FIXED.size)
    if kind == 0:
        return None
    if kind != MODEL_CODER or window >= len(WINDOWS) or mode >= len(MODES):
        raise DataError(
            f"{name} was made by a coder that this bbyte does not know ({kind}, {window}, {mode})", _NEWER
        )
    return Coding(identity, probe, arithmetic, MODES[mode], lanes, WINDOWS[window])


@dataclass(frozen=True)
class Chunk:
    """One chunk as it stands in an archive. plain_digest: of the `size` bytes it decodes to."""

    number: int
    kind: int
    mode: int
    size: int
    plain_digest: bytes
    coded: bytes

    def pack(self, archive: bytes) -> bytes:
        """The chunk's bytes. archive: the digest at the end of its header."""
        fields = (self.kind, self.mode, self.number, self.size, len(self.coded), self.plain_digest)
        head = _FRAME.pack(CHUNK_MARK, *fields)
        return head + digest(archive, head, self.coded) + self.coded


@dataclass(frozen=True)
class Frame:
    """What stands before a chunk's coded bytes: everything but them."""

    head: bytes
    coded_bytes: int
    _digest: bytes

    @classmethod
    def unpack(cls, raw: bytes, chunk_bytes: int) -> "Frame | None":
        """The frame in FRAME_BYTES bytes, None where its lengths or its kind cannot be: none is trusted."""
        mark, kind, _, _, size, coded_bytes, _ = _FRAME.unpack_from(raw)
        if mark != CHUNK_MARK or kind not in KINDS or not 0 < size <= chunk_bytes:
            return None
        if coded_bytes > size or (kind == STORED) != (coded_bytes == size):
            return None
        return cls(raw[: _FRAME.size], coded_bytes, raw[_FRAME.size : FRAME_BYTES])

    def chunk(self, coded: bytes, archive: bytes) -> Chunk | None:
        """The chunk, once its bytes are here; None where they do not match the digest."""
        if self._digest != digest(archive, self.head, coded):
            return None
        _, kind, mode, number, size, _, plain_digest = _FRAME.unpack(self.head)
        return Chunk(number, kind, mode, size, plain_digest, coded)


@dataclass(frozen=True)
class Footer:
    """The end of an archive. index: the kind and the coded length of each chunk."""

    size: int
    whole: bytes
    index: Sequence[tuple[int, int]]

    def pack(self, archive: bytes) -> bytes:
        """The footer's bytes. archive: the digest at the end of the header."""
        body = _FOOTER.pack(FOOTER_MARK, len(self.index), self.size, self.whole)
        body += b"".join(_ENTRY.pack(*entry) for entry in self.index)
        body += _LENGTH.pack(len(body) + TAIL_BYTES)
        return body + digest(archive, body)

    @classmethod
    def unpack(cls, raw: bytes, archive: bytes) -> "Footer | None":
        """The footer in `raw`; None where that is not exactly an undamaged one."""
        if len(raw) < footer_bytes(0) or raw[-DIGEST:] != digest(archive, raw[:-DIGEST]):
            return None
        mark, count, size, whole = _FOOTER.unpack_from(raw)
        if mark != FOOTER_MARK or len(raw) != footer_bytes(count) or length_in(raw) != len(raw):
            return None
        entries = raw[_FOOTER.size : -TAIL_BYTES]
        return cls(size, whole, tuple(_ENTRY.iter_unpack(entries)))


def footer_bytes(chunks: int) -> int:
    """The length of the footer of an archive with so many chunks."""
    return _FOOTER.size + chunks * _ENTRY.size + TAIL_BYTES


def chunks_in(footer: bytes | bytearray) -> int:
    """The number of chunks that the beginning of a footer gives, unchecked."""
    return int(_FOOTER.unpack_from(footer)[1])


def length_in(tail: bytes) -> int:
    """The footer's length that the end of an archive gives, unchecked."""
    return int(_LENGTH.unpack_from(tail, len(tail) - TAIL_BYTES)[0])
