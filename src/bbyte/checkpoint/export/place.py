"""Where an export goes: complete under its name, or not there."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from bbyte import durable
from bbyte.checkpoint.find import Found
from bbyte.errors import UsageError

ROOT = Path("artifacts/exports")


def default_target(found: Found, form: str) -> Path:
    """The folder or file that an export goes to by default, named after its run: tales-packed."""
    return ROOT / f"{found.path.resolve().parent.name}-{form}"


@contextmanager
def placed(target: Path, *, force: bool = False) -> Iterator[Path]:
    """A hidden path beside `target` to write a file or folder to, renamed to it when the block is through.

    Raises UsageError where there is something already, unless `force`: then it gives way at the very end.
    When the block fails nothing is left and what was there stays.
    """
    if (target.exists() or target.is_symlink()) and not force:
        raise UsageError(f"{target} is there already", "--force replaces it, --out takes another place")
    target.parent.mkdir(parents=True, exist_ok=True)
    temporary = target.with_name(f".tmp-export-{target.name}")
    _remove(temporary)
    try:
        yield temporary
        if temporary.is_dir():
            durable.flush_folder(temporary)
        aside = target.with_name(f".tmp-old-{target.name}")
        _remove(aside)
        if target.exists() or target.is_symlink():
            target.rename(aside)
        temporary.rename(target)
        durable.flush_folder(target.parent)
        _remove(aside)
    finally:
        _remove(temporary)


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
