"""A run's folder: its settings, its log, its lock, its checkpoints. A run writes nowhere else."""

import json
import os
import platform
import time
from collections.abc import Iterable
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from bbyte import durable
from bbyte.checkpoint import find
from bbyte.errors import BbyteError, DataError, UsageError

CONFIG, ENVIRONMENT, METRICS = "config.toml", "env.json", "metrics.jsonl"
LOCK, HOLDER = ".lock", ".lock-holder"


class Run:
    """The folder of one training run, locked by this process until it is closed."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._unwritten = ""
        self._lock = FileLock(folder / LOCK)
        try:
            self._lock.acquire(blocking=False)
        except Timeout:
            raise BbyteError(
                f"another process is training in {folder} ({self._holder()})",
                "wait for it, or start another run",
            ) from None
        (folder / HOLDER).write_text(f"process {os.getpid()} on {platform.node()}", encoding="utf-8")

    def _holder(self) -> str:
        time.sleep(0.2)  # it says who it is a moment after it has taken the lock
        try:
            return (self.folder / HOLDER).read_text(encoding="utf-8")
        except FileNotFoundError:
            return "it has just started"

    @classmethod
    def create(cls, folder: Path, *, overwrite: bool = False) -> "Run":
        """Make the folder of a new run. Raises UsageError if it exists, unless `overwrite`.

        Overwriting removes the log and the checkpoints of the old run.
        """
        taken = UsageError(
            f"{folder} exists already",
            f"--resume {folder} goes on with it; --allow-overwrite starts anew in it",
        )
        if not overwrite and _content(folder) and not is_run(folder):
            raise taken
        folder.mkdir(parents=True, exist_ok=True)
        durable.flush_folder(folder.parent)
        run = cls(folder)  # now nobody else begins here
        if not overwrite and _content(folder):
            run.close()
            raise taken
        for checkpoint in find.steps(folder):
            durable.discard(checkpoint)
        (folder / METRICS).unlink(missing_ok=True)
        return run

    def record(self, config: str, environment: dict[str, Any]) -> None:
        """Write config.toml and env.json."""
        durable.replace_text(self.folder / CONFIG, config)
        durable.replace_text(self.folder / ENVIRONMENT, json.dumps(environment, indent=1) + "\n")

    def append(self, row: dict[str, Any]) -> None:
        """Append a row to metrics.jsonl; where that fails, it is written with the next one."""
        self._unwritten += json.dumps(row) + "\n"
        with suppress(OSError):
            self._write_rows()

    def flush(self) -> None:
        """Flush the log to the disk, so that no checkpoint outlives its rows. Raises OSError."""
        self._write_rows()
        with (self.folder / METRICS).open("a", encoding="utf-8") as file:
            os.fsync(file.fileno())

    def _write_rows(self) -> None:
        path = self.folder / METRICS
        before = path.stat().st_size if path.exists() else 0
        try:
            with path.open("a", encoding="utf-8") as file:
                file.write(self._unwritten)
        except OSError:
            with suppress(OSError):  # half a row would spoil the log
                os.truncate(path, before)
            raise
        self._unwritten = ""

    def cut(self, step: int) -> None:
        """Forget the rows after `step`: a run that goes on from there writes them again."""
        self.write([row for row in rows(self.folder) if row["step"] <= step])

    def write(self, content: Iterable[dict[str, Any]]) -> None:
        """Make `content` the rows of metrics.jsonl."""
        self._unwritten = ""
        durable.replace_text(self.folder / METRICS, "".join(json.dumps(row) + "\n" for row in content))

    def close(self) -> None:
        """Let other processes use the folder."""
        with suppress(OSError):  # on a disk that became read-only
            (self.folder / HOLDER).unlink()
        self._lock.release()


def rows(folder: Path) -> list[dict[str, Any]]:
    """The rows of a run's metrics.jsonl; a last line cut short by a crash is left out.

    Raises DataError, naming the line, where one is no row.
    """
    path = folder / METRICS
    lines = path.read_bytes().splitlines(keepends=True) if path.exists() else []
    return [_row(path, n, line) for n, line in enumerate(lines, 1) if line.endswith(b"\n")]


def _row(path: Path, number: int, line: bytes) -> dict[str, Any]:
    try:
        row = json.loads(line)
        if type(row["step"]) is int:
            return dict(row)
    except (ValueError, TypeError, KeyError, RecursionError):
        pass
    raise DataError(f"{path}: line {number} is no row of a log", "remove the line to go on without it")


def _content(folder: Path) -> set[str]:
    """What stands in a folder besides the lock."""
    return {path.name for path in folder.iterdir()} - {LOCK, HOLDER} if folder.exists() else set()


def is_run(folder: Path) -> bool:
    """Whether `folder` is one that a run was started in, if only a moment before it was killed."""
    return (folder / LOCK).exists()


def new_folder(root: Path, name: str) -> Path:
    """A folder under `root` that no run uses yet: <date>-<time>-<name>, numbered where two start at once."""
    stem = f"{datetime.now():%Y%m%d-%H%M%S}-{name}"
    candidates = (root / (stem if n == 0 else f"{stem}-{n}") for n in range(1000))
    return next(folder for folder in candidates if not folder.exists())
