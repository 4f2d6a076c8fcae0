"""Reads a whole file and sets its documents aside: before their turn, or until it is known to be sound."""

import errno
from dataclasses import dataclass
from pathlib import Path

from bbyte.data import spool
from bbyte.data.account import Account
from bbyte.data.meta import Source
from bbyte.data.sources.documents import NoText, Reading, documents
from bbyte.data.sources.file import File, OnRead, Skipped, Stored
from bbyte.errors import BbyteError, UsageError

_UNREADABLE = {errno.EACCES, errno.EPERM, errno.EIO, errno.ENOENT, errno.ESTALE}


@dataclass(frozen=True)
class Aside:
    """A file that was read. place: where its documents lie. problem: why it could not be read, if so."""

    place: Path
    source: Source
    account: Account
    problem: str = ""


def set_aside(
    file: File, reading: Reading, place: Path, *, skip_bad: bool, on_read: OnRead | None = None
) -> Aside:
    """Read a file and write its documents to `place` (see `bbyte.data.spool`).

    skip_bad: whether damage is told as the `problem` instead of raised. Otherwise raises as `documents` does.
    """
    stored, account = Stored(file, on_read), Account()
    problem = ""
    with spool.SpoolWriter(place) as writer:
        try:
            for found in documents(stored, reading):
                if isinstance(found, NoText):
                    account.without_text += 1
                elif isinstance(found, Skipped):
                    account.skip(found)
                else:
                    writer.add(found)
        except (BbyteError, OSError) as error:
            if not (skip_bad and _is_of_the_file(error)):
                raise
            problem = error.message if isinstance(error, BbyteError) else f"{file}: {error.strerror}"
    return Aside(place, stored.source(writer.count), account, problem)


def _is_of_the_file(error: BbyteError | OSError) -> bool:
    """Whether another file may fare better: not so where the request is off or this disk is full."""
    if isinstance(error, OSError):
        return error.errno in _UNREADABLE
    return not isinstance(error, UsageError)
