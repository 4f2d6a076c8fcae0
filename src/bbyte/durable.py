"""Writing that survives a crash or a power loss: flushed to the disk, and whole or not at all."""

import errno
import os
import shutil
from contextlib import suppress
from pathlib import Path


def write_text(path: Path, text: str) -> None:
    """Write a new file and flush it to the disk. Raises FileExistsError where there is one."""
    with path.open("x", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())


def replace_text(path: Path, text: str) -> None:
    """Write a file so that a crash leaves the old one or the new one, and nothing between."""
    temporary = path.with_name(f".tmp-{path.name}")
    temporary.unlink(missing_ok=True)
    try:
        write_text(temporary, text)
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    flush_folder(path.parent)


def discard(folder: Path) -> None:
    """Remove a folder, if it is there, so that a crash leaves no part of it that looks like the whole."""
    doomed = folder.with_name(f".tmp-{folder.name}")
    with suppress(FileNotFoundError):
        folder.rename(doomed)
        shutil.rmtree(doomed, ignore_errors=True)


def flush_folder(folder: Path) -> None:
    """Make the entries of a folder survive a power loss; without effect where folders cannot be flushed."""
    if os.name == "nt":
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    except OSError as error:
        if error.errno != errno.EINVAL:  # the answer of file systems that flush files only
            raise
    finally:
        os.close(descriptor)
