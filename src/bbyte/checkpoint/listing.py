"""The checkpoints under a folder, by their checkpoint.json alone. Imports no torch."""

from collections.abc import Sequence
from dataclasses import dataclass
from fnmatch import fnmatch
from pathlib import Path
from typing import Literal

from bbyte import folders
from bbyte.checkpoint import contents, find, meta
from bbyte.checkpoint.meta import CheckpointMeta
from bbyte.errors import BbyteError


@dataclass(frozen=True)
class Listed:
    """A checkpoint: what it says of itself, or why that cannot be believed.

    bytes: the size of all its files, 0 unless it is ok. changed: when it was saved, in seconds since the
    epoch.
    """

    path: Path
    meta: CheckpointMeta | None
    state: Literal["ok", "damaged", "unreadable"]
    problem: str
    bytes: int
    changed: float


@dataclass(frozen=True)
class Listing:
    """What was found: checkpoints, last saved first; legacy files; why some folders cannot be read."""

    checkpoints: tuple[Listed, ...]
    legacy: tuple[Path, ...]
    problems: tuple[str, ...]


def listing(root: Path) -> Listing:
    """The checkpoints in `root` and below, damaged ones too. Of files only the sizes are checked."""
    found: list[Listed] = []
    legacy: list[Path] = []
    problems = []
    for folder in folders.below(root):
        if folder.error is not None:
            problems.append(contents.why(folder.error))
        if meta.FILE in folder.files and not is_aside(folder.path):
            found.append(_listed(folder.path))
        legacy += [folder.path / name for name in folder.files if name.lower().endswith(find.LEGACY)]
    found.sort(key=lambda one: (-one.changed, one.path))
    return Listing(tuple(found), tuple(legacy), tuple(problems))


def is_aside(folder: Path) -> bool:
    """Whether this checkpoint was only set aside while a save put another in its place."""
    kept = folder.with_suffix("")
    return folder.suffix == find.ASIDE and fnmatch(kept.name, find.STEP) and kept.is_dir()


def best(checkpoints: Sequence[Listed]) -> set[Path]:
    """The checkpoints with the lowest validation figure of those that compare with each other.

    These are figures on the same held-out bytes, and either exact or bounds. The full-precision start of a
    ternary run is left out: it is not what the run is to become.
    """
    lowest: dict[tuple[object, ...], tuple[float, Path]] = {}
    for one in checkpoints:
        bpb = contents.validation(one.meta) if one.meta is not None else None
        if one.meta is None or bpb is None or contents.is_unfinished(one.meta):
            continue
        corpus = one.meta.corpus
        kind = (corpus["fingerprint"], corpus.get("val_fraction"), contents.is_bound(one.meta))
        entry = (bpb, one.path)
        lowest[kind] = min(entry, lowest.get(kind, entry))
    return {path for _, path in lowest.values()}


def _listed(path: Path) -> Listed:
    changed = 0.0
    try:
        changed = (path / meta.FILE).stat().st_mtime
        content = meta.read(path)
        return Listed(path, content, "ok", "", sum(contents.sizes(path, content).values()), changed)
    except BbyteError as error:
        return Listed(path, None, "damaged", contents.why(error), 0, changed)
    except OSError as error:
        return Listed(path, None, "unreadable", contents.why(error), 0, changed)
