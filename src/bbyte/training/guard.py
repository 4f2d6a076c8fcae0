"""Notices updates that must not count: gradients that are not finite, and a loss that stays far too high.

The update of a step that is not finite is skipped on the device, without waiting for it. The guard is told a
step later, and says when skipping is not enough: back to an earlier checkpoint, past the data that did it.
"""

import math
from dataclasses import dataclass, field

from bbyte.errors import BbyteError

WITHIN, TOO_MANY = 100, 3
"""So many skipped updates within so many steps, and the run goes back."""
SPIKE_STEPS = 20
"""A loss above the limit for so many steps in a row is no outlier any more."""
SETTLED = 50
"""Losses averaged before any is called too high."""
DEVIATIONS, LEAST_RISE = 6.0, 0.5
"""The limit: the mean plus six mean absolute deviations, and at least half a nat a byte."""
_MEMORY = 0.98
MOST_RETURNS = 3


@dataclass(frozen=True)
class Skipped:
    """The update of `step` was skipped."""

    step: int


@dataclass(frozen=True)
class GoBack:
    """The run should return to a checkpoint not after step `first`, and pass over the data to step `last`."""

    first: int
    last: int
    reason: str


@dataclass
class Guard:
    """Judges each step once, in order. Its fields are numbers and lists: a checkpoint keeps them."""

    skipped: list[int] = field(default_factory=list)
    mean: float = 0.0
    deviation: float = 0.0
    averaged: int = 0
    too_high: list[int] = field(default_factory=list)
    returns: int = 0
    """Times the run went back without a new checkpoint of good steps since."""

    def judge(self, step: int, loss: float, fault: bool) -> Skipped | GoBack | None:
        """What to do about `step`, whose mean loss was `loss` nats a byte; None if all is well.

        `fault`: its gradient was not finite, and its update was skipped.
        """
        if fault or not math.isfinite(loss):
            self.skipped = [past for past in self.skipped if past > step - WITHIN] + [step]
            if len(self.skipped) < TOO_MANY:
                return Skipped(step)
            reason = f"{TOO_MANY} gradients within {WITHIN} steps were not finite"
            return GoBack(self.skipped[0], step, reason)
        limit = self.mean + max(LEAST_RISE, DEVIATIONS * self.deviation)
        if self.averaged >= SETTLED and loss > limit:
            self.too_high.append(step)
            if len(self.too_high) >= SPIKE_STEPS:
                reason = f"the loss was above {limit / math.log(2):.2f} bpb for {SPIKE_STEPS} steps"
                return GoBack(self.too_high[0], step, reason)
            return None
        self.too_high = []
        # The first losses count equally, later ones fade: so the mean is at once near the truth.
        self.averaged += 1
        rate = max(1 - _MEMORY, 1 / self.averaged)
        self.deviation += rate * (abs(loss - self.mean if self.averaged > 1 else 0.0) - self.deviation)
        self.mean += rate * (loss - self.mean)
        return None

    def forget_losses(self) -> None:
        """Begin the averages anew: another window length or ternary weights move the loss for good reason."""
        self.mean, self.deviation, self.averaged, self.too_high = 0.0, 0.0, 0, []

    def note_save(self) -> None:
        """Note that there is a new checkpoint: of a run that is well, it begins a new count of returns."""
        if not self.skipped and not self.too_high:
            self.returns = 0

    def count_return(self, reason: str) -> None:
        """Note that the run went back. Raises BbyteError once too often with no checkpoint since."""
        self.returns += 1
        self.skipped, self.too_high = [], []
        if self.returns > MOST_RETURNS:
            raise BbyteError(
                f"{reason}, again after going back {MOST_RETURNS} times: the run diverges",
                "a lower --lr and --matrix-lr, or a longer --warmup-steps, with --resume or in a new run",
            )


def skip(ranges: list[tuple[int, int]], first: int, end: int) -> list[tuple[int, int]]:
    """`ranges` of data steps to pass over, with [first, end) added: sorted, and none touches another."""
    kept = [(a, b) for a, b in ranges if b < first or a > end]
    touched = [(a, b) for a, b in ranges if not (b < first or a > end)]
    joined = (min([first, *(a for a, _ in touched)]), max([end, *(b for _, b in touched)]))
    return sorted([*kept, joined])


def data_step(ranges: list[tuple[int, int]], step: int) -> int:
    """Which data optimizer step `step` reads: its own number, moved past every skipped range before it."""
    for first, end in ranges:
        if step >= first:
            step += end - first
    return step
