"""What a run takes up from a checkpoint, and which checkpoints it refuses."""

from bbyte import device
from bbyte.checkpoint import store
from bbyte.checkpoint.meta import CheckpointMeta
from bbyte.config import to_dict
from bbyte.errors import UsageError
from bbyte.training.trainer import Trainer

MATTERS = ("threads", "world_size", "device", "precision")
"""What the last digits of a loss depend on, besides seed and step."""


def resume(trainer: Trainer, loaded: store.Loaded, *, optimizer_state: bool = True) -> list[str]:
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


def _refuse_another(trainer: Trainer, meta: CheckpointMeta) -> None:
    ours, theirs = to_dict(trainer.architecture), to_dict(meta.model_config())
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
