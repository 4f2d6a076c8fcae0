"""The zip archive that torch.save writes, read so strictly that every other reader must see the same files.

Only the directory, the headers and the pickle are read; the tensors' data is at most summed up (CRC-32).
Layout: PKWARE's APPNOTE.TXT, as PyTorch's writer uses it: entries stored one after another from the first
byte, each followed by its data descriptor, then the directory, then the end.
"""

import os
import re
import struct
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from bbyte.errors import DataError

LARGEST_PICKLE = 16 << 20
MOST_ENTRIES = 100_000
DAMAGED = "it is damaged or was not written by torch.save: use another copy of it"
SAVE_AGAIN = "load it and save it again with a newer torch, on a machine you trust with this file"
_LARGEST_DIRECTORY = 32 << 20
_SMALL = 4096  # what the files beside the pickle and the data may hold
_NAME = re.compile(
    r"(data\.pkl|byteorder|version|\.format_version|\.storage_alignment|data/\d{1,9}|\.data/serialization_id)"
)
_ENTRY = struct.Struct("<4s6H3L5H2L")
_LOCAL = struct.Struct("<4s5H3L2H")
_END = struct.Struct("<4s4H2LH")
_END64, _LOCATOR = struct.Struct("<4sQ2H2L4Q"), struct.Struct("<4sLQL")
_FULL = 0xFFFFFFFF  # "see the 64-bit field"
_HAS_DESCRIPTOR, _UTF8 = 0x0008, 0x0800
_CHUNK = 1 << 20


@dataclass(frozen=True)
class Entry:
    """One file of the archive: where its bytes start, how many there are, and their CRC-32."""

    start: int
    size: int
    crc: int


@dataclass(frozen=True)
class Archive:
    """What torch.save wrote: the pickle, and for each key it may name the bytes of a storage."""

    pickle: bytes
    storages: dict[str, Entry]


def read(file: BinaryIO, path: Path) -> Archive:
    """The archive in `file`, which is called `path` in errors.

    Raises DataError for whatever torch.save (since 1.6) would not have written just so.
    """
    try:
        entries = _entries(file, os.fstat(file.fileno()).st_size)
        if "data.pkl" not in entries:
            raise _OddError("has no data.pkl")
        if entries["data.pkl"].size > LARGEST_PICKLE:
            raise _OddError(f"has a pickle of more than {LARGEST_PICKLE >> 20} MiB")
        for name, entry in entries.items():
            if not name.startswith("data") and entry.size > _SMALL:
                raise _OddError(f"has an entry {name!r} of {entry.size} bytes")
        contents = {
            name: _content(file, entry, name)
            for name, entry in entries.items()
            if not name.startswith("data/")
        }
        if contents.get("byteorder", b"little") != b"little":
            raise _OddError("was saved on a machine of another byte order")
    except _OddError as odd:
        raise DataError(f"{path} {odd}", odd.hint) from None
    storages = {name[5:]: entry for name, entry in entries.items() if name.startswith("data/")}
    return Archive(contents["data.pkl"], storages)


def check_data(file: BinaryIO, archive: Archive, path: Path) -> None:
    """Read all tensors' data once and raise DataError if its CRC-32 is not the one saved with it."""
    for key, entry in archive.storages.items():
        file.seek(entry.start)
        crc, left = 0, entry.size
        while left and (piece := file.read(min(left, _CHUNK))):
            crc, left = zlib.crc32(piece, crc), left - len(piece)
        if left or crc != entry.crc:
            raise DataError(
                f"{path} is damaged: the data of its storage {key} is not what was saved", DAMAGED
            )


class _OddError(Exception):
    """Says of the file what torch.save would not have written."""

    def __init__(self, problem: str, hint: str = DAMAGED) -> None:
        super().__init__(problem)
        self.hint = hint


def _entries(file: BinaryIO, size: int) -> dict[str, Entry]:
    """All entries by name, without the folder that is common to them."""
    start = _at(file, 0, 16)
    if not start.startswith(b"PK\x03\x04"):
        raise _OddError(*_what_it_is(start))
    count, first, end = _directory(file, size)
    raw = _at(file, first, end - first)
    entries: dict[str, Entry] = {}
    position, data_end, folder = 0, 0, b""
    for _ in range(count):
        name, flags, header, entry_size, crc, position = _directory_entry(raw, position)
        top, slash, rest = name.partition(b"/")
        if not slash or not top or top != (folder or top):
            raise _OddError("has entries outside of one folder")
        folder = top
        known = _known(rest)
        if known in entries:
            raise _OddError(f"has two entries {known!r}")
        if header != data_end:  # the order of the directory is that of the file
            raise _OddError("has a gap or an overlap between its entries")
        start_of_data = _check_local(file, header, name, flags, entry_size, crc)
        entries[known] = Entry(start_of_data, entry_size, crc)
        data_end = start_of_data + entry_size
        if data_end > first:
            raise _OddError("has an entry that runs into the directory")
        if flags & _HAS_DESCRIPTOR:
            data_end += _descriptor_size(file, data_end, entry_size, crc)
    if position != len(raw) or data_end != first:
        raise _OddError("has bytes that belong to no entry")
    return entries


def _directory(file: BinaryIO, size: int) -> tuple[int, int, int]:
    """How many entries the directory has, where it starts and where it ends."""
    if size < _END.size:
        raise _OddError("is cut off")
    here = size - _END.size
    mark, disk, first_disk, on_disk, count, length, start, comment = _END.unpack(_at(file, here, _END.size))
    if mark != b"PK\x05\x06" or comment or disk or first_disk or on_disk != count:
        raise _OddError("is cut off, or something follows its end")
    end = here
    before = max(0, here - _LOCATOR.size)
    if _at(file, before, 4) == b"PK\x06\x07":
        end = before - _END64.size
        if end < 0:
            raise _OddError("is cut off")
        _, disk, record, disks = _LOCATOR.unpack(_at(file, before, _LOCATOR.size))
        wide = _END64.unpack(_at(file, end, _END64.size))
        if record != end or disk or disks != 1 or wide[:2] != (b"PK\x06\x06", 44) or any(wide[4:6]):
            raise _OddError("has a damaged end")
        if wide[6] != wide[7] or any(
            short not in (long, most)
            for short, long, most in (
                (count, wide[7], 0xFFFF),
                (length, wide[8], _FULL),
                (start, wide[9], _FULL),
            )
        ):
            raise _OddError("has two ends that contradict each other")
        count, length, start = wide[7:]
    if count > MOST_ENTRIES or length > _LARGEST_DIRECTORY:
        raise _OddError(f"has a directory of {count} entries")
    if start + length != end:
        raise _OddError("is cut off, or something stands between its directory and its end")
    return count, start, end


def _directory_entry(raw: bytes, position: int) -> tuple[bytes, int, int, int, int, int]:
    """Name, flags, place of the local header, size, CRC-32, and where the directory's next entry starts."""
    if position + _ENTRY.size > len(raw):
        raise _OddError("has a directory that is cut off")
    fields = _ENTRY.unpack_from(raw, position)
    mark, _, _, flags, method, _, _, crc, packed, size, n_name, n_extra, n_comment, disk, _, _, header = (
        fields
    )
    position += _ENTRY.size
    name, extra = raw[position : position + n_name], raw[position + n_name : position + n_name + n_extra]
    if mark != b"PK\x01\x02" or n_comment or disk or len(name) != n_name or len(extra) != n_extra:
        raise _OddError("has a damaged directory")
    if flags & ~(_HAS_DESCRIPTOR | _UTF8):
        raise _OddError("has an encrypted or otherwise unusual entry")
    if method:
        raise _OddError("has a compressed entry, which torch.save never writes")
    size, packed, header = _wide(extra, size, packed, header)
    if size != packed:
        raise _OddError("has an entry with two sizes")
    return name, flags, header, size, crc, position + n_name + n_extra


def _wide(extra: bytes, *values: int) -> list[int]:
    """The values; those that do not fit 32 bits from the 64-bit field, which is all `extra` may hold."""
    wanted = [value == _FULL for value in values]
    expected = struct.pack("<2H", 1, 8 * sum(wanted)) if any(wanted) else b""
    if len(extra) != len(expected) + 8 * sum(wanted) or not extra.startswith(expected):
        raise _OddError("has an entry with unusual fields")
    wide = iter(struct.unpack_from(f"<{sum(wanted)}Q", extra, len(expected)))
    return [next(wide) if want else value for value, want in zip(values, wanted, strict=True)]


def _check_local(file: BinaryIO, header: int, name: bytes, flags: int, size: int, crc: int) -> int:
    """Where the data starts, after its own header was found to say what the directory says."""
    raw = _at(file, header, _LOCAL.size)
    mark, _, own_flags, method, _, _, own_crc, packed, own_size, n_name, n_extra = _LOCAL.unpack(raw)
    later = (0,) if flags & _HAS_DESCRIPTOR else ()  # told after the data
    if (
        mark != b"PK\x03\x04"
        or (own_flags, method) != (flags, 0)
        or own_crc not in (crc, *later)
        or any(value not in (size, _FULL, *later) for value in (own_size, packed))
        or _at(file, header + _LOCAL.size, n_name) != name
    ):
        raise _OddError("has an entry that its directory describes otherwise")
    length: int = _LOCAL.size + n_name + n_extra
    return header + length


def _descriptor_size(file: BinaryIO, position: int, size: int, crc: int) -> int:
    """How long the descriptor after an entry's data is; it must say what the directory says."""
    file.seek(position)
    found = file.read(24)
    if found == struct.pack("<4sL2Q", b"PK\x07\x08", crc, size, size):
        return 24
    if found[:16] == struct.pack("<4s3L", b"PK\x07\x08", crc, size & _FULL, size & _FULL):
        return 16
    raise _OddError("has an entry that is not followed by its size")


def _known(name: bytes) -> str:
    """The name of an entry in its folder, if torch.save writes such ones."""
    text = name.decode("ascii", "replace")
    if name in (b"constants.pkl", b"model.json") or name.startswith(b"code/"):
        raise _OddError("is a TorchScript program, not a checkpoint", "bbyte reads weights, never programs")
    if not _NAME.fullmatch(text):
        raise _OddError(f"has an entry {text[:80]!r}, which torch.save does not write")
    return text


def _content(file: BinaryIO, entry: Entry, name: str) -> bytes:
    content = _at(file, entry.start, entry.size)
    if zlib.crc32(content) != entry.crc:
        raise _OddError(f"is damaged: its {name} is not what was saved")
    return content


def _at(file: BinaryIO, position: int, length: int) -> bytes:
    file.seek(position)
    found = file.read(length)
    if len(found) != length and position:
        raise _OddError("is cut off")
    return found


def _what_it_is(start: bytes) -> tuple[str, str]:
    """What a file that is no zip archive seems to be, and what to do with it."""
    if b"\x8a\x0al\xfc\x9cF\xf9 j\xa8P\x19." in start:
        return "was saved by a torch older than 1.6, in a form that is not safe to read", SAVE_AGAIN
    if start[:1] == b"\x80" and start[1:2] <= b"\x05":
        return "is a bare pickle, which can run any program when it is read", SAVE_AGAIN
    if start[:2] in (b"\x1f\x8b", b"BZ") or start[:4] in (b"\xfd7zX", b"\x28\xb5\x2f\xfd"):
        return "is a compressed file, not a checkpoint", "unpack it first"
    if start[8:9] == b"{":
        return "seems to be a safetensors file, not one that torch.save writes", "is this the right file?"
    return "is no file that torch.save writes, or a very old one", SAVE_AGAIN
