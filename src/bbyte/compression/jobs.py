"""Whole jobs: what is written is decoded again by a fresh process, and a file is kept only if that agrees."""

import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import BinaryIO

from bbyte.compression.coder import Coding, Make, Opener
from bbyte.compression.expansion import read_archive
from bbyte.compression.files import new_file
from bbyte.compression.fresh import FreshProcess
from bbyte.compression.layout import CHUNK
from bbyte.compression.salvage import Salvaged, salvage
from bbyte.compression.writer import Report, Source, Summary, Write, Written, write_archive

_AT_ONCE = 1 << 16
Verify = Callable[[int], None]
"""Told how many bytes of the archive were given to the process that verifies it."""


def compress_file(
    source: BinaryIO,
    name: str,
    target: Path,
    coder: tuple[Coding, Make] | None,
    *,
    size: int | None = None,
    force: bool = False,
    inherits: bool = True,
    verify: Sequence[str] | None = None,
    chunk_bytes: int = CHUNK,
    threads: int = 0,
    on_progress: Written | None = None,
    on_verify: Verify | None = None,
) -> Summary:
    """Compress `source` to the new file `target`, whole or not at all.

    inherits: take permissions and time of change from the source. verify: the command of `FreshProcess`,
    which reads the new file back before it gets its name. Raises what `new_file`, `write_archive` and
    `FreshProcess.compare` raise; there is no new file then.
    """
    with new_file(target, force=force, like=source if inherits else None) as file:
        done = write_archive(
            source, file.write, coder,
            name=name, size=size, chunk_bytes=chunk_bytes, threads=threads, on_progress=on_progress,
        )  # fmt: skip
        if verify is not None:
            file.flush()
            os.fsync(file.fileno())
            file.seek(0)
            _verify(file, verify, done, name, on_verify)
    return done


def _verify(
    archive: BinaryIO, command: Sequence[str], done: Summary, name: str, on_verify: Verify | None
) -> None:
    given = 0
    with FreshProcess(command) as process:
        while piece := archive.read(_AT_ONCE):
            process.write(piece)
            given += len(piece)
            if on_verify is not None:
                on_verify(given)
        process.compare(done.blake3, name)


def compress_stream(
    source: Source,
    name: str,
    write: Write,
    coder: tuple[Coding, Make] | None,
    *,
    size: int | None = None,
    verify: Sequence[str] | None = None,
    chunk_bytes: int = CHUNK,
    threads: int = 0,
    on_progress: Written | None = None,
) -> Summary:
    """Compress `source` to a stream; with `verify` the fresh process decodes it as it goes out.

    Raises what `write_archive` and `FreshProcess.compare` raise, the latter when all was written.
    """

    def compress(out: Write) -> Summary:
        return write_archive(
            source, out, coder,
            name=name, size=size, chunk_bytes=chunk_bytes, threads=threads, on_progress=on_progress,
        )  # fmt: skip

    if verify is None:
        return compress(write)
    with FreshProcess(verify) as process:

        def both(data: bytes) -> None:
            write(data)
            process.write(data)

        done = compress(both)
        process.compare(done.blake3, name)
    return done


def decompress_file(
    source: BinaryIO,
    name: str,
    target: Path,
    opener: Opener,
    *,
    force: bool = False,
    inherits: bool = True,
    threads: int = 0,
    on_progress: Report | None = None,
) -> Summary:
    """Decompress `source` to the new file `target`, whole or not at all, as `compress_file` does."""
    with new_file(target, force=force, like=source if inherits else None) as file:
        return read_archive(source, file.write, opener, name=name, threads=threads, on_progress=on_progress)


def salvage_file(
    source: BinaryIO,
    name: str,
    target: Path,
    opener: Opener,
    *,
    force: bool = False,
    inherits: bool = True,
    threads: int = 0,
    on_progress: Report | None = None,
) -> Salvaged:
    """Write the good chunks of `source` to the new file `target`."""
    with new_file(target, force=force, like=source if inherits else None) as file:
        return salvage(source, file.write, opener, name=name, threads=threads, on_progress=on_progress)
