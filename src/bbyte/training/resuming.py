"""What a run takes up from a checkpoint, which checkpoints it refuses, and how it goes back to one."""

import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from torch import Tensor

from bbyte import device, durable
from bbyte.checkpoint import find, store
from bbyte.checkpoint.meta import CheckpointMeta
from bbyte.config import to_dict
from bbyte.errors import BbyteError, DataError, UsageError
from bbyte.training.distributed.spread import Spread
from bbyte.training.guard import data_step, skip
from bbyte.training.progress import Progress
from bbyte.training.state import State

MATTERS = ("threads", "world_size", "device", "precision")
"""What the last digits of a loss depend on, besides seed and step."""


def resume(run: State, loaded: store.Loaded | None, *, optimizer_state: bool = True) -> list[str]:
    """Give the run the weights, optimizer state and place of a checkpoint; returns what to warn of.

    Of several processes only the first has `loaded` it. Raises UsageError for another architecture, another
    corpus or a finished run.
    """

    def check() -> list[str]:
        assert loaded is not None  # noqa: S101
        _refuse_another(run, loaded.meta)
        skipped = [f"skipped {path.name}: {why}" for path, why in loaded.found.skipped]
        return skipped + _changed(run, loaded.meta)

    warnings = run.group.first(check)
    _take_up(run, loaded, optimizer_state=optimizer_state)
    return warnings


def _changed(run: State, meta: CheckpointMeta) -> list[str]:
    now, before = device.environment(run.placement), meta.environment
    return [
        f"{key} was {before.get(key)}, is {now[key]}: losses will differ in the last digits"
        for key in MATTERS
        if now[key] != before.get(key)
    ]


def go_back(run: State, first: int, reason: str, past: int | None) -> None:
    """Return to the newest good checkpoint not after step `first`, with fewer windows at once if so decided.

    With `past`, what steps `first` to `past` read is passed over from now on. Raises BbyteError where there
    is no such checkpoint, or after going back too often.
    """
    now = run.progress
    now.guard.count_return(reason)
    loaded = _newest_until(run, first) if run.group.is_first else None
    if not run.group.any(loaded is not None):
        raise BbyteError(
            f"{reason} at step {first + 1}, and there is no earlier checkpoint to go back to",
            "a lower --lr and --matrix-lr; a smaller --save-every gives something to go back to",
        )
    skipped = now.skipped
    if past is not None:
        skipped = skip(skipped, data_step(skipped, first), data_step(skipped, past) + 1)
    _take_up(run, loaded, optimizer_state=True)
    run.progress.skipped, run.progress.micro_batch = skipped, now.micro_batch
    run.progress.guard.returns = now.guard.returns
    run.log.cut(run.progress.step)
    run.clock.restart()


def _newest_until(run: State, first: int) -> store.Loaded | None:
    for step in find.steps(run.folder):
        try:
            found = find.find(step)
        except DataError:
            continue
        if found.meta.step <= first:
            return store.load(found)
    return None


def _take_up(run: State, loaded: store.Loaded | None, *, optimizer_state: bool) -> None:
    """Give weights, state and place of a checkpoint, which the first process has `loaded`, to all of them."""
    state: Mapping[str, Tensor] | None = None

    def read() -> dict[str, Any]:
        nonlocal state
        assert loaded is not None  # noqa: S101
        if optimizer_state:
            state = _optimizer_state(run, loaded)
        return dataclasses.asdict(loaded.meta)

    meta = CheckpointMeta(**run.group.first(read))
    weights = None if loaded is None else loaded.model.state_dict()
    run.update.load(
        Spread(run.group, weights, run.model.state_dict()),
        Spread(run.group, state, run.update.state()) if optimizer_state else None,
    )
    run.progress = Progress.of(meta)
    if loaded is not None:
        _drop_later(run.folder, loaded.found.path)


def _optimizer_state(run: State, loaded: store.Loaded) -> dict[str, Tensor]:
    path = loaded.found.path
    if store.OPTIMIZER not in loaded.meta.files:
        raise UsageError(f"{path} holds no optimizer state", "--no-optimizer-state goes on without")
    place = run.placement.device if run.group.size == 1 else "cpu"
    return store.load_optimizer(path, run.update.expected_state(), place)


def _drop_later(folder: Path, taken: Path) -> None:
    # They are damaged, or of the course that is left now: --resume must not find them again.
    steps = find.steps(folder)
    for later in steps[: steps.index(taken)] if taken in steps else ():
        durable.discard(later)


def _refuse_another(run: State, meta: CheckpointMeta) -> None:
    ours, theirs = to_dict(run.architecture), to_dict(meta.model_config())
    different = [f"{key} {theirs[key]} there, {ours[key]} here" for key in ours if ours[key] != theirs[key]]
    if different:
        raise UsageError(
            f"the checkpoint is of another architecture: {'; '.join(different)}",
            "leave the architecture's flags out to resume, or start a new run",
        )
    corpus = run.data.corpus
    if meta.corpus["fingerprint"] != corpus.fingerprint:
        raise UsageError(
            f"the run was trained on {meta.corpus['path']} ({meta.corpus['size']:,} bytes), "
            f"and {corpus.path} holds other bytes",
            "--data with the corpus of the run resumes it; a new run takes another corpus",
        )
    if meta.step >= run.schedule.steps:
        raise UsageError(
            f"the run is finished: its checkpoint is at step {meta.step} of {run.schedule.steps}",
            f"--extend {run.folder} --steps {2 * run.schedule.steps} trains on; or start a new run",
        )
