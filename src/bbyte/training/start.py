"""From a request to a trainer that is ready to run: presets, choices made for the user, resuming."""

import dataclasses
import tomllib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch

from bbyte.checkpoint import find, store
from bbyte.config import Config, from_dict, suggest, to_dict, to_toml
from bbyte.data.corpus import ByteCorpus
from bbyte.device import Placement, Runtime, environment, keep_freed_memory, place
from bbyte.errors import UsageError
from bbyte.models.contract import Family
from bbyte.models.families import family
from bbyte.quantization.bitlinear import is_ternary
from bbyte.training import resuming
from bbyte.training import run as runs
from bbyte.training.choose import TARGET_SECONDS, default_preset, settle
from bbyte.training.config import TrainConfig
from bbyte.training.run import Run
from bbyte.training.trainer import Trainer

NOT_RECORDED = ("vocab_size", "norm_eps")


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
    optimizer_state: bool = True
    find_data: Callable[[], Path] = _no_data
    """Finds a corpus where no data was given."""
    seconds: float = TARGET_SECONDS
    """How long the run should take, where the number of steps is left open."""


def resumable(asked: str | None, out: Path | None) -> Path | None:
    """The run that `--resume` means, or None where there is nothing to resume yet.

    "auto" is the run in `out`, or without one the newest run; else it is a path, which must exist.
    """
    if asked is None:
        return None
    if asked != "auto":
        return Path(asked)
    candidates = find.runs() if out is None else [out] if find.steps(out) else []
    return candidates[0] if candidates else None


def start(request: Request) -> Trainer:
    """A trainer for a new run, or for the rest of one (`request.resume`, a run's folder or a checkpoint's).

    Raises UsageError for settings that do not fit, before anything is written.
    """
    kind = family(request.family)
    loaded = store.load(request.resume) if request.resume is not None else None
    if loaded is not None:
        request = _with_settings_of(request, loaded)
    runtime = from_dict(Runtime, request.runtime, where="settings")
    placement = place(runtime)
    if placement.device == "cpu":
        keep_freed_memory()
    preset, preset_choice = _preset(request, kind, placement)
    model_config = _architecture(request, kind, preset)
    objective_config = from_dict(kind.objective_config, request.objective, where="settings")
    wanted = from_dict(TrainConfig, request.training, where="settings")
    if request.data is None:  # only now: finding one may mean making one
        request = dataclasses.replace(request, data=request.find_data())
    corpus = ByteCorpus.open(request.data or "")

    torch.manual_seed(wanted.seed)
    with torch.device(placement.device):
        model = kind.build(model_config)
    objective = kind.objective(model, objective_config)
    if not is_ternary(model):
        wanted = dataclasses.replace(wanted, full_precision_start=1.0)
    config, choices = settle(wanted, kind, model_config, objective_config, placement, corpus, request.seconds)
    settings = _settings(request, model_config, objective_config, config, runtime)
    if loaded is None:
        folder = request.out or runs.new_folder(find.ROOT, request.name or f"{kind.name}-{preset}")
        run = Run.create(folder, overwrite=request.allow_overwrite)
    else:
        run = Run(loaded.found.path.parent)
    said = (*preset_choice, *choices, *placement.reasons)
    try:
        trainer = Trainer(kind, objective, config, placement, corpus, run, said)
        if runtime.compile:
            trainer.forward = torch.compile(objective)
        if loaded is not None:
            trainer.warnings += resuming.resume(trainer, loaded, optimizer_state=request.optimizer_state)
        run.record(settings, environment(placement))
    except BaseException:
        run.close()
        raise
    return trainer


def _settings(request: Request, model: Config, objective: Config, training: Config, runtime: Runtime) -> str:
    """What config.toml says: nothing is left open, so that it alone repeats the run."""
    tables = {
        "model": {key: value for key, value in to_dict(model).items() if key not in NOT_RECORDED},
        "objective": to_dict(objective),
        "training": to_dict(training),
        "runtime": to_dict(runtime),
    }
    return to_toml({"": {"data": str(request.data)}, **tables})


def _with_settings_of(request: Request, loaded: store.Loaded) -> Request:
    """The request with everything it does not say taken from the run that is resumed."""
    if loaded.meta.family != request.family:
        raise UsageError(
            f"{loaded.found.path} is a checkpoint of family {loaded.meta.family}, not {request.family}",
            f"bbyte train {loaded.meta.family} --resume {loaded.found.path.parent}",
        )
    path = loaded.found.path.parent / runs.CONFIG
    try:
        recorded = tomllib.loads(path.read_text(encoding="utf-8"))
        data = Path(recorded["data"])
        objective, training, runtime = (
            {**recorded[table], **given}
            for table, given in (
                ("objective", request.objective), ("training", request.training), ("runtime", request.runtime)
            )
        )  # fmt: skip
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise UsageError(
            f"{path} cannot be read: {error}", "a run is resumed with the settings it holds"
        ) from error
    before, now = recorded["training"].get("optimizer"), request.training.get("optimizer", "auto")
    if now == "auto":
        training["optimizer"] = before
    elif before != now and request.optimizer_state:
        raise UsageError(
            f"the run was trained with optimizer {before}, whose state {now} cannot take up",
            "--no-optimizer-state goes on without it",
        )
    return dataclasses.replace(
        request,
        data=request.data or data,
        model=request.model if request.preset is not None else {**loaded.meta.config, **request.model},
        objective=objective,
        training=training,
        runtime=runtime,
    )


def _preset(request: Request, kind: Family, placement: Placement) -> tuple[str | None, tuple[str, ...]]:
    """The preset to start from, and what to say if it was chosen for the user. A resumed run needs none."""
    name = request.preset
    if name is None and request.resume is None:
        name, why = default_preset(kind, placement)
        return name, (f"preset {name}: {why}",)
    if name is not None and name not in kind.presets:
        known = ", ".join(kind.presets)
        raise UsageError(f"there is no preset {name!r}", suggest(name, kind.presets) or f"presets: {known}")
    return name, ()


def _architecture(request: Request, kind: Family, preset: str | None) -> Any:
    """The model's config: the preset's settings, changed by those given."""
    base = _open_to_change(kind, preset) if preset is not None else {}
    return from_dict(kind.config, {**base, **request.model}, where="settings")


def _open_to_change(kind: Family, preset: str) -> dict[str, Any]:
    """A preset's settings where they differ from the defaults, so that derived ones follow what is given."""
    default = to_dict(kind.config())
    return {key: value for key, value in to_dict(kind.presets[preset]).items() if value != default[key]}
