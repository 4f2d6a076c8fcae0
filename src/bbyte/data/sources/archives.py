"""The files in .zip and .tar archives, in the order in which the archive holds them."""

import errno
import lzma
import zipfile
import zlib
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import PurePosixPath
from typing import IO, BinaryIO

from bbyte.data.sources.tar import Member, members
from bbyte.errors import DataError

SUFFIXES = (".zip", ".tar")

_READ = 1 << 20
_HEADER = 30
_LINK = 0o120000
_ENCRYPTED = 1
_DAMAGE = (zipfile.BadZipFile, zlib.error, lzma.LZMAError, EOFError, ValueError)
_UNPACK = "unpack it, and pack what was in it"
_AGAIN = "get it again from its source"


def tar_members(pieces: Iterable[bytes | memoryview], name: str) -> Iterator[Member]:
    """The files of a tar archive given in pieces; those that are never read are there with the reason.

    Raises DataError as `tar.members` does.
    """
    for member in members(pieces, name):
        member.refused = f"it is {member.refused}" if member.refused else _refused_name(member.name)
        yield member


def zip_members(file: BinaryIO, name: str) -> Iterator[tuple[Member, int]]:
    """The files of a zip archive, and how many bytes each takes in it, in the order of its table of contents.

    That table is held in memory, some 500 bytes a member. name: for the messages. Raises DataError for an
    archive that is truncated, damaged or encrypted, or whose members overlap.
    """
    with _damage_told(name), zipfile.ZipFile(file) as archive:
        _check_overlap(archive, name)
        for info in archive.infolist():
            if info.is_dir():
                continue
            refused = _refused_name(info.filename)
            if info.external_attr >> 16 & 0o170000 == _LINK:
                refused = "it is a link"
            if info.flag_bits & _ENCRYPTED:
                raise DataError(f"{name} is encrypted", _UNPACK)
            with archive.open(info) as opened:
                yield Member(info.filename, info.file_size, refused, _read(opened, name)), info.compress_size


def _read(opened: IO[bytes], name: str) -> Iterator[memoryview]:
    with _damage_told(name):
        while piece := opened.read(_READ):
            yield memoryview(piece)


@contextmanager
def _damage_told(name: str) -> Iterator[None]:
    try:
        yield
    except NotImplementedError as error:
        raise DataError(f"{name} cannot be unpacked: {_reason(error)}", _UNPACK) from None
    except OSError as error:
        if error.errno not in (None, errno.EINVAL):  # these are bz2's, and of a place before the beginning
            raise
        raise DataError(f"{name} is damaged: {_reason(error)}", _AGAIN) from None
    except _DAMAGE as error:
        raise DataError(f"{name} is damaged: {_reason(error)}", _AGAIN) from None


def _check_overlap(archive: zipfile.ZipFile, name: str) -> None:
    """Members that share their compressed bytes are how a small archive unpacks to petabytes."""
    infos = sorted(archive.infolist(), key=lambda info: info.header_offset)
    ends = [info.header_offset + _HEADER + info.compress_size for info in infos]
    starts = [*(info.header_offset for info in infos[1:]), archive.start_dir]
    if any(end > start for end, start in zip(ends, starts, strict=False)):
        raise DataError(f"{name} is damaged: its members overlap", _AGAIN)


def _refused_name(name: str) -> str:
    path = PurePosixPath(name.replace("\\", "/"))
    return "its name leads out of the archive" if path.is_absolute() or ".." in path.parts else ""


def _reason(error: Exception) -> str:
    words = str(error).strip()
    return words[:1].lower() + words[1:] if words else type(error).__name__
