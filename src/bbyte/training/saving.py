"""What a run writes to its checkpoints and takes up from them."""

import shutil
from typing import TYPE_CHECKING

import torch

from bbyte import device
from bbyte.checkpoint import find, store
from bbyte.checkpoint.meta import CheckpointMeta
from bbyte.config import Config, to_dict
from bbyte.errors import BbyteError, UsageError
from bbyte.quantization.bitlinear import is_ternary

if TYPE_CHECKING:
    from pathlib import Path

    from bbyte.training.trainer import Trainer

MATTERS = ("threads", "world_size", "device", "precision")
"""What the last digits of a loss depend on, besides seed and step."""


def save(trainer: "Trainer") -> "Path":
    """Write the trainer's state as a checkpoint of its run, drop the oldest ones, and return where it is.

    Raises BbyteError rather than save weights that are not finite.
    """
    if not all(bool(torch.isfinite(parameter).all()) for parameter in trainer.model.parameters()):
        raise BbyteError(
            f"the weights are not finite at step {trainer.next_step}: the run diverged, nothing was saved",
            "resume from the last checkpoint with a lower --lr or --matrix-lr",
        )
    path = store.save(
        trainer.folder, describe(trainer), trainer.model.state_dict(), trainer.optimizers.state()
    )
    # Checkpoints beyond this step are damaged, or of a course that the run has left by resuming before them.
    found = find.steps(trainer.folder)
    this, keep = found.index(path), trainer.config.keep
    for old in (*found[:this], *(found[this + keep :] if keep else ())):
        shutil.rmtree(old)
    return path


def describe(trainer: "Trainer") -> CheckpointMeta:
    """What checkpoint.json says of the trainer's state."""
    config, last = to_dict(architecture(trainer)), trainer.next_step - 1
    return CheckpointMeta(
        kind="resume",
        family=trainer.family.name,
        variant="ternary" if is_ternary(trainer.model) else "full",
        config=config,
        step=trainer.next_step,
        bytes_seen=trainer.bytes_seen,
        context=max(stage.seq_len for stage in trainer.schedule.stages if stage.begin <= last),
        quantized=trainer.schedule.quantized(last),
        corpus={
            "path": str(trainer.corpus.path),
            "size": trainer.corpus.size,
            "fingerprint": trainer.corpus.fingerprint,
            "train_size": trainer.order.size,
        },
        metrics={"val_bpb": trainer.val_bpb, "best_bpb": trainer.best_bpb},
        environment=device.environment(trainer.placement),
    )


def resume(trainer: "Trainer", loaded: store.Loaded, *, optimizer_state: bool = True) -> list[str]:
    """Give the trainer the weights, optimizer state and place of a checkpoint; returns what to warn of.

    Raises UsageError for another architecture, another corpus or a finished run.
    """
    meta = loaded.meta
    _refuse_another(trainer, meta)
    if optimizer_state:
        if store.OPTIMIZER not in meta.files:
            raise UsageError(
                f"{loaded.found.path} holds no optimizer state", "--no-optimizer-state goes on without"
            )
        expected = trainer.optimizers.expected_state()
        trainer.optimizers.load_state(
            store.load_optimizer(loaded.found.path, expected, trainer.placement.device)
        )
    trainer.model.load_state_dict(loaded.model.state_dict())
    trainer.next_step, trainer.bytes_seen = meta.step, meta.bytes_seen
    trainer.val_bpb, trainer.best_bpb = meta.metrics.get("val_bpb"), meta.metrics.get("best_bpb")
    trainer.log.cut(meta.step)
    warnings = [f"skipped {path.name}: {why}" for path, why in loaded.found.skipped]
    now = device.environment(trainer.placement)
    for key in MATTERS:
        before = meta.environment.get(key)
        if now[key] != before:
            warnings.append(f"{key} was {before}, is {now[key]}: losses will differ in the last digits")
    return warnings


def architecture(trainer: "Trainer") -> Config:
    """The config of the model in training."""
    config: Config = trainer.model.config  # type: ignore[assignment]
    return config


def _refuse_another(trainer: "Trainer", meta: CheckpointMeta) -> None:
    ours, theirs = to_dict(architecture(trainer)), to_dict(meta.model_config())
    different = [f"{key} {theirs[key]} there, {ours[key]} here" for key in ours if ours[key] != theirs[key]]
    if different:
        raise UsageError(
            f"the checkpoint is of another architecture: {'; '.join(different)}",
            "leave the architecture's flags out to resume, or start a new run",
        )
    if meta.corpus["fingerprint"] != trainer.corpus.fingerprint:
        raise UsageError(
            f"the run was trained on {meta.corpus['path']} ({meta.corpus['size']:,} bytes), "
            f"and {trainer.corpus.path} holds other bytes",
            "--data with the corpus of the run resumes it; a new run takes another corpus",
        )
    if meta.step >= trainer.schedule.steps:
        raise UsageError(
            f"the run is finished: its checkpoint is at step {meta.step} of {trainer.schedule.steps}",
            "start a new run",
        )
