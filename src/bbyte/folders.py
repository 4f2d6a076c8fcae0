"""Walking through folders that anyone may have filled: nothing in them can stop the walk."""

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Folder:
    """A folder met on a walk: the names of what is in it besides folders, or why it cannot be read."""

    path: Path
    files: tuple[str, ...]
    error: OSError | None = None


def below(root: Path) -> Iterator[Folder]:
    """`root` and every folder below it, sorted by path. Hidden ones, where temporaries lie, are left out.

    Links to folders are followed, and no folder is met twice. Nothing is opened but folders.
    """
    met: set[tuple[int, int]] = set()
    waiting = [root]
    while waiting:
        path = waiting.pop()
        try:
            known = path.stat()
            if (known.st_dev, known.st_ino) in met:
                continue
            met.add((known.st_dev, known.st_ino))
            files, inside = _entries(path)
        except OSError as error:
            yield Folder(path, (), error)
            continue
        waiting += [path / name for name in reversed(inside) if not name.startswith(".")]
        yield Folder(path, tuple(files))


def _entries(path: Path) -> tuple[list[str], list[str]]:
    files: list[str] = []
    inside: list[str] = []
    with os.scandir(path) as entries:
        for entry in entries:
            try:
                is_folder = entry.is_dir()
            except OSError:  # a link that leads in a circle
                is_folder = False
            (inside if is_folder else files).append(entry.name)
    return sorted(files), sorted(inside)
