"""Which checkpoint a path means, and whether its files are what they were when saved. Imports no torch."""

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from bbyte import manifest
from bbyte.checkpoint import meta
from bbyte.checkpoint.meta import CheckpointMeta
from bbyte.checkpoint.tensors import DAMAGED
from bbyte.errors import BbyteError, DataError, UsageError

T = TypeVar("T")
ROOT = Path("artifacts/checkpoints")
STEP = "step-*"
LEGACY = (".pt", ".pth")
"""Endings of the files that torch.save wrote for earlier scripts."""
ASIDE = ".old"
"""Ends the name of a checkpoint while a save puts another of the same step in its place."""


@dataclass(frozen=True)
class Found:
    """A checkpoint that verified, and the newer ones that did not: (path, why)."""

    path: Path
    meta: CheckpointMeta
    skipped: tuple[tuple[Path, str], ...] = ()


def verify(folder: Path) -> CheckpointMeta:
    """Compare each file's size and digest with checkpoint.json.

    Raises DataError naming the file that is damaged, missing or no plain file, and OSError for one that the
    system does not let be read: that is no damage, and no reason to go back to an older checkpoint.
    """
    content = meta.read(folder)
    for name, entry in content.files.items():
        path = folder / name
        with manifest.opened(path, DAMAGED) as file:
            if (size := os.fstat(file.fileno()).st_size) != entry["bytes"]:
                raise DataError(f"{path} is {size} bytes long, not {entry['bytes']}", DAMAGED)
            if manifest.digest_of(file) != entry["blake3"]:
                raise DataError(f"{path} does not match the digest in checkpoint.json", DAMAGED)
    return content


def find(path: Path) -> Found:
    """The checkpoint that `path` means: itself, or the newest good one of a run folder.

    Raises UsageError where there is none, DataError where each one is damaged.
    """
    return Found(*newest_of(path, verify))


def newest_of(path: Path, read: Callable[[Path], T]) -> tuple[Path, T, tuple[tuple[Path, str], ...]]:
    """The checkpoint folder that `path` means, what `read` gives for it, and the newer ones it refused.

    `path` is the folder, a file in it, or a run's folder: then it is the newest that `read` raises no
    DataError for. Raises as `find`.
    """
    if not path.is_dir() and path.exists() and (path.parent / meta.FILE).exists():
        path = path.parent
    if (path / meta.FILE).exists():
        return path, read(path), ()
    if not path.exists():
        raise UsageError(
            f"{path} does not exist", "a checkpoint is a folder such as step-0002000, or its run's folder"
        )
    refuse_legacy(path)
    skipped: list[tuple[Path, str]] = []
    for step in steps(path):
        try:
            return step, read(step), tuple(skipped)
        except DataError as error:
            skipped.append((step, error.message))
    if skipped:
        raise DataError(f"{path}: none of its {len(skipped)} checkpoints is intact; {skipped[0][1]}", DAMAGED)
    raise UsageError(f"{path} holds no checkpoint", "a checkpoint is a folder with a checkpoint.json")


def refuse_legacy(path: Path) -> None:
    """Raise UsageError, naming what converts it, for a checkpoint of earlier scripts."""
    if path.name.lower().endswith(LEGACY):
        raise UsageError(
            f"{path} is a checkpoint of earlier scripts", f"bbyte tag-ckpt {path} --apply converts it"
        )


def steps(run: Path) -> list[Path]:
    """The checkpoint folders of a run, newest step first, unchecked."""
    found = {step for step in run.glob(STEP) if (step / meta.FILE).exists()}
    found -= {step.with_suffix(ASIDE) for step in found if not step.suffix}
    return sorted(found, key=lambda step: (len(step.stem), step.stem), reverse=True)


def runs(root: Path = ROOT) -> list[Path]:
    """The run folders under `root` that hold a checkpoint, newest checkpoint first."""
    found = [(steps(run)[0].stat().st_mtime, run) for run in root.glob("*") if steps(run)]
    return [run for _, run in sorted(found, reverse=True)]


def newest(root: Path = ROOT) -> Path:
    """The run folder with the newest checkpoint. Raises BbyteError, saying what makes one."""
    found = runs(root)
    if not found:
        raise BbyteError(
            f"there is no checkpoint under {root} yet", "bbyte quickstart trains one in two minutes"
        )
    return found[0]
