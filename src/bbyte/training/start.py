"""From a request to a trainer that is ready to run: presets, choices made for the user, resuming."""

import dataclasses
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch

from bbyte import device
from bbyte.checkpoint import find, store
from bbyte.config import from_dict, suggest, to_dict, to_toml
from bbyte.data.corpus import ByteCorpus
from bbyte.device import Placement, Runtime
from bbyte.errors import UsageError
from bbyte.models.contract import Family
from bbyte.models.families import family
from bbyte.quantization.bitlinear import is_ternary
from bbyte.training import run as runs
from bbyte.training import saving
from bbyte.training.choose import default_preset, settle
from bbyte.training.config import TrainConfig
from bbyte.training.run import Run
from bbyte.training.trainer import Trainer

NOT_RECORDED = ("vocab_size", "norm_eps")


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
    if request.data is None:
        raise UsageError("no corpus was given", "--data with the folder of a corpus, or any file")
    runtime = from_dict(Runtime, request.runtime, where="settings")
    placement = device.place(runtime)
    corpus = ByteCorpus.open(request.data)
    model_config, preset_choice = _architecture(request, kind, placement)
    objective_config = from_dict(kind.objective_config, request.objective, where="settings")
    wanted = from_dict(TrainConfig, request.training, where="settings")

    torch.manual_seed(wanted.seed)
    with torch.device(placement.device):
        model = kind.build(model_config)
    objective = kind.objective(model, objective_config)
    if not is_ternary(model):
        wanted = dataclasses.replace(wanted, full_precision_start=1.0)
    config, choices = settle(wanted, kind, model_config, objective_config, placement, corpus)
    if loaded is None:
        folder = request.out or runs.new_folder(
            find.ROOT, request.name or f"{kind.name}-{request.preset or 'custom'}"
        )
        run = Run.create(folder, overwrite=request.allow_overwrite)
    else:
        run = Run(loaded.found.path.parent)
    tables = {
        "model": {key: value for key, value in to_dict(model_config).items() if key not in NOT_RECORDED},
        "objective": to_dict(objective_config),
        "training": to_dict(config),
        "runtime": to_dict(runtime),
    }
    run.record(to_toml({"": {"data": str(request.data)}, **tables}), device.environment(placement))
    said = (*preset_choice, *choices, *placement.reasons)
    trainer = Trainer(kind, objective, config, placement, corpus, run, said)
    if runtime.compile:
        trainer.forward = torch.compile(objective)
    if loaded is not None:
        trainer.warnings += saving.resume(trainer, loaded, optimizer_state=request.optimizer_state)
    return trainer


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
    except (OSError, tomllib.TOMLDecodeError) as error:
        raise UsageError(
            f"{path} cannot be read: {error}", "a run is resumed with the settings it holds"
        ) from error
    return dataclasses.replace(
        request,
        data=request.data or Path(recorded["data"]),
        model={**loaded.meta.config, **request.model},
        objective={**recorded.get("objective", {}), **request.objective},
        training={**recorded.get("training", {}), **request.training},
        runtime={**recorded.get("runtime", {}), **request.runtime},
    )


def _architecture(request: Request, kind: Family, placement: Placement) -> tuple[Any, tuple[str, ...]]:
    """The model's config, and what to say if the preset was chosen for the user."""
    if request.resume is not None:
        return from_dict(kind.config, request.model, where="settings"), ()
    name = request.preset
    choices: tuple[str, ...] = ()
    if name is None:
        name, why = default_preset(kind, placement)
        choices = (f"preset {name}: {why}",)
    if name not in kind.presets:
        known = ", ".join(kind.presets)
        raise UsageError(f"there is no preset {name!r}", suggest(name, kind.presets) or f"presets: {known}")
    return from_dict(kind.config, {**_open_to_change(kind, name), **request.model}, where="settings"), choices


def _open_to_change(kind: Family, preset: str) -> dict[str, Any]:
    """A preset's settings where they differ from the defaults, so that derived ones follow what is given."""
    default = to_dict(kind.config())
    return {key: value for key, value in to_dict(kind.presets[preset]).items() if value != default[key]}
