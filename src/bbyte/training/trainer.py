"""The training loop: a generator of events."""

import time
from collections.abc import Callable, Generator, Iterator
from typing import Any

import torch

from bbyte import device
from bbyte.device import Later
from bbyte.errors import InterruptedRunError, OutOfMemoryError
from bbyte.quantization.bitlinear import set_quantized
from bbyte.training import reporting, resuming
from bbyte.training.distributed.group import heard
from bbyte.training.distributed.memory import AllOutOfMemoryError
from bbyte.training.events import Event, Warned
from bbyte.training.guard import GoBack, Skipped
from bbyte.training.saving import Saver
from bbyte.training.state import State
from bbyte.training.update import Outcome
from bbyte.training.validator import Validator


class Trainer(State):
    """Trains a model. `list(trainer.run())` is a whole run.

    `interrupted` is asked after every step: where it gives the name of a signal, the run saves and ends. Of
    several processes all end after the same step, the one after that in which the signal came to any of them.
    """

    def __init__(self, *parts: Any) -> None:
        super().__init__(*parts)
        self.validator = Validator(
            self.objective, self.data.validation, self.placement, self.update.ema, self.group, self.sharded
        )
        self.saver = Saver(self)
        self.interrupted: Callable[[], str | None] = lambda: None
        self._unjudged: tuple[int, Later] | None = None
        self._heard: str | None = None

    def run(self) -> Iterator[Event]:
        """Train from the next step to the last, saying what happens as it happens.

        Raises InterruptedRunError once a signal was answered with a checkpoint, OutOfMemoryError where a
        single window does not fit, BbyteError where the run diverges or cannot be saved.
        """
        try:
            yield from self._events()
        finally:
            self.log.close()

    def _events(self) -> Iterator[Event]:
        began = time.perf_counter()
        self.clock.restart()
        yield reporting.started(self)
        yield from (Warned(text) for text in self.warnings)
        while self.progress.step < self.schedule.steps:
            outcome = yield from self._advance()
            self.clock.tick(self.schedule.bytes_of(self.progress.step - 1))
            if (yield from self._judge(outcome)):
                continue
            yield from self.saver.told()
            if self._due(self.config.log_every):
                yield self._log(outcome)
            improved = (yield from self._evaluate()) if self._due(self.config.eval_every) else False
            signal = self.interrupted() if self.group.size == 1 else self._heard
            if signal or self._save_is_due() or (improved and self.config.keep_best):
                if (yield from self._judge()):
                    continue
                yield from self.saver.save(insist=signal is not None)
            if signal and self.progress.step < self.schedule.steps:
                raise self._interruption(signal)
        yield reporting.finished(self, time.perf_counter() - began)

    def _advance(self) -> Generator[Event, None, Outcome]:
        """Take the next optimizer step; where memory runs out, again with smaller micro-batches."""
        while True:
            step = self.progress.step
            set_quantized(self.model, self.schedule.quantized(step))
            try:
                outcome = self.update(step, self.progress.data_step, self.progress.micro_batch)
                break
            except (RuntimeError, MemoryError) as error:
                if not device.ran_out_of_memory(error):
                    raise
                if self.group.size > 1 and not isinstance(error, AllOutOfMemoryError):
                    raise self._no_room() from error
            yield from self._make_room()  # only here are the failed step's activations gone
        self.progress.advance(self.schedule.bytes_of(step))
        if step and self.schedule.quantized(step) != self.schedule.quantized(step - 1):
            self.progress.best_bpb = None  # figures of the full-precision start are not of the same model
        return outcome

    def _make_room(self) -> Iterator[Event]:
        """Halve the micro-batch. Raises OutOfMemoryError, after saving, where it is a single window."""
        step, before, half_changed = self.progress.step, self.progress.micro_batch, self.update.applying
        self.update.drop()
        device.release_memory(self.placement)
        if before == 1:
            if not half_changed:
                yield from self.saver.save(insist=True)
            raise OutOfMemoryError(
                f"step {step + 1} does not fit in memory, not even one window at a time",
                "--grad-checkpoint block, a shorter --seq-len, a smaller --preset; bbyte plan says what fits",
            )
        self.progress.micro_batch = before // 2
        yield Warned(
            f"out of memory at step {step + 1}: {before // 2} windows at once from here, not {before}"
        )
        if half_changed:
            yield from self.saver.completed()
            yield self._go_back(step, "memory ran out while the weights were updated")

    def _judge(self, outcome: Outcome | None = None) -> Generator[Event, None, bool]:
        """Judge the step before, whose figures are there by now; whether the run went back.

        `outcome` is the last step's, to be judged after the next one. Without it, all is judged at once.
        """
        pending, self._unjudged = self._unjudged, None
        if outcome is not None:
            figures = torch.stack((outcome.loss.float(), outcome.fault.float()))
            signals = self.group.signals(self.interrupted(), figures.device)
            self._unjudged = self.progress.step - 1, Later(torch.cat((figures, signals)))
        if pending is None:
            return False
        step, (loss, fault, *asked) = pending[0], pending[1].read()
        self._heard = self._heard or heard(asked)
        if self.schedule.changes(step):
            self.progress.guard.forget_losses()
        verdict = self.progress.guard.judge(step, loss, fault > 0)
        if isinstance(verdict, Skipped):
            first, last = self.progress.samples_of(step, self.schedule.samples_a_step)
            self.log.append({"step": step + 1, "skipped": "gradient not finite", "samples": [first, last]})
            yield Warned(f"step {step + 1} skipped, its gradient was not finite: samples {first} to {last}")
        if isinstance(verdict, GoBack):
            yield from self.saver.completed()
            yield self._go_back(verdict.first, verdict.reason, past=verdict.last)
        return isinstance(verdict, GoBack)

    def _go_back(self, first: int, reason: str, past: int | None = None) -> Event:
        """Return to the newest checkpoint not after step `first`; with `past`, skip data up to that one."""
        left = self.progress.step
        self._unjudged = None
        resuming.go_back(self, first, reason, past)
        self.log.append({"step": self.progress.step, "went_back_from": left, "reason": reason})
        return Warned(f"{reason}: back from step {left} to the checkpoint of step {self.progress.step}")

    def _evaluate(self) -> Generator[Event, None, bool]:
        """Score the validation bytes; whether it is the best figure so far."""
        score = yield from self.validator.score(self.schedule.stage(self.progress.step - 1).seq_len)
        if score is None:
            return False
        improved = self.progress.take_score(score.bits_per_byte)
        row = {"val_bpb": score.bits_per_byte, "context": score.context, "is_bound": score.is_bound}
        self.log.append({"step": self.progress.step, **row})
        self.clock.restart()
        yield reporting.evaluated(self, score)
        return improved

    def _log(self, outcome: Outcome) -> Event:
        event = reporting.stepped(self, float(outcome.loss), float(outcome.norm))
        self.clock.restart()
        self.log.append(reporting.row(event))
        return event

    def _no_room(self) -> OutOfMemoryError:
        fewer = max(1, self.progress.micro_batch // 2)
        return OutOfMemoryError(
            f"process {self.group.world.rank} ran out of memory at step {self.progress.step + 1}, "
            "where the others wait for it",
            f"--resume {self.folder} --micro-batch {fewer} goes on from the newest checkpoint",
        )

    def _interruption(self, signal: str) -> InterruptedRunError:
        if self.placement.world.watched:
            self.log.append({"step": self.progress.step, "interrupted": signal})
        resume = f"bbyte train {self.family.name} --resume {self.folder}"
        return InterruptedRunError(f"{signal} at step {self.progress.step:,}, saved", f"{resume} goes on")

    def _save_is_due(self) -> bool:
        last_constant = self.config.save_every and self.progress.step == self.schedule.constant_until
        return self._due(self.config.save_every) or bool(last_constant)

    def _due(self, every: int | None) -> bool:
        done = self.progress.step
        return done == self.schedule.steps or bool(every and done % every == 0)
