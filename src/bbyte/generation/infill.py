"""Holes in a text, filled by a model that sees both sides of them. Imports no torch.

A text longer than the model sees at once is filled in windows, from left to right, each around a group of
holes (`bbyte.generation.windows`); what a step does is said in `bbyte.generation.filling`.
"""

import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from bbyte.generation.filling import Filling
from bbyte.generation.holes import Text
from bbyte.generation.infilling import Infilling
from bbyte.generation.valid_utf8 import Stretches
from bbyte.generation.windows import Places, Window, windows
from bbyte.models.contract import Infiller

MOST_STEPS = 256
"""Steps for a window where none are asked for; up to so many hidden bytes each has a step of its own."""


@dataclass(frozen=True)
class Revealed:
    """What a step showed: byte `places[i]` of sample `lanes[i]`. Of `total` bytes `done` are filled now."""

    lanes: Places
    places: Places
    done: int
    total: int


@dataclass(frozen=True)
class InfillMetrics:
    """Figures of one filling; bytes are hidden bytes, of all samples.

    seconds: of model and drawing, not of showing. passes: how often the model was asked.
    bits_per_hole_byte: mean of what the model gave the byte drawn, when it was revealed, at temperature 1.
    """

    samples: int
    bytes: int
    passes: int
    seconds: float
    bytes_per_second: float
    bits_per_hole_byte: float

    def to_dict(self) -> dict[str, Any]:
        """The figures by name."""
        return asdict(self)


class Infill:
    """The holes of `text` being filled in `samples` ways at once; `steps()` does it, once.

    tokens: (L, N), the text of each sample as it stands, HIDDEN where a byte is still hidden.
    bits: (L, N), of each byte filled, what the model gave it when it was revealed; 0 for all others.
    Raises UsageError where there is no hole, one is larger than the model can see, or UTF-8 is asked for and
    impossible.
    """

    def __init__(self, infiller: Infiller, text: Text, settings: Infilling, samples: int = 1) -> None:
        self.windows = windows(text, infiller.context)
        self.tokens = np.tile(text, (samples, 1))
        self.bits = np.zeros(self.tokens.shape)
        self.seconds = 0.0
        self._stretches = Stretches(text) if settings.utf8 == "valid" else None
        self._infiller = infiller
        self._settings = settings

    @property
    def total(self) -> int:
        """How many bytes are filled in the end, in all samples."""
        return sum(window.places.size for window in self.windows) * len(self.tokens)

    @property
    def step_count(self) -> int:
        """How many steps it takes, in all windows."""
        return sum(self._steps_of(window) for window in self.windows)

    def steps(self) -> Iterator[Revealed]:
        """Fill the holes, step by step; H bytes in S steps: after step s, H * s // S of them are filled."""
        done = 0
        for window in self.windows:
            began, filling = time.perf_counter(), self._filling(window)
            size, count = window.places.size, self._steps_of(window)
            for step in range(count):
                before, after = size * step // count, size * (step + 1) // count
                again = min(after - before, size - after) if self._settings.remask else 0
                lanes, places = filling.step(after - before + again, again)
                self.seconds += time.perf_counter() - began
                yield Revealed(lanes, places, done + after * len(self.tokens), self.total)
                began = time.perf_counter()
            done += size * len(self.tokens)

    def metrics(self) -> InfillMetrics:
        """The figures, once all steps are done."""
        return InfillMetrics(
            samples=len(self.tokens),
            bytes=self.total,
            passes=self.step_count,
            seconds=self.seconds,
            bytes_per_second=self.total / max(self.seconds, 1e-9),
            bits_per_hole_byte=float(self.bits.sum()) / self.total,
        )

    def _filling(self, window: Window) -> Filling:
        stretch = None
        if self._stretches is not None:
            stretch = self._stretches.around(int(window.places[0]), int(window.places[-1]) + 1)
        return Filling(self._infiller, window, stretch, self.tokens, self.bits, self._settings)

    def _steps_of(self, window: Window) -> int:
        return min(window.places.size, self._settings.steps or MOST_STEPS)
