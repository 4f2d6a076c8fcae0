"""A run's figures in the tools people watch training with: TensorBoard, Weights & Biases, Trackio."""

import importlib
import math
import secrets
import sys
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, redirect_stdout, suppress
from dataclasses import replace
from itertools import chain
from pathlib import Path
from typing import Any, Literal, Protocol

from bbyte import durable
from bbyte.errors import BbyteError, UsageError
from bbyte.runs.archive import TENSORBOARD, TRACKIO, WANDB
from bbyte.training.events import Evaluated, Event, Started, Stepped, Warned

Kind = Literal["tensorboard", "wandb", "trackio"]
PROJECT = "bbyte"
_ID = "bbyte-id"


class Tracker(Protocol):
    """Where figures go. `place` says in words where to see them."""

    place: str

    def log(self, step: int, figures: Mapping[str, float]) -> None:
        """Figures of a step."""

    def close(self) -> None:
        """No more come."""


def tracked(
    events: Generator[Event, None, None], kind: Kind, run: Path, settings: Mapping[str, Any]
) -> Iterator[Event]:
    """The events of the run in the folder `run` as they come, with their figures also sent to a tracker.

    The names are the same everywhere: train/bpb, val/bpb, lr, grad_norm, bytes_per_second. `settings` are
    shown beside them. A resumed run goes on in the same series. Where the tracker fails during the run, that
    becomes one Warned event, and the run goes on without it.
    The tracker starts at once, for it may have to ask for a key: raises UsageError where its library is not
    installed, BbyteError where it cannot start; `events` are closed then.
    """
    try:
        check_installed(kind)
        started = next(events)
        assert isinstance(started, Started)  # noqa: S101
        try:
            tracker = _TRACKERS[kind](run, settings, started.first_step)
        except Exception as error:
            hint = "start without --track; WANDB_MODE=offline needs neither account nor network"
            raise BbyteError(f"{kind} cannot start: {_reason(error)}", hint) from error
    except BaseException:
        events.close()
        raise
    first = replace(started, choices=(*started.choices, f"tracking: {tracker.place}"))
    return _followed(chain([first], events), tracker)


def check_installed(kind: Kind) -> None:
    """Raise UsageError, with the command that mends it, where the tracker's library is not installed."""
    try:
        importlib.import_module(kind)
    except ImportError as error:
        raise UsageError(f"--track {kind} needs {kind}: {error}", f"pip install {kind}") from None


def figures(event: Event) -> dict[str, float]:
    """What of an event is tracked, by its name. NaN, the figure of a skipped update, is left out."""
    match event:
        case Stepped():
            found = {
                "train/bpb": event.bpb, "lr": event.learning_rate, "grad_norm": event.gradient_norm,
                "bytes_per_second": event.bytes_per_second,
            }  # fmt: skip
        case Evaluated():
            found = {"val/bpb": event.bpb}
        case _:
            found = {}
    return {name: value for name, value in found.items() if math.isfinite(value)}


def _followed(events: Iterable[Event], following: Tracker) -> Iterator[Event]:
    tracker: Tracker | None = following
    try:
        for event in events:
            yield event
            found = figures(event)
            if tracker is None or not found:
                continue
            try:
                tracker.log(event.step, found)  # type: ignore[union-attr]
            except Exception as error:
                _close(tracker)
                tracker = None
                yield Warned(f"tracking ends here, the run goes on: {_reason(error)}")
    finally:
        if tracker is not None:
            _close(tracker)


def _close(tracker: Tracker) -> None:
    with suppress(Exception):
        tracker.close()


def _reason(error: Exception) -> str:
    return (getattr(error, "strerror", None) or str(error) or type(error).__name__).strip().split("\n")[0]


class _TensorBoard:
    def __init__(self, run: Path, settings: Mapping[str, Any], first_step: int) -> None:
        from torch.utils.tensorboard import SummaryWriter

        self.place = f"tensorboard --logdir {run / TENSORBOARD}"
        # What an earlier course logged after this step is not shown any more.
        self._writer = SummaryWriter(str(run / TENSORBOARD), purge_step=first_step + 1)
        rows = "".join(f"| {key} | {value} |\n" for key, value in settings.items())
        self._writer.add_text("settings", f"| | |\n|---|---|\n{rows}", first_step)

    def log(self, step: int, figures: Mapping[str, float]) -> None:
        for name, value in figures.items():
            self._writer.add_scalar(name, value, step)

    def close(self) -> None:
        self._writer.close()


class _Wandb:
    def __init__(self, run: Path, settings: Mapping[str, Any], first_step: int) -> None:
        import wandb

        (run / WANDB).mkdir(exist_ok=True)
        self._run = wandb.init(
            project=PROJECT, name=run.resolve().name, id=_identity(run / WANDB, first_step), resume="allow",
            dir=str(run), config=dict(settings), settings=wandb.Settings(console="off", quiet=True),
        )  # fmt: skip
        # Their own step only ever grows; ours may go back to that of a checkpoint.
        self._run.define_metric("step")
        self._run.define_metric("*", step_metric="step")
        local = f"wandb sync {Path(self._run.dir).parent}"
        self.place = local if self._run.offline else self._run.url or local

    def log(self, step: int, figures: Mapping[str, float]) -> None:
        self._run.log({"step": step, **figures})

    def close(self) -> None:
        self._run.finish()


class _Trackio:
    def __init__(self, run: Path, settings: Mapping[str, Any], first_step: int) -> None:
        trackio = importlib.import_module("trackio")
        (run / TRACKIO).mkdir(exist_ok=True)
        name = f"{run.resolve().name}-{_identity(run / TRACKIO, first_step)}"
        self.place, self._trackio = f"trackio show --project {PROJECT}", trackio
        with _talk_on_stderr():
            trackio.init(project=PROJECT, name=name, config=dict(settings), resume="allow")

    def log(self, step: int, figures: Mapping[str, float]) -> None:
        with _talk_on_stderr():
            self._trackio.log(dict(figures), step=step)

    def close(self) -> None:
        with _talk_on_stderr():
            self._trackio.finish()


def _talk_on_stderr() -> AbstractContextManager[Any]:
    """Trackio talks on stdout, which is for what the command gives."""
    return redirect_stdout(sys.stderr)


def _identity(folder: Path, first_step: int) -> str:
    """The name under which the tracker knows this run: a new one for a new run, else the one it had."""
    path = folder / _ID
    if first_step == 0 or not path.is_file():
        durable.replace_text(path, secrets.token_hex(4))
    return path.read_text("utf-8")


_TRACKERS: dict[Kind, Callable[[Path, Mapping[str, Any], int], Tracker]] = {
    "tensorboard": _TensorBoard, "wandb": _Wandb, "trackio": _Trackio,
}  # fmt: skip
