"""What is kept of a run beside its log: samples of what the model writes, and at its end a page about it."""

from collections.abc import Generator, Iterable
from contextlib import nullcontext, suppress
from typing import TYPE_CHECKING

from bbyte.errors import BbyteError
from bbyte.generation.sampling import Sampling
from bbyte.generation.stream import generate
from bbyte.report import page, rivals, samples
from bbyte.report.samples import Sample
from bbyte.runs.archive import ANCHORS, REPORT
from bbyte.training.events import Event, Finished, Saved, Started, Warned

if TYPE_CHECKING:
    from bbyte.training.trainer import Trainer

SAMPLING = Sampling(temperature=0.8)
MOST_SAMPLES = 20
"""Samples of one run: at the first checkpoint in each twentieth of its steps."""
MOST_BYTES, LEAST_BYTES = 200, 16
BYTES_TIMES_PARAMETERS = 5 * 10**9
"""Beyond 25 M parameters samples become shorter, so that each costs about the same."""
PROMPT = 48
MOST_COMPRESSED = 4 << 20
"""More validation bytes than this are not compressed at the end of a run: it would take too long."""


def with_records(
    trainer: "Trainer", events: Iterable[Event], sample_bytes: int | None = None
) -> Generator[Event, None, None]:
    """The events of a run as they come, while its records are kept: samples, anchors.json, report.html.

    At a checkpoint, before the event goes on, the model writes `sample_bytes` bytes (0: none; by default 200,
    fewer where it is large) after the first bytes of the validation part. When the run is finished, or ended
    by a BbyteError such as an interruption, report.html is written. Neither weights, nor their mode, nor
    torch's random numbers are changed: the losses are those of a run without records. What cannot be kept
    becomes a Warned event, told once; nothing that fails here ends the run.
    """
    records = _Records(trainer, sample_bytes)
    try:
        for event in events:
            warnings = records.take(event)
            yield event
            yield from warnings
    except BbyteError:
        with suppress(Exception):  # how the run ended is what is to be said
            page.write(trainer.folder)
        raise


class _Records:
    def __init__(self, trainer: "Trainer", sample_bytes: int | None) -> None:
        self.trainer = trainer
        self.sample_bytes = _suitable(trainer) if sample_bytes is None else sample_bytes
        self.told: set[str] = set()

    def take(self, event: Event) -> list[Warned]:
        """Keep what belongs to `event`, or say why not."""
        trainer = self.trainer
        try:
            match event:
                case Started():
                    self._forget(event.first_step)
                case Saved() if self._is_due(event):
                    samples.append(trainer.folder, sample(trainer, event.step, self.sample_bytes))
                    trainer.clock.restart()  # that was no time of training
                case Finished():
                    self._compare()
                    page.write(trainer.folder, ended=True)
        except Exception as error:
            what = {Saved: "sample", Finished: "report"}.get(type(event), "earlier sample")
            message = f"no {what} could be written: {_reason(error)}"
            if message not in self.told:
                self.told.add(message)
                return [Warned(message)]
        return []

    def _forget(self, first_step: int) -> None:
        samples.forget_after(self.trainer.folder, first_step)
        for name in (ANCHORS, REPORT):  # they tell of another course
            (self.trainer.folder / name).unlink(missing_ok=True)

    def _is_due(self, event: Saved) -> bool:
        if not self.sample_bytes or self.trainer.family.predictor is None:
            return False
        steps = self.trainer.schedule.steps
        before = [earlier.step for earlier in samples.read(self.trainer.folder) if earlier.step < event.step]
        return not before or event.step * MOST_SAMPLES // steps > before[-1] * MOST_SAMPLES // steps

    def _compare(self) -> None:
        data = self.trainer.data
        if data.validation is not None and 0 < data.validation.size <= MOST_COMPRESSED:
            measured = rivals.measure(data.validation, data.train, self.trainer.progress.bytes_seen)
            rivals.write(self.trainer.folder, measured)


def sample(trainer: "Trainer", step: int, count: int) -> Sample:
    """What the model in training writes as it is: `count` bytes, the same for the same weights."""
    import torch

    build, model, ema = trainer.family.predictor, trainer.model, trainer.update.ema
    assert build is not None  # noqa: S101
    validation = trainer.data.validation
    prompt = validation.read(0, min(PROMPT, validation.size)).tobytes() if validation is not None else b""
    device, was_training = torch.device(trainer.placement.device), model.training
    randomness = torch.random.fork_rng([device] if device.type == "cuda" else [])
    averaged = ema.swapped() if ema is not None else nullcontext()
    try:
        with randomness, trainer.placement.autocast(), averaged:
            predictor = build(model, trainer.schedule.longest, 1)
            text = b"".join(byte.tobytes() for byte in generate(predictor, prompt, count, SAMPLING))
    finally:
        model.train(was_training)
    return Sample(step, prompt, text)


def _suitable(trainer: "Trainer") -> int:
    """How many bytes the model can write in about two seconds."""
    parameters = sum(parameter.numel() for parameter in trainer.model.parameters())
    return max(LEAST_BYTES, min(MOST_BYTES, BYTES_TIMES_PARAMETERS // max(1, parameters)))


def _reason(error: Exception) -> str:
    if isinstance(error, BbyteError):
        return error.message
    return getattr(error, "strerror", None) or str(error) or type(error).__name__
