"""What a trainer says of itself: the events of its run, the rows of its log, its entry in checkpoint.json."""

import dataclasses
import math
import time
from typing import TYPE_CHECKING, Any

from bbyte import device
from bbyte.checkpoint.meta import CheckpointMeta
from bbyte.config import to_dict
from bbyte.evaluation import Score
from bbyte.quantization.bitlinear import is_ternary
from bbyte.training.events import Evaluated, Finished, Started, Stepped

if TYPE_CHECKING:
    from bbyte.training.trainer import Trainer


class Clock:
    """Work done since it was restarted, and its time."""

    def __init__(self) -> None:
        self.restart()

    def restart(self) -> None:
        """Begin anew: after a line of the log, an evaluation, a save."""
        self.began, self.bytes, self.steps, self.seconds = time.perf_counter(), 0, 0, 0.0

    def tick(self, count: int) -> None:
        """A step of `count` bytes is done."""
        self.bytes, self.steps = self.bytes + count, self.steps + 1
        self.seconds = time.perf_counter() - self.began


def started(trainer: "Trainer") -> Started:
    """The run as it begins, or begins again."""
    count = sum(parameter.numel() for parameter in trainer.model.parameters())
    return Started(
        str(trainer.folder), trainer.family.name, count, trainer.progress.step, trainer.schedule.steps,
        trainer.choices,
    )  # fmt: skip


def stepped(trainer: "Trainer", loss: float, norm: float) -> Stepped:
    """The step just done."""
    schedule, progress, clock = trainer.schedule, trainer.progress, trainer.clock
    last = progress.step - 1
    return Stepped(
        step=progress.step,
        steps=schedule.steps,
        loss=loss,
        bpb=loss / math.log(2),
        learning_rate=trainer.update.optimizers.lr,
        gradient_norm=norm,
        seq_len=schedule.stage(last).seq_len,
        quantized=schedule.quantized(last),
        bytes_seen=progress.bytes_seen,
        bytes_per_second=clock.bytes / clock.seconds,
        seconds_left=clock.seconds / clock.steps * (schedule.steps - progress.step),
        memory=device.peak_memory(trainer.placement.device),
    )


def row(event: Stepped) -> dict[str, Any]:
    """The event as a row of metrics.jsonl; what is not finite becomes null, which JSON has."""
    fields = dataclasses.asdict(event)
    return {
        key: None if isinstance(value, float) and not math.isfinite(value) else value
        for key, value in fields.items()
    }


def evaluated(trainer: "Trainer", score: Score) -> Evaluated:
    """The validation just done."""
    progress, bpb = trainer.progress, score.bits_per_byte
    best = bpb if progress.best_bpb is None else progress.best_bpb
    return Evaluated(progress.step, bpb, best, score.is_bound, score.context, score.stride, score.bytes)


def finished(trainer: "Trainer", seconds: float) -> Finished:
    """The run as it ends."""
    progress, is_bound = trainer.progress, bool(trainer.objective.is_bound)
    checkpoint = str(trainer.folder / f"step-{progress.step:07d}")
    return Finished(progress.step, progress.val_bpb, progress.best_bpb, is_bound, seconds, checkpoint)


def described(trainer: "Trainer") -> CheckpointMeta:
    """What checkpoint.json holds, but for the files."""
    progress, schedule, corpus = trainer.progress, trainer.schedule, trainer.data.corpus
    last = max(0, progress.step - 1)
    return CheckpointMeta(
        kind="resume",
        family=trainer.family.name,
        variant="ternary" if is_ternary(trainer.model) else "full",
        config=to_dict(trainer.architecture),
        step=progress.step,
        bytes_seen=progress.bytes_seen,
        context=max(stage.seq_len for stage in schedule.stages if stage.begin <= last),
        quantized=schedule.quantized(last),
        corpus={
            "path": str(corpus.path),
            "size": corpus.size,
            "fingerprint": corpus.fingerprint,
            "train_size": trainer.data.train.size,
            "val_fraction": trainer.data.val_fraction,
        },
        metrics=progress.metrics(),
        environment=device.environment(trainer.placement),
        progress=progress.rest(),
    )
