"""What varies by step, each a pure function of the step: learning rate, window length, quantization."""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bbyte.data.sampling import WindowOrder
from bbyte.training.config import TrainConfig

CURRICULUM = ((0.0, 2048), (0.2, 4096), (0.5, 8192))
COSINE_FLOOR = 0.1


def lr_for_step(
    step: int,
    warmup_steps: int,
    total_steps: int,
    base_lr: float,
    *,
    schedule: str = "wsd",
    cooldown: float = 0.5,
) -> float:
    """The learning rate of `step` (0 is the first).

    A linear warm-up, then with "wsd" constant until the last `cooldown` part of the steps, in which it falls
    linearly towards 0; with "cosine" half a cosine down to 10 % of `base_lr`.
    """
    if step < warmup_steps:
        return base_lr * (step + 1) / warmup_steps
    if schedule == "cosine":
        progress = (step - warmup_steps) / max(1, total_steps - warmup_steps)
        return base_lr * (
            COSINE_FLOOR + (1 - COSINE_FLOOR) * 0.5 * (1 + math.cos(math.pi * min(1, progress)))
        )
    cooldown_steps = round(total_steps * cooldown)
    return base_lr * min(1.0, max(0, total_steps - step) / max(1, cooldown_steps))


def seq_len_for_step(step: int, total_steps: int, cap: int | None = None) -> int:
    """The curriculum's window: 2048 bytes for the first 20 % of the steps, 4096 to 50 %, then 8192."""
    length = next(length for begin, length in reversed(CURRICULUM) if step >= math.ceil(begin * total_steps))
    return min(length, cap) if cap else length


def quantized_for_step(step: int, total_steps: int, full_precision_start: float) -> bool:
    """Whether ternary weights are active at `step`: not in the full-precision start."""
    return step >= round(full_precision_start * total_steps)


@dataclass(frozen=True)
class Stage:
    """A stretch of steps with one window length; `end` is the first step after it."""

    begin: int
    end: int
    seq_len: int


def stages(
    total_steps: int, seq_len: int | None, cap: int | None, planned_steps: int | None = None
) -> tuple[Stage, ...]:
    """The stages of a run: one of `seq_len`, or those of the curriculum.

    The curriculum's borders are parts of `planned_steps` (default `total_steps`).
    """
    if seq_len is not None:
        return (Stage(0, total_steps, seq_len),)
    planned = planned_steps or total_steps
    begins = [min(total_steps, math.ceil(begin * planned)) for begin, _ in CURRICULUM]
    merged: list[Stage] = []
    for begin, end in zip(begins, [*begins[1:], total_steps], strict=True):
        length = seq_len_for_step(begin, planned, cap)
        if merged and merged[-1].seq_len == length:
            merged[-1] = Stage(merged[-1].begin, end, length)
        elif end > begin:
            merged.append(Stage(begin, end, length))
    return tuple(merged)


class Schedule:
    """Everything about a run that varies by step, from its settings alone."""

    def __init__(self, config: TrainConfig) -> None:
        assert config.steps and config.batch_size  # noqa: S101
        self.config = config
        self.steps = config.steps
        self._planned = config.extended_from or config.steps
        self.samples_a_step = config.batch_size * config.grad_accum
        self.stages = stages(config.steps, config.seq_len, config.seq_len_cap, self._planned)
        self.longest = max(stage.seq_len for stage in self.stages)

    def stage(self, step: int) -> Stage:
        """The stage that `step` belongs to."""
        return next((stage for stage in self.stages if step < stage.end), self.stages[-1])

    def bytes_of(self, step: int) -> int:
        """Bytes predicted in `step`, all batches together."""
        return self.samples_a_step * self.stage(step).seq_len

    def lr_factor(self, step: int) -> float:
        """What every group's base learning rate is multiplied with at `step`."""
        config = self.config
        warmup = config.warmup_steps or 0
        return lr_for_step(step, warmup, self.steps, 1.0, schedule=config.schedule, cooldown=config.cooldown)

    @property
    def constant_until(self) -> int | None:
        """The first step of the cool-down: up to here a longer run is the same. None for a cosine."""
        if self.config.schedule != "wsd":
            return None
        return self.steps - round(self.steps * self.config.cooldown)

    def weight_decay_factor(self, step: int) -> float:
        """1 while there is weight decay, then 0 (BitNet b1.58's recipe drops it halfway)."""
        until = self.config.weight_decay_until
        return 1.0 if until is None or step < round(until * self.steps) else 0.0

    def quantized(self, step: int) -> bool:
        """Whether ternary weights are active at `step`."""
        return quantized_for_step(step, self._planned, self.config.full_precision_start)

    def changes(self, step: int) -> bool:
        """Whether the loss of `step` is of another kind than that of the step before it."""
        return step > 0 and (
            self.quantized(step) != self.quantized(step - 1) or self.stage(step) != self.stage(step - 1)
        )

    def offsets(
        self, order: WindowOrder, step: int, rows: slice, *, data_step: int | None = None
    ) -> NDArray[np.int64]:
        """Where in the corpus the windows `rows` of all those of `step` begin.

        `data_step` reads the windows of another step instead, with this one's length.
        """
        stage = self.stage(step)
        groups = 0
        for past in self.stages[: self.stages.index(stage)]:
            groups += order.groups_in((past.end - past.begin) * self.samples_a_step, past.seq_len, groups)
        first = ((step if data_step is None else data_step) - stage.begin) * self.samples_a_step
        return order.offsets(groups, np.arange(first + rows.start, first + rows.stop), stage.seq_len)
