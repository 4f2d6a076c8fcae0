"""What a user asks of a run, completed by what an earlier run recorded where it goes on with one."""

import dataclasses
import tomllib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from bbyte.checkpoint import find, meta
from bbyte.checkpoint.meta import CheckpointMeta
from bbyte.config import from_dict
from bbyte.device import World
from bbyte.errors import DataError, UsageError
from bbyte.runs.folder import CONFIG
from bbyte.training.config import TrainConfig
from bbyte.training.schedule import Schedule

TARGET_SECONDS = 600.0


def _no_data() -> Path:
    raise UsageError("no corpus was given", "--data with the folder of a corpus, or any file")


@dataclass(frozen=True)
class Request:
    """What the user asked for: only the settings that were given, by table."""

    family: str
    data: Path | None = None
    preset: str | None = None
    model: Mapping[str, Any] = field(default_factory=dict)
    objective: Mapping[str, Any] = field(default_factory=dict)
    training: Mapping[str, Any] = field(default_factory=dict)
    runtime: Mapping[str, Any] = field(default_factory=dict)
    out: Path | None = None
    name: str | None = None
    allow_overwrite: bool = False
    resume: Path | None = None
    """A run's folder, or a checkpoint's, to go on with in the same folder."""
    extend: Path | None = None
    """A run's folder whose constant learning rate a new run goes on with."""
    optimizer_state: bool = True
    find_data: Callable[[], Path] = _no_data
    """Finds a corpus where no data was given."""
    seconds: float = TARGET_SECONDS
    """How long the run should take, where the number of steps is left open."""
    world: World = field(default_factory=World)
    """Which of the run's processes this one is."""
    planned: bool = False
    """Whether memory and pace are found out before it starts, which takes seconds (see `planning.plan`)."""


def resumable(asked: str | None, out: Path | None, family: str) -> Path | None:
    """The run that `--resume` means, or None where there is nothing to resume yet.

    "auto" is the run in `out`, or without one the newest run of the family; else it is a path, which must
    exist.
    """
    if asked is None:
        return None
    if asked != "auto":
        return Path(asked)
    if out is not None:
        return out if find.steps(out) else None
    return next((run for run in find.runs() if _is_of(run, family)), None)


def _is_of(run: Path, family: str) -> bool:
    try:
        return meta.read(find.steps(run)[0]).family == family
    except DataError:
        return False


def completed(request: Request, run: Path, checkpoint: CheckpointMeta) -> Request:
    """The request with everything it does not say taken from `run`, whose `checkpoint` it goes on from."""
    if checkpoint.family != request.family:
        raise UsageError(
            f"{run} is a run of family {checkpoint.family}, not {request.family}",
            f"bbyte train {checkpoint.family} --{'extend' if request.extend else 'resume'} {run}",
        )
    recorded = _recorded(run)
    given = {key: dict(getattr(request, key)) for key in ("objective", "training", "runtime")}
    before, now = recorded["training"].get("optimizer"), given["training"].get("optimizer", "auto")
    if now == "auto":
        given["training"]["optimizer"] = before
    elif before != now and request.optimizer_state:
        raise UsageError(
            f"the run was trained with optimizer {before}, whose state {now} cannot take up",
            "--no-optimizer-state goes on without it",
        )
    if "epochs" in given["training"]:  # the record has steps, whatever was asked for then
        recorded["training"].pop("steps", None)
    return dataclasses.replace(
        request,
        data=request.data or Path(recorded["data"]),
        model=request.model if request.preset is not None else {**checkpoint.config, **request.model},
        objective={**recorded["objective"], **given["objective"]},
        training={**recorded["training"], **given["training"]},
        runtime={**recorded["runtime"], **given["runtime"]},
    )


def extended(request: Request, run: Path) -> tuple[Request, Path]:
    """The request for a longer run that shares the beginning of `run`, and the checkpoint it goes on from.

    That is the newest one of the constant learning rate: so far both runs are the same. By default the new
    run takes twice the steps. Raises UsageError where there is none.
    """
    newest = find.find(run)
    request = completed(request, run, newest.meta)
    before = from_dict(TrainConfig, _recorded(run)["training"], where=str(run / CONFIG))
    constant = Schedule(before).constant_until
    if constant is None:
        raise UsageError(
            f"{run} was trained with a {before.schedule} schedule, which has no constant rate to go on with",
            "--resume goes on with an unfinished run; only --schedule wsd can be extended",
        )
    steps = [step for step in find.steps(run) if _is_good(step, constant)]
    if not steps:
        raise UsageError(
            f"{run} holds no checkpoint of its constant learning rate, up to step {constant}",
            "runs that save during training keep one; --save-every 0 does not",
        )
    training = {**request.training, "extended_from": before.extended_from or before.steps}
    if "epochs" not in training and training["steps"] == before.steps:
        training["steps"] = 2 * (before.steps or 0)
    for key in ("eval_every", "save_every"):
        if key not in request.training:
            training.pop(key, None)
    return dataclasses.replace(request, training=training), steps[0]


def check_reach(training: TrainConfig, step: int) -> None:
    """Raise UsageError where the learning rate of the longer run falls before `step`, where it begins."""
    constant = Schedule(training).constant_until
    if constant is not None and constant < step:
        raise UsageError(
            f"with {training.steps} steps the learning rate is constant until step {constant}, "
            f"and the checkpoint is of step {step}",
            "give more --steps, or a smaller --cooldown",
        )


def _is_good(step: Path, constant: int) -> bool:
    try:
        return meta.read(step).step <= constant and find.verify(step) is not None
    except DataError:
        return False


def _recorded(run: Path) -> dict[str, Any]:
    path = run / CONFIG
    if not path.exists():
        raise UsageError(
            f"{run} holds no {CONFIG}: it was imported or copied in part, and there is no run to go on with",
            "a checkpoint without its run can be scored, exported and written with",
        )
    try:
        recorded = tomllib.loads(path.read_text(encoding="utf-8"))
        tables = {key: dict(recorded[key]) for key in ("objective", "training", "runtime")}
        return {"data": str(recorded["data"]), **tables}
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise UsageError(
            f"{path} cannot be read: {error}", "a run is resumed with the settings it holds"
        ) from error
