"""Writing a run's checkpoints, whatever the disk does, and dropping those it no longer needs."""

import dataclasses
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import torch

from bbyte import durable
from bbyte.checkpoint import find, meta, store
from bbyte.errors import BbyteError, DataError
from bbyte.quantization.statistics import ternary_statistics
from bbyte.training import reporting
from bbyte.training.events import Event, Saved, Warned
from bbyte.training.state import State

MOST_FAILURES = 3
PAUSE = 20.0
"""Seconds between attempts where there is no later step to try again at."""


class Saver:
    """Saves the checkpoints of one run and counts the failures in a row."""

    def __init__(self, run: State) -> None:
        self._run = run
        self._failures = 0

    def save(self, *, insist: bool = False) -> Iterator[Event]:
        """Write a checkpoint and drop old ones. A failure is a warning, until it is the third in a row.

        At the last step, or where `insist` says that there is no next one, it is tried again after a pause.
        Raises BbyteError for the third failure, or for weights that are not finite, which are never saved.
        """
        run = self._run
        insist = insist or run.progress.step == run.schedule.steps
        while True:
            path, reason = self._attempt()
            if path is not None:
                break
            self._failures += 1
            at = f"step {run.progress.step:,}: not saved in {run.folder}: {reason}"
            if self._failures >= MOST_FAILURES:
                raise BbyteError(
                    f"{at}, {MOST_FAILURES} times in a row",
                    "make room or mend the folder; --resume goes on from the last checkpoint",
                )
            again = f"in {PAUSE:.0f} seconds" if insist else "at the next interval"
            yield Warned(f"{at}; trying again {again}")
            if not insist:
                return
            time.sleep(PAUSE)
        self._failures = 0
        run.clock.restart()
        yield Saved(run.progress.step, path)

    def _attempt(self) -> tuple[str | None, str]:
        """Where the first process has saved, or None and why it could not; the others are told."""

        def attempt() -> tuple[str | None, str]:
            try:
                return str(write(self._run)), ""
            except (OSError, MemoryError) as error:
                return None, getattr(error, "strerror", None) or str(error) or "out of memory"

        self._run.progress.guard.returns = 0
        path, reason = self._run.group.first(attempt)
        return path, reason


def write(run: State) -> Path:
    """Write a checkpoint into the folder of the run, drop what it no longer needs, and return where it is.

    Raises BbyteError rather than save weights that are not finite.
    """
    described = reporting.described(run)
    if not all(bool(torch.isfinite(parameter).all()) for parameter in run.model.parameters()):
        raise BbyteError(
            f"the weights are not finite at step {described.step}: the run diverged, nothing was saved",
            "resume from the last checkpoint with a lower --lr or --matrix-lr",
        )
    run.log.flush()
    weights = run.update.weights()
    described = dataclasses.replace(described, ternary=ternary_statistics(run.model, weights))
    path = store.save(run.folder, described, weights, run.update.state())
    for step in _superseded(run, path):
        with suppress(OSError):  # what cannot be removed now is after the next save
            durable.discard(step)
    return path


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
