"""Writing a run's checkpoints, whatever the disk does, and dropping those it no longer needs."""

import dataclasses
import time
from collections.abc import Callable, Generator, Iterator, Mapping
from concurrent.futures import Future, wait
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from bbyte import durable
from bbyte.checkpoint import find, meta, store
from bbyte.checkpoint.meta import CheckpointMeta
from bbyte.errors import BbyteError, DataError
from bbyte.quantization.statistics import ternary_statistics
from bbyte.training import reporting
from bbyte.training.distributed.sharded import part
from bbyte.training.events import Event, Saved, Warned
from bbyte.training.state import State

if TYPE_CHECKING:
    from bbyte.training.distributed.shards import Shards

MOST_FAILURES = 3
PAUSE = 20.0
"""Seconds between attempts where there is no later step to try again at."""


class Saver:
    """Saves the checkpoints of one run and counts the failures in a row."""

    def __init__(self, run: State) -> None:
        self._run = run
        self._failures = 0
        self._shards = _shards(run) if run.sharded else None
        self._under_way: tuple[int, Future[Path | None]] | None = None
        self._told = False

    def save(self, *, insist: bool = False) -> Iterator[Event]:
        """Write a checkpoint and drop old ones. A failure is a warning, until it is the third in a row.

        At the last step, or where `insist` says that there is no next one, it is tried again after a pause.
        That of a sharded model is `completed` by then, else while training goes on.
        Raises BbyteError for the third failure, or for weights that are not finite, which are never saved.
        """
        run = self._run
        insist = insist or run.progress.step == run.schedule.steps
        yield from self.completed()
        _refuse_not_finite(run)
        run.progress.guard.note_save()
        while True:
            if self._shards is not None:
                self._begin()
                saved = (yield from self.completed(insist=insist)) if insist else True
            else:
                saved = yield from self._outcome(run.progress.step, self._write, insist=insist)
            run.clock.restart()
            if saved or not insist:
                return
            time.sleep(PAUSE)

    def completed(self, *, insist: bool = False) -> Generator[Event, None, bool]:
        """Wait for the save that is under way, if any; whether it has succeeded."""
        if self._under_way is None:
            return True
        (step, future), self._under_way = self._under_way, None
        wait([future])
        return (yield from self._outcome(step, lambda: future.result(), insist=insist))

    def told(self) -> Iterator[Event]:
        """What there is to tell of a save that is under way, without waiting for it."""
        if self._under_way is not None and not self._told:
            step, future = self._under_way
            if future.done() and future.exception() is None and (path := future.result()) is not None:
                self._told = True
                yield Saved(step, str(path))

    def _begin(self) -> None:
        run, described = self._run, reporting.described(self._run)
        assert self._shards is not None  # noqa: S101
        keep: Callable[..., Path] = partial(_keep, run, described)
        try:
            run.log.flush()
        except OSError as error:
            keep = partial(_fail, error)
        future = self._shards.begin(run.folder, run.update.weights(), run.update.state(), keep)
        self._under_way, self._told = (run.progress.step, future), False

    def _write(self) -> Path:
        run = self._run
        run.log.flush()
        return _keep(run, reporting.described(run), run.update.weights(), run.update.state())

    def _outcome(
        self, step: int, work: Callable[[], Path | None], *, insist: bool
    ) -> Generator[Event, None, bool]:
        """What has become of a save, which the first process knows and the others are told."""

        def attempt() -> tuple[str | None, str]:
            try:
                return str(work()), ""
            except (OSError, MemoryError) as error:
                return None, getattr(error, "strerror", None) or str(error) or "out of memory"

        run = self._run
        path, reason = run.group.first(attempt)
        if path is not None:
            self._failures = 0
            if not self._told:
                yield Saved(step, path)
            self._told = False
            return True
        self._failures += 1
        at = f"step {step:,}: not saved in {run.folder}: {reason}"
        if self._failures >= MOST_FAILURES:
            raise BbyteError(
                f"{at}, {MOST_FAILURES} times in a row",
                "make room or mend the folder; --resume goes on from the last checkpoint",
            )
        again = f"in {PAUSE:.0f} seconds" if insist else "at the next interval"
        yield Warned(f"{at}; trying again {again}")
        return False


def _fail(error: OSError, *_: object) -> Path:
    raise error


def _shards(run: State) -> "Shards":
    from bbyte.training.distributed.shards import Shards  # half a second, which others need not wait

    return Shards(run.group)


def _keep(
    run: State, described: CheckpointMeta, weights: Mapping[str, Tensor], state: Mapping[str, Tensor]
) -> Path:
    """Write a checkpoint into the folder of the run, drop what it no longer needs, and say where it is."""
    described = dataclasses.replace(described, ternary=ternary_statistics(run.model, weights))
    path = store.save(run.folder, described, weights, state)
    for step in _superseded(run, path):
        with suppress(OSError):  # what cannot be removed now is after the next save
            durable.discard(step)
    return path


def _refuse_not_finite(run: State) -> None:
    finite = all(bool(torch.isfinite(part(parameter)).all()) for parameter in run.model.parameters())
    if run.group.any(not finite):
        raise BbyteError(
            f"the weights are not finite at step {run.progress.step}: the run diverged, nothing was saved",
            "resume from the last checkpoint with a lower --lr or --matrix-lr",
        )


def _superseded(run: State, newest: Path) -> list[Path]:
    """The checkpoints that are neither among the newest `keep` nor needed for something else.

    Kept besides: the last of the constant learning rate, from which a longer run can go on, and with
    `keep_best` the one with the best validation.
    """
    found = find.steps(run.folder)
    # Beyond this step they are damaged, or of a course that the run has left by resuming before them.
    beyond, older = found[: found.index(newest)], found[found.index(newest) :]
    keep = run.config.keep
    if not keep:
        return beyond
    needed = {store.step_folder(run.folder, run.schedule.constant_until or 0)}
    if run.config.keep_best:
        needed |= best(older)
    return beyond + [step for step in older[keep:] if step not in needed]


def best(steps: list[Path]) -> set[Path]:
    """The checkpoint with the best validation figure of its own step, among those like the newest one.

    `steps`, newest first. A set of one, or empty where none was measured.
    """
    figures: dict[Path, float] = {}
    quantized = None
    for step in steps:
        try:
            described = meta.read(step)
        except DataError:
            continue  # it is not for rotation to judge what is damaged
        quantized = described.quantized if quantized is None else quantized
        bpb = described.metrics.get("val_bpb")
        if (
            bpb is not None
            and described.metrics.get("val_step") == described.step
            and described.quantized == quantized
        ):
            figures[step] = bpb
    return {min(figures, key=lambda step: figures[step])} if figures else set()
