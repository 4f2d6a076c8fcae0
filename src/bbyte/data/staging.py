"""Folders that appear whole or not at all: written beside their place under a hidden name, then moved in."""

import contextlib
import secrets
import shutil
from collections.abc import Iterator
from pathlib import Path

from filelock import FileLock, Timeout

from bbyte.data import meta
from bbyte.durable import flush_folder
from bbyte.errors import UsageError

_LOCK = "writing.lock"


@contextlib.contextmanager
def new_corpus_folder(target: Path, *, replace: bool) -> Iterator[Path]:
    """An empty folder to write a corpus into; it becomes `target` when the block ends without an exception.

    Until then `target` stays as it is, and if the block fails nothing is left behind. What an earlier
    process that was killed left is removed. Where a corpus is replaced the new one is safe from a power
    loss before the old one goes. Raises UsageError as `check_target` does.
    """
    check_target(target, replace=replace)
    durable = holds_anything(target)
    target = target.resolve()
    made = _make_parents(target)
    try:
        _recover(target)
        _remove_stale(target)
        folder = target.with_name(_partial_prefix(target) + secrets.token_hex(4))
        folder.mkdir()
        lock = FileLock(folder / _LOCK)
        try:
            lock.acquire()
            yield folder
            lock.release()
            (folder / _LOCK).unlink(missing_ok=True)
            _put_in_place(folder, target, durable=durable)
        finally:
            lock.release()
            shutil.rmtree(folder, ignore_errors=True)
    except BaseException:
        for parent in reversed(made):
            with contextlib.suppress(OSError):
                parent.rmdir()
        raise


def check_target(target: Path, *, replace: bool) -> None:
    """Raise UsageError unless a corpus may be written to `target`.

    A folder with anything in it is taken only with `replace`, and only if all it holds is a corpus.
    """
    if not target.exists():
        if target.is_symlink():
            raise UsageError(f"{target} is a link that leads nowhere", "name another folder")
        return
    if not target.is_dir():
        raise UsageError(f"{target} is a file, not a folder", "name a folder that does not exist yet")
    if target.is_mount() or target.resolve() == Path.cwd():
        raise UsageError(f"{target} itself cannot be replaced", "name a folder inside of it")
    if not holds_anything(target):
        return
    if not replace:
        raise UsageError(
            f"{target} is not empty", "name another folder, or add --force to replace the corpus in it"
        )
    foreign = _first_foreign(target)
    if foreign is not None:
        raise UsageError(
            f"{target} is not replaced: it holds {foreign.relative_to(target)}, which is no part of a corpus",
            "name another folder",
        )


def holds_anything(target: Path) -> bool:
    """Whether there is something in the folder `target` that writing to it would replace."""
    return target.is_dir() and any(target.iterdir())


def is_staging_name(path: Path, target: Path) -> bool:
    """Whether `path` is one of the hidden folders beside `target` that are used while it is written."""
    return path.parent == target.parent and path.name.startswith(
        (_partial_prefix(target), _previous(target).name)
    )


def _first_foreign(folder: Path) -> Path | None:
    for entry in sorted(folder.iterdir()):
        if entry.is_symlink():
            return entry
        if entry.is_dir():
            foreign = _first_foreign(entry) if entry.name == meta.VAL_FOLDER else entry
            if foreign is not None:
                return foreign
        elif not (entry.name in (meta.FILE, meta.INDEX_FILE) or meta.is_shard_name(entry.name)):
            return entry
    return None


def _make_parents(target: Path) -> list[Path]:
    missing = []
    for parent in target.parents:
        if parent.exists():
            break
        missing.append(parent)
    target.parent.mkdir(parents=True, exist_ok=True)
    return missing[::-1]


def _remove_stale(target: Path) -> None:
    for folder in target.parent.glob(f"{_escaped(_partial_prefix(target))}*"):
        if not folder.is_dir() or folder.is_symlink():
            continue
        lock = FileLock(folder / _LOCK)
        try:
            lock.acquire(timeout=0)
        except Timeout:
            continue
        lock.release()
        shutil.rmtree(folder, ignore_errors=True)


def _escaped(name: str) -> str:
    return "".join(f"[{character}]" if character in "*?[" else character for character in name)


def _put_in_place(folder: Path, target: Path, *, durable: bool) -> None:
    """Two renames where something is in the way, undone if the last step fails."""
    if durable:
        flush_folder(folder)
    if target.exists():
        target.rename(_previous(target))
    try:
        folder.rename(target)
        if durable:
            flush_folder(target.parent)
    except BaseException:
        if not folder.exists():
            target.rename(folder)
        raise
    finally:
        _recover(target)


def _recover(target: Path) -> None:
    """Whatever happened between the renames: the new folder is there, or the previous one is put back."""
    previous = _previous(target)
    if previous.exists():
        if target.exists():
            shutil.rmtree(previous, ignore_errors=True)
        else:
            previous.rename(target)


def _partial_prefix(target: Path) -> str:
    return f".{target.name}.partial-"


def _previous(target: Path) -> Path:
    return target.with_name(f".{target.name}.previous")
