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
    return ROOT / f"{name_of(found)}-{form}"


def name_of(found: Found) -> str:
    """What an export is called after: the run, or the folder of a packed checkpoint."""
    folder = found.path.resolve()
    return folder.name.removesuffix("-packed") if found.meta.kind == "packed" else folder.parent.name


@contextmanager
def placed(target: Path, *, force: bool = False, marked: str = "") -> Iterator[Path]:
    """A hidden path beside `target` to write a file or folder to, renamed to it when the block is through.

    Raises UsageError where there is something already, unless `force`: then it gives way at the very end,
    but only a file for a file, and for a folder one with the file `marked` in it. When the block fails
    nothing is left and what was there stays.
    """
    temporary = target.with_name(f".tmp-export-{target.name}")
    aside = target.with_name(f".tmp-old-{target.name}")
    if aside.exists() and not target.exists():
        aside.rename(target)  # where a kill came between the two renames below
    if target.exists() or target.is_symlink():
        if not force:
            raise UsageError(f"{target} is there already", "--force replaces it, --out takes another place")
        if target.is_dir() and not (marked and (target / marked).is_file()):
            raise UsageError(f"{target} is a folder of something else", "--out takes another place")
        if marked and not target.is_dir():
            raise UsageError(f"{target} is a file", "--out takes a folder")
    target.parent.mkdir(parents=True, exist_ok=True)
    _remove(temporary)
    _remove(aside)
    try:
        yield temporary
        if temporary.is_dir():
            durable.flush_folder(temporary)
        if target.exists() or target.is_symlink():
            target.rename(aside)
        try:
            temporary.rename(target)
        except BaseException:
            if aside.exists():
                aside.rename(target)
            raise
        durable.flush_folder(target.parent)
        _remove(aside)
    finally:
        _remove(temporary)


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
