"""What a run says of itself: the events of its run, the rows of its log, its entry in checkpoint.json."""

import dataclasses
import math
from typing import Any

from bbyte import device
from bbyte.checkpoint.meta import CheckpointMeta
from bbyte.config import to_dict
from bbyte.evaluation import Score
from bbyte.quantization.bitlinear import is_ternary
from bbyte.training.events import Evaluated, Finished, Started, Stepped
from bbyte.training.state import State


def started(run: State) -> Started:
    """The run as it begins, or begins again."""
    count = sum(parameter.numel() for parameter in run.model.parameters())
    return Started(
        str(run.folder), run.family.name, count, run.progress.step, run.schedule.steps,
        run.choices,
    )  # fmt: skip


def stepped(run: State, loss: float, norm: float) -> Stepped:
    """The step just done."""
    schedule, progress, clock = run.schedule, run.progress, run.clock
    last = progress.step - 1
    return Stepped(
        step=progress.step,
        steps=schedule.steps,
        loss=loss,
        bpb=loss / math.log(2),
        learning_rate=run.update.optimizers.lr,
        gradient_norm=norm,
        seq_len=schedule.stage(last).seq_len,
        quantized=schedule.quantized(last),
        bytes_seen=progress.bytes_seen,
        bytes_per_second=clock.bytes / clock.seconds,
        seconds_left=clock.seconds / clock.steps * (schedule.steps - progress.step),
        memory=device.peak_memory(run.placement.device),
    )


def row(event: Stepped) -> dict[str, Any]:
    """The event as a row of metrics.jsonl; what is not finite becomes null, which JSON has."""
    fields = dataclasses.asdict(event)
    return {
        key: None if isinstance(value, float) and not math.isfinite(value) else value
        for key, value in fields.items()
    }


def evaluated(run: State, score: Score) -> Evaluated:
    """The validation just done."""
    progress, bpb = run.progress, score.bits_per_byte
    best = bpb if progress.best_bpb is None else progress.best_bpb
    return Evaluated(progress.step, bpb, best, score.is_bound, score.context, score.stride, score.bytes)


def finished(run: State, seconds: float) -> Finished:
    """The run as it ends."""
    progress, is_bound = run.progress, bool(run.objective.is_bound)
    checkpoint = str(run.folder / f"step-{progress.step:07d}")
    return Finished(progress.step, progress.val_bpb, progress.best_bpb, is_bound, seconds, checkpoint)


def described(run: State) -> CheckpointMeta:
    """What checkpoint.json holds, but for the files."""
    progress, schedule, corpus = run.progress, run.schedule, run.data.corpus
    last = max(0, progress.step - 1)
    return CheckpointMeta(
        kind="resume",
        family=run.family.name,
        variant="ternary" if is_ternary(run.model) else "full",
        config=to_dict(run.architecture),
        step=progress.step,
        bytes_seen=progress.bytes_seen,
        context=max(stage.seq_len for stage in schedule.stages if stage.begin <= last),
        quantized=schedule.quantized(last),
        corpus={
            "path": str(corpus.path),
            "size": corpus.size,
            "fingerprint": corpus.fingerprint,
            "train_size": run.data.train.size,
            "val_fraction": run.data.val_fraction,
        },
        metrics=progress.metrics(),
        environment=device.environment(run.placement),
        progress=progress.rest(),
    )
