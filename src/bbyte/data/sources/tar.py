"""The files in a tar archive, read from its first byte to its last in bounded memory.

The formats are POSIX ustar and pax (IEEE Std 1003.1-2001, "pax") and those of GNU tar. Unlike Python's
`tarfile`, an archive that lacks its end is refused, and no entry can ask for much memory.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import NoReturn

from bbyte.errors import DataError

_BLOCK = 512
_LARGEST_HEADER = 1 << 20
_REGULAR = b"0\07"
_WITHOUT_CONTENT = b"123456"
_KINDS = {
    b"1": "a link", b"2": "a link", b"3": "a device", b"4": "a device", b"6": "a pipe", b"S": "a sparse file",
}  # fmt: skip


@dataclass
class Member:
    """A file in an archive. refused: why it is not to be read; `pieces`: its bytes, to be read at once."""

    name: str
    size: int
    refused: str
    pieces: Iterator[memoryview]


def members(pieces: Iterable[bytes | memoryview], name: str) -> Iterator[Member]:
    """The files of an archive given in pieces, in the order in which they are stored; folders are left out.

    Of a member that is not read to its end the rest is passed over. name: for the messages. Raises DataError
    for an archive that is truncated, damaged, or followed by anything else.
    """
    blocks = _Blocks(pieces, name)
    long_name, pax = b"", dict[bytes, bytes]()
    every = dict[bytes, bytes]()
    while (header := blocks.header()) is not None:
        size, kind = _number(header[124:136], blocks), header[156:157]
        if kind in b"LKxg":
            content = blocks.small(size)
            if kind == b"L":
                long_name = content.rstrip(b"\0")
            elif kind == b"x":
                pax = _pax(content, blocks)
            elif kind == b"g":
                every |= _pax(content, blocks)
            continue
        told = every | pax
        if b"size" in told:
            size = _decimal(told[b"size"], blocks)
        prefix = header[345:500].split(b"\0")[0] if header[257:263] == b"ustar\0" else b""
        own = b"/".join(part for part in (prefix, header[:100].split(b"\0")[0]) if part)
        raw = told.get(b"path") or long_name or own
        is_sparse = kind == b"S" or any(key.startswith(b"GNU.sparse") for key in told)
        long_name, pax = b"", {}
        rest = blocks.member(0 if kind in _WITHOUT_CONTENT else size)
        if kind != b"5" and not (kind in _REGULAR and raw.endswith(b"/")):
            refused = _KINDS.get(b"S" if is_sparse else kind, "" if kind in _REGULAR else "no file")
            yield Member(raw.decode(errors="surrogateescape"), size, refused, rest)
        for _ in rest:
            pass


class _Blocks:
    """The archive as blocks of 512 bytes."""

    def __init__(self, pieces: Iterable[bytes | memoryview], name: str) -> None:
        self._pieces, self._name = iter(pieces), name
        self._piece = memoryview(b"")
        self._is_first = True

    def refuse(self, problem: str) -> NoReturn:
        raise DataError(f"{self._name} {problem}", "get it again from its source")

    def header(self) -> bytes | None:
        """The next header, its checksum compared; None behind the last, where only zeros may follow."""
        block = self._exactly(_BLOCK)
        if block.count(0) == _BLOCK:
            self._end()
            return None
        told = _number(block[148:156], self)
        if sum(block) - sum(block[148:156]) + 8 * 32 != told:
            self.refuse("is no tar archive" if self._is_first else "is damaged: a header is not as written")
        self._is_first = False
        return block

    def small(self, size: int) -> bytes:
        """The content of an entry that describes the next one."""
        if size > _LARGEST_HEADER:
            self.refuse(f"is damaged: it has a name or a note of {size} bytes")
        return self._exactly(-(-size // _BLOCK) * _BLOCK)[:size]

    def member(self, size: int) -> Iterator[memoryview]:
        left = size
        while left:
            piece = self._upto(left)
            left -= len(piece)
            yield piece
        self._exactly(-size % _BLOCK)

    def _end(self) -> None:
        if self._exactly(_BLOCK).count(0) != _BLOCK:
            self.refuse("is damaged: a lone block of zeros")
        while rest := bytes(self._piece) or next(self._pieces, b""):
            self._piece = memoryview(b"")
            if bytes(rest).strip(b"\0"):
                self.refuse("has something else after its end")

    def _exactly(self, size: int) -> bytes:
        found = bytearray()
        while len(found) < size:
            found += self._upto(size - len(found))
        return bytes(found)

    def _upto(self, size: int) -> memoryview:
        while not self._piece:
            piece = next(self._pieces, None)
            if piece is None:
                self.refuse("is no tar archive" if self._is_first else "is truncated")
            self._piece = memoryview(piece)
        found, self._piece = self._piece[:size], self._piece[size:]
        return found


def _number(field: bytes, blocks: _Blocks) -> int:
    """A number in octal digits, or (GNU) in binary where the first bit is set."""
    if field[0] == 0x80:
        return int.from_bytes(field[1:], "big")
    digits = field.strip(b" \0")
    if not all(0x30 <= digit < 0x38 for digit in digits):
        blocks.refuse("is no tar archive, or damaged: a number is none")
    return int(digits or b"0", 8)


def _decimal(text: bytes, blocks: _Blocks) -> int:
    if not text.isdigit() or len(text) > 18:
        blocks.refuse("is damaged: a size is no number")
    return int(text)


def _pax(content: bytes, blocks: _Blocks) -> dict[bytes, bytes]:
    """The entries of a pax header: a length, a space, key=value, a newline, each."""
    found, at = {}, 0
    while at < len(content) and content[at] != 0:
        digits = content[at : at + 8].split(b" ")[0]
        length = int(digits) if digits.isdigit() else 0
        entry = content[at + len(digits) + 1 : at + length]
        if length < len(digits) + 4 or not entry.endswith(b"\n") or b"=" not in entry:
            blocks.refuse("is damaged: a note on an entry is not as written")
        key, _, value = entry[:-1].partition(b"=")
        found[key] = value
        at += length
    return found
