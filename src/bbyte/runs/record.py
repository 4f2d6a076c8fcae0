"""What the folder of a run tells, read without torch and without ever failing: see `Record.problems`."""

import json
import math
import tomllib
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

from filelock import FileLock, Timeout

from bbyte.checkpoint import find, meta, tensors
from bbyte.checkpoint.meta import CheckpointMeta
from bbyte.errors import BbyteError, DataError
from bbyte.runs import folder as runs
from bbyte.runs import log

LARGEST = 1 << 20
"""Bytes of a file of settings."""

State = Literal["training", "finished", "interrupted"]


@dataclass(frozen=True)
class Checkpoint:
    """A checkpoint of a run: what it says of itself, or why that cannot be read, and its size on the disk."""

    path: Path
    meta: CheckpointMeta | None
    problem: str
    bytes: int


@dataclass(frozen=True)
class Record:
    """What a run's folder tells.

    settings: those of config.toml by "table.name", in its order. checkpoints: newest first.
    changed: when the run was last heard of, in seconds since the epoch. problems: what could not be read.
    """

    folder: Path
    settings: dict[str, Any]
    environment: dict[str, Any]
    log: log.Log
    checkpoints: tuple[Checkpoint, ...]
    is_training: bool
    changed: float
    problems: tuple[str, ...]

    @property
    def name(self) -> str:
        """The name of its folder."""
        return self.folder.resolve().name

    @property
    def newest(self) -> CheckpointMeta | None:
        """The newest checkpoint that can be read."""
        return next((found.meta for found in self.checkpoints if found.meta is not None), None)

    @property
    def family(self) -> str:
        """The model's family; empty before the first checkpoint."""
        return self.newest.family if self.newest is not None else ""

    @cached_property
    def parameters(self) -> int | None:
        """How many numbers the model learns, by the newest checkpoint whose header can be read."""
        for found in self.checkpoints:
            with suppress(DataError, OSError):
                header = tensors.read_header(found.path / meta.MODEL)
                return sum(math.prod(info.shape) for info in header.values())
        return None

    @property
    def step(self) -> int:
        """The last step it is known to have done."""
        logged = self.log.steps[-1].step if self.log.steps else 0
        return max(logged, self.newest.step if self.newest is not None else 0)

    @property
    def steps(self) -> int | None:
        """How many steps it was to do."""
        wanted = self.settings.get("training.steps")
        if type(wanted) is int and wanted > 0:
            return wanted
        return self.log.steps[-1].steps if self.log.steps else None

    @property
    def state(self) -> State:
        """Whether it is in training, has saved its last step, or was left before."""
        if self.is_training:
            return "training"
        done = self.newest.step if self.newest is not None else self.step
        return "finished" if self.steps is not None and done >= self.steps else "interrupted"

    @property
    def data(self) -> str:
        """The corpus it learns, as config.toml has it."""
        return str(self.settings.get("data", ""))


def read(folder: Path, most: int = 2000) -> Record:
    """What the run in `folder` tells, with at most about `most` steps of its log."""
    problems: list[str] = []
    settings: dict[str, Any] = {}
    for key, value in _parsed(folder / runs.CONFIG, tomllib.loads, problems).items():
        inner = value.items() if isinstance(value, dict) else [("", value)]
        settings |= {f"{key}.{name}" if name else key: _plain(entry) for name, entry in inner}
    environment = _parsed(folder / runs.ENVIRONMENT, json.loads, problems)
    history = log.read(folder, most)
    checkpoints = tuple(map(_checkpoint, find.steps(folder)))
    problems += history.problems
    problems += [found.problem for found in checkpoints if found.problem]
    return Record(
        folder,
        settings,
        environment,
        history,
        checkpoints,
        is_training(folder),
        _changed(folder),
        tuple(problems),
    )


def differences(one: Record, other: Record) -> list[tuple[str, Any, Any]]:
    """The settings in which two runs differ: name, value here, value there; None where one has it not."""
    names = dict.fromkeys((*one.settings, *other.settings))
    pairs = [(name, one.settings.get(name), other.settings.get(name)) for name in names]
    return [(name, here, there) for name, here, there in pairs if here != there]


def is_training(folder: Path) -> bool:
    """Whether a process holds the run's lock."""
    # Who trains has left its name. Only then is the lock tried: a start at that moment would find it held.
    if not (folder / runs.HOLDER).exists() or not (folder / runs.LOCK).is_file():
        return False
    lock = FileLock(folder / runs.LOCK)
    try:
        lock.acquire(blocking=False)
    except Timeout:
        return True
    except (OSError, NotImplementedError):  # a file system that is only read, or that knows no locks
        return False
    lock.release()
    return False


def _checkpoint(path: Path) -> Checkpoint:
    size = 0
    try:
        size = sum(file.stat().st_size for file in path.iterdir() if file.is_file())
        if not (path / meta.FILE).is_file():
            raise DataError(f"{path / meta.FILE} is no file")
        return Checkpoint(path, meta.read(path), "", size)
    except BbyteError as error:
        return Checkpoint(path, None, error.message, size)
    except OSError as error:
        return Checkpoint(path, None, f"{path} cannot be read: {error.strerror or error}", size)


def _parsed(path: Path, parse: Callable[[str], Any], problems: list[str]) -> dict[str, Any]:
    try:
        if not path.is_file() or path.stat().st_size > LARGEST:
            raise ValueError("no file of at most 1 MiB" if path.exists() else "it is missing")
        content = parse(path.read_text("utf-8"))
        if not isinstance(content, dict):
            raise ValueError("no table of settings")
        return content
    except (OSError, ValueError, RecursionError) as error:
        problems.append(f"{path.name} cannot be read: {getattr(error, 'strerror', None) or error}")
        return {}


def _plain(value: Any) -> Any:
    return value if isinstance(value, bool | int | float | str) else str(value)


def _changed(folder: Path) -> float:
    for path in (folder / runs.METRICS, folder / runs.CONFIG, folder):
        with suppress(OSError):
            return path.stat().st_mtime
    return 0.0
