"""Models, optimizers and runs from plain settings; training in one call. Loads torch when it is called."""

import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bbyte.api.model import Model, load
from bbyte.config import Config, Problems, from_dict, suggest, to_dict
from bbyte.device import Runtime
from bbyte.errors import UsageError
from bbyte.models import families
from bbyte.training.config import TrainConfig
from bbyte.training.events import Event
from bbyte.training.request import Request

if TYPE_CHECKING:
    import torch

    from bbyte.training.optim.optimizer import Optimizers
    from bbyte.training.trainer import Trainer


def build_model(family: str, preset: str | None = None, **settings: Any) -> "torch.nn.Module":
    """A model with fresh weights, from torch's global generator: logits (B, T, 256) of bytes (B, T).

    settings: those of the family's config by name; preset: what they change, by default the smallest.
    Raises UsageError for a family, a preset or settings that there are not, or that do not fit.
    """
    kind = families.family(family)
    return kind.build(families.architecture(kind, preset, settings))


def save(model: "torch.nn.Module", run: str | Path, *, context: int, step: int = 0) -> Path:
    """Write a model that `build_model` gave as a checkpoint into the folder `run`, and return where.

    context: the longest window it was trained on, in bytes; step: of how many optimizer steps it is. `load`
    then reads it, and so does every command. Raises UsageError for a model of none of the families.
    """
    from bbyte.checkpoint import store
    from bbyte.checkpoint.meta import CheckpointMeta
    from bbyte.quantization.bitlinear import ternary_layers
    from bbyte.quantization.statistics import ternary_statistics

    config: Any = getattr(model, "config", None)
    kinds = [kind for kind in families.families().values() if type(config) is kind.config]
    if not kinds:
        raise UsageError(
            f"{type(model).__name__} is of none of bbyte's families", "bbyte.build_model makes one"
        )
    weights, ternary = model.state_dict(), ternary_layers(model)
    folder = Path(run)
    folder.mkdir(parents=True, exist_ok=True)
    described = CheckpointMeta(
        kind="resume",
        family=kinds[0].name,
        variant="ternary" if ternary else "full",
        config=to_dict(config),
        step=step,
        bytes_seen=0,
        context=context,
        quantized=any(layer.active for layer in ternary.values()),
        corpus={"path": "unknown", "size": 0, "fingerprint": ""},
        metrics={},
        environment={},
        tags={"bytes_seen": "unknown"},
        ternary=ternary_statistics(model, weights),
    )
    return store.save(folder, described, weights, None)


def build_optimizers(model: "torch.nn.Module", **settings: Any) -> "Optimizers":
    """The optimizers that training uses, as one, for a model that `build_model` gave.

    settings: those of training by name, such as optimizer ("muon", with AdamW for what is no matrix of a
    block, "adamw" or "adamw8bit"), lr, matrix_lr and weight_decay.
    """
    from bbyte.training.optim.optimizer import build

    config = from_dict(TrainConfig, settings, where="settings")
    if config.optimizer == "auto":
        config = dataclasses.replace(config, optimizer="muon")
    return build(model, config)


def build_trainer(
    family: str,
    data: str | Path | None = None,
    *,
    out: str | Path | None = None,
    resume: str | Path | None = None,
    preset: str | None = None,
    **settings: Any,
) -> "Trainer":
    """A run that is ready to start: `for event in build_trainer(…).run(): …` trains.

    data: anything that `ByteCorpus.open` takes; by default the newest corpus under artifacts/datasets, else
    Python's own documentation. out: the run's folder, which must be new; by default one under
    artifacts/checkpoints. resume: the folder of a run to go on with, whose settings it keeps. settings: the
    flags of `bbyte train FAMILY` by name, with underscores. Raises UsageError for settings that do not fit,
    all of them together.
    """
    from bbyte.starter import default_corpus
    from bbyte.training.start import start

    given = _by_table(family, settings)
    return start(
        Request(
            family=family,
            data=None if data is None else Path(data),
            find_data=lambda: default_corpus()[0],
            preset=preset,
            model=given["model"],
            objective=given["objective"],
            training=given["training"],
            runtime=given["runtime"],
            out=None if out is None else Path(out),
            resume=None if resume is None else Path(resume),
        )
    )


def train(
    family: str,
    data: str | Path | None = None,
    *,
    on_event: Callable[[Event], None] = lambda event: None,
    **settings: Any,
) -> Model:
    """Train a model to the end and give it back, ready to use; its checkpoints stay in the run's folder.

    on_event: told what happens: `print` shows it. The rest is as `build_trainer` has it. Raises BbyteError
    where the run diverges or cannot be saved.
    """
    trainer = build_trainer(family, data, **settings)
    for event in trainer.run():
        on_event(event)
    return load(trainer.folder, device=trainer.placement.device)


def _by_table(family: str, settings: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """The settings of a run by the table that has them. Raises UsageError for those that none has."""
    kind = families.family(family)
    tables: dict[str, type[Config]] = {
        "model": kind.config, "objective": kind.objective_config, "training": TrainConfig, "runtime": Runtime,
    }  # fmt: skip
    owners = {field.name: name for name, config in tables.items() for field in dataclasses.fields(config)}
    found: dict[str, dict[str, Any]] = {name: {} for name in tables}
    problems = Problems()
    for name, value in settings.items():
        if problems.check(name in owners, f"there is no setting {name!r}", suggest(name, owners)):
            found[owners[name]][name] = value
    problems.raise_if_any()
    return found
