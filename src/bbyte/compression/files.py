"""The files around an archive: how they are named, and that they appear whole or not at all."""

import contextlib
import os
import secrets
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from bbyte.durable import flush_folder
from bbyte.errors import UsageError

SUFFIX = ".bbz"


def archive_path(path: Path) -> Path:
    """Where the archive of a file goes. Raises UsageError for what is an archive by its name."""
    if path.suffix == SUFFIX:
        raise UsageError(f"{path} is compressed already, by its name", "-o OUT compresses it all the same")
    return path.with_name(path.name + SUFFIX)


def plain_path(path: Path) -> Path:
    """Where the bytes of an archive go. Raises UsageError where its name does not tell."""
    if path.suffix != SUFFIX or not path.stem:
        raise UsageError(f"{path} does not end in {SUFFIX}", "-o OUT says where its bytes go")
    return path.with_suffix("")


def opened(path: Path) -> tuple[BinaryIO, int | None]:
    """A file or a pipe to read, and the size of the file. Raises UsageError for a folder."""
    if path.is_dir():
        raise UsageError(f"{path} is a folder", "tar makes one file of it: tar c FOLDER | bbyte compress -")
    file = path.open("rb")
    status = os.fstat(file.fileno())
    return file, status.st_size if stat.S_ISREG(status.st_mode) else None


@contextlib.contextmanager
def new_file(target: Path, *, force: bool, like: BinaryIO | None) -> Iterator[BinaryIO]:
    """A file to write, and to read again, that becomes `target` when the block ends without an exception.

    Until then it has a hidden name beside it; if the block fails nothing is left behind. like: the file whose
    permissions and time of change it gets, if that is a plain file. Raises UsageError where there is
    something at `target`, unless `force`: then a plain file other than `like` is replaced, at the very end.
    """
    _check(target, force, like)
    temporary = target.with_name(f".{target.name}.partial-{secrets.token_hex(4)}")
    status = os.fstat(like.fileno()) if like is not None else None
    is_plain = status is not None and stat.S_ISREG(status.st_mode)
    flags = os.O_RDWR | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0)
    try:
        # What a file with few readers was compressed to has, also meanwhile, no others.
        with os.fdopen(os.open(temporary, flags, 0o600 if is_plain else 0o666), "w+b") as file:
            yield file
            file.flush()
            if status is not None and is_plain:
                temporary.chmod(stat.S_IMODE(status.st_mode) & 0o777)
                os.utime(temporary, ns=(status.st_atime_ns, status.st_mtime_ns))
            os.fsync(file.fileno())
        _put_in_place(temporary, target, force)
    finally:
        temporary.unlink(missing_ok=True)
    flush_folder(target.parent)


def _check(target: Path, force: bool, like: BinaryIO | None) -> None:
    if not (target.exists() or target.is_symlink()):
        return
    if not force:
        raise UsageError(f"{target} is there already", "-f replaces it, -o OUT takes another place")
    if not target.is_file():
        raise UsageError(f"{target} is no plain file", "-c writes to standard output")
    if like is not None and os.path.samestat(target.stat(), os.fstat(like.fileno())):
        raise UsageError(f"{target} is what is read", "-o OUT takes another place")


def _put_in_place(temporary: Path, target: Path, force: bool) -> None:
    if not force:
        try:
            os.link(temporary, target)  # other than a rename, this replaces nothing that came meanwhile
        except FileExistsError:
            raise UsageError(
                f"{target} came to be there meanwhile", "-f replaces it, -o OUT takes another place"
            ) from None
        except (OSError, NotImplementedError):  # a file system without links
            pass
        else:
            return
    temporary.replace(target)
