"""What a run's events add up to: the figures and the curve that its screen shows."""

import math
import time
from collections.abc import Callable

from bbyte.training.events import Evaluated, Event, Finished, Saved, Started, Stepped

_POINTS = 2000


class History:
    """Collects the events of one run. Its memory does not grow with the number of steps."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self.started: Started | None = None
        self.last: Stepped | None = None
        self.evaluations: list[Evaluated] = []
        self.saved: Saved | None = None
        self.finished: Finished | None = None
        self.raw: list[tuple[int, float]] = []
        """Step and bits per byte of single batches; at most 2,000, evenly spaced."""
        self.quantized_from: int | None = None
        """The first ternary step, if the run began in full precision."""
        self._clock = clock
        self._began = clock()
        self._spacing = 1
        self._averaged = 0
        self._sum = 0.0
        self._weight = 0.0

    def take(self, event: Event) -> None:
        """Add what happened."""
        match event:
            case Started():
                self.started = event
            case Stepped():
                self._take_step(event)
            case Evaluated():
                self.evaluations.append(event)
            case Saved():
                self.saved = event
            case Finished():
                self.finished = event

    @property
    def train_bpb(self) -> float | None:
        """Bits per byte of the training batches, smoothed."""
        return self._sum / self._weight if self._weight else None

    @property
    def seconds(self) -> float:
        """Time since the first event."""
        return self.finished.seconds if self.finished else self._clock() - self._began

    def _take_step(self, event: Stepped) -> None:
        if self.last is not None and event.quantized and not self.last.quantized:
            self.quantized_from = event.step
        self.last = event
        if math.isfinite(event.bpb):  # a NaN is reported by the trainer; it must not wipe out the average
            rate = 1 / min(max(event.steps / 60, 5), 100)
            self._sum += rate * (event.bpb - self._sum)
            self._weight += rate * (1 - self._weight)
            if event.step % self._spacing == 0 or not self.raw:
                self.raw.append((event.step, event.bpb))
        if len(self.raw) > _POINTS:
            self._spacing *= 2
            self.raw = self.raw[::2]
