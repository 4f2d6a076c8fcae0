"""Scoring the validation bytes during a run."""

from collections.abc import Generator
from contextlib import nullcontext
from dataclasses import dataclass

from torch import nn

from bbyte import device
from bbyte.device import Placement
from bbyte.evaluation import ByteSource, Measure, Score, bits_per_byte, objective_measure
from bbyte.training.distributed.group import Group
from bbyte.training.distributed.memory import AllOutOfMemoryError
from bbyte.training.distributed.scoring import shared
from bbyte.training.events import Event, Warned
from bbyte.training.optim.ema import Ema

POSITIONS_AT_ONCE = 16384


@dataclass
class Validator:
    """Scores `source` with windows that do not overlap, by the averaged weights where there are some.

    Several processes share the windows.
    """

    objective: nn.Module
    source: ByteSource | None
    placement: Placement
    ema: Ema | None
    group: Group
    sharded: bool = False
    positions_at_once: int = POSITIONS_AT_ONCE

    def score(self, context: int) -> Generator[Event, None, Score | None]:
        """The score with windows of `context` bytes, None without a source. Where memory runs out, in smaller
        batches, with a warning. Raises what `bits_per_byte` raises."""
        if self.source is None:
            return None
        while True:
            windows = max(1, self.positions_at_once // context)
            try:
                with self.placement.autocast(), self.ema.swapped() if self.ema else nullcontext():
                    return self._score(context, windows)
            except (RuntimeError, MemoryError) as error:
                if windows == 1 or not device.ran_out_of_memory(error):
                    raise
                if self.group.size > 1 and not isinstance(error, AllOutOfMemoryError):
                    raise
            self.positions_at_once //= 2
            device.release_memory(self.placement)
            yield Warned(
                f"out of memory at a validation: smaller batches from here, of {windows // 2} windows"
            )

    def _score(self, context: int, windows: int) -> Score:
        def score(measure: Measure) -> Score:
            assert self.source is not None  # noqa: S101
            return bits_per_byte(
                measure, self.source, context=context, stride=context, batch_size=windows,
                is_bound=bool(self.objective.is_bound),
            )  # fmt: skip

        if self.group.size == 1:
            return score(objective_measure(self.objective, self.placement.device))
        return shared(self.group, self.objective, self.placement.device, score, in_step=self.sharded)
