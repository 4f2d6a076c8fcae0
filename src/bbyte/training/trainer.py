"""The training loop: a generator of events."""

import dataclasses
import math
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from bbyte import device
from bbyte.checkpoint.meta import CheckpointMeta
from bbyte.config import Config, to_dict
from bbyte.data.corpus import ByteCorpus
from bbyte.data.sampling import WindowOrder
from bbyte.device import Placement
from bbyte.evaluation import bits_per_byte, objective_measure
from bbyte.models.contract import Family
from bbyte.quantization.bitlinear import is_ternary, set_quantized
from bbyte.training import optimizer, saving
from bbyte.training.config import TrainConfig
from bbyte.training.events import Evaluated, Event, Finished, Saved, Started, Stepped, Warned
from bbyte.training.schedule import Schedule
from bbyte.training.validation import split

if TYPE_CHECKING:
    from bbyte.training.run import Run

EVALUATED_AT_ONCE = 16384


class Trainer:
    """Trains `objective` on `corpus`. `list(trainer.run())` is a whole run.

    `config` is complete: what it left open was settled before (see `bbyte.training.start`).
    """

    def __init__(
        self, family: Family, objective: nn.Module, config: TrainConfig, placement: Placement,
        corpus: ByteCorpus, run: "Run", choices: tuple[str, ...] = (),
    ) -> None:  # fmt: skip
        self.family, self.config, self.placement, self.corpus = family, config, placement, corpus
        self.objective = objective
        self.forward: Any = objective
        self.model: nn.Module = objective.get_submodule("model")
        self.log, self.folder = run, run.folder
        self.schedule = Schedule(config)
        self.optimizers = optimizer.build(self.model, config)
        train_size, self.validation, sentence = split(corpus, config.val_fraction, config.eval_bytes)
        self.order = WindowOrder(train_size, self.schedule.longest, config.seed)
        self.choices = (*choices, sentence)
        self.warnings: list[str] = []
        self.next_step = self.bytes_seen = 0
        self.val_bpb: float | None = None
        self.best_bpb: float | None = None

    def run(self) -> Iterator[Event]:
        """Train from the next step to the last, saying what happens as it happens."""
        try:
            yield from self._events()
        finally:
            self.log.close()

    def _events(self) -> Iterator[Event]:
        began, clock = time.perf_counter(), _Clock()
        yield self._started()
        yield from (Warned(text) for text in self.warnings)
        for step in range(self.next_step, self.schedule.steps):
            loss, norm = self._update(step)
            self.next_step = step + 1
            clock.tick(self.schedule.bytes_of(step))
            if self._due(self.config.log_every):
                yield self._stepped(step, float(loss), float(norm), clock)
                clock.restart()
            if self._due(self.config.eval_every) and self.validation is not None:
                yield self._evaluate(step)
                clock.restart()
            if self._due(self.config.save_every):
                yield Saved(self.next_step, str(self.save()))
                clock.restart()
        yield self._finished(time.perf_counter() - began)

    def _update(self, step: int) -> tuple[Tensor, Tensor]:
        """One optimizer step; returns the mean nats a byte and the gradient's norm, both on the device."""
        if step and self.schedule.quantized(step) != self.schedule.quantized(step - 1):
            self.best_bpb = None  # figures of the full-precision start are not of the same model
        set_quantized(self.model, self.schedule.quantized(step))
        self.optimizers.set_lr(self.schedule.lr_factor(step))
        count, nats = self.schedule.bytes_of(step), torch.zeros((), device=self.placement.device)
        for batch in range(self.config.grad_accum):
            with self.placement.autocast():
                cost = self.forward(self._windows(step, batch))
            (cost.nats / count).backward()
            nats += cost.nats.detach()
        norm = nn.utils.clip_grad_norm_(self.model.parameters(), self.config.clip)
        self.optimizers.step()
        self.bytes_seen += count
        return nats / count, norm

    def _windows(self, step: int, batch: int) -> Tensor:
        """The bytes of one batch, (B, T + 1): a function of the seed and the step, and of nothing else."""
        offsets = self.schedule.offsets(self.order, step, batch)
        windows = self.corpus.windows(offsets, self.schedule.stage(step).seq_len + 1)
        return torch.from_numpy(windows).to(self.placement.device)

    def _evaluate(self, step: int) -> Event:
        assert self.validation is not None  # noqa: S101
        context = self.schedule.stage(step).seq_len
        measure = objective_measure(self.objective, self.placement.device)
        batch_size = max(1, EVALUATED_AT_ONCE // context)
        with self.placement.autocast():
            score = bits_per_byte(
                measure, self.validation, context=context, stride=context, batch_size=batch_size
            )
        self.val_bpb = score.bits_per_byte
        self.best_bpb = min(self.val_bpb, math.inf if self.best_bpb is None else self.best_bpb)
        self.log.append({"step": self.next_step, "val_bpb": self.val_bpb, "context": context})
        is_bound = bool(self.objective.is_bound)
        return Evaluated(self.next_step, self.val_bpb, self.best_bpb, is_bound, context, context, score.bytes)

    def save(self) -> Path:
        """Write the state as a checkpoint of the run. Raises BbyteError for weights that are not finite."""
        return saving.save(self.folder, self._meta(), self.model, self.optimizers, self.config.keep)

    @property
    def architecture(self) -> Config:
        """The config of the model in training."""
        config: Config = self.model.config  # type: ignore[assignment]
        return config

    def _meta(self) -> CheckpointMeta:
        last = max(0, self.next_step - 1)
        return CheckpointMeta(
            kind="resume",
            family=self.family.name,
            variant="ternary" if is_ternary(self.model) else "full",
            config=to_dict(self.architecture),
            step=self.next_step,
            bytes_seen=self.bytes_seen,
            context=max(stage.seq_len for stage in self.schedule.stages if stage.begin <= last),
            quantized=self.schedule.quantized(last),
            corpus={
                "path": str(self.corpus.path),
                "size": self.corpus.size,
                "fingerprint": self.corpus.fingerprint,
                "train_size": self.order.size,
            },
            metrics={"val_bpb": self.val_bpb, "best_bpb": self.best_bpb},
            environment=device.environment(self.placement),
        )

    def _started(self) -> Event:
        count = sum(parameter.numel() for parameter in self.model.parameters())
        steps, folder = self.schedule.steps, str(self.folder)
        return Started(folder, self.family.name, count, self.next_step, steps, self.choices)

    def _stepped(self, step: int, loss: float, norm: float, clock: "_Clock") -> Event:
        event = Stepped(
            step=step + 1,
            steps=self.schedule.steps,
            loss=loss,
            bpb=loss / math.log(2),
            learning_rate=self.optimizers.lr,
            gradient_norm=norm,
            seq_len=self.schedule.stage(step).seq_len,
            quantized=self.schedule.quantized(step),
            bytes_seen=self.bytes_seen,
            bytes_per_second=clock.bytes / clock.seconds,
            seconds_left=clock.seconds / clock.steps * (self.schedule.steps - step - 1),
            memory=device.peak_memory(self.placement.device),
        )
        self.log.append(dataclasses.asdict(event))
        return event

    def _finished(self, seconds: float) -> Event:
        checkpoint = str(self.folder / f"step-{self.next_step:07d}")
        is_bound = bool(self.objective.is_bound)
        return Finished(self.next_step, self.val_bpb, self.best_bpb, is_bound, seconds, checkpoint)

    def _due(self, every: int | None) -> bool:
        return self.next_step == self.schedule.steps or bool(every and self.next_step % every == 0)


class _Clock:
    """Work done since the last line of the log, and its time without evaluations and saves."""

    def __init__(self) -> None:
        self.restart()

    def restart(self) -> None:
        self.began, self.bytes, self.steps, self.seconds = time.perf_counter(), 0, 0, 0.0

    def tick(self, count: int) -> None:
        self.bytes, self.steps = self.bytes + count, self.steps + 1
        self.seconds = time.perf_counter() - self.began
