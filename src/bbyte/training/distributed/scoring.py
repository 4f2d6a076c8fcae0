"""A validation that several processes share: batch by batch in turn, with the figure that one would find."""

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from bbyte.device import ran_out_of_memory
from bbyte.evaluation import Measure, Score, objective_measure
from bbyte.models.contract import Cost
from bbyte.training.distributed.group import Group
from bbyte.training.distributed.memory import AllOutOfMemoryError


def shared(
    group: Group, objective: Any, device: str, score: Callable[[Measure], Score], *, in_step: bool
) -> Score:
    """What `score` finds with a measure of `objective`, of which each process computes its batches only.

    in_step: all must compute equally often, because they gather the weights for it; some then compute a batch
    for nothing. Raises AllOutOfMemoryError where memory runs out in one that need not keep step.
    """
    turns, failed = Turns(group, objective), False
    try:
        score(objective_measure(turns, device))  # type: ignore[arg-type]
        if in_step:
            turns.fill_up()
    except (RuntimeError, MemoryError) as error:
        if in_step or not ran_out_of_memory(error):
            raise
        failed = True
    if group.any(failed):
        raise AllOutOfMemoryError("in one of the processes")
    # What the others found is zero here: the sum is theirs to the last bit, and NaN is raised by all.
    found = iter(group.total(torch.tensor(turns.found, dtype=torch.float64)).tolist())

    def told(rows: NDArray[np.uint8], skip: int) -> Cost:
        nats, variance = next(found)
        return Cost(nats, rows.shape[0] * (rows.shape[1] - 1 - skip), variance)

    return score(told)


class Turns:
    """Stands for an objective, and passes over the batches that are the others'.

    found: nats and variance of each batch so far, zero for theirs.
    """

    def __init__(self, group: Group, objective: Any) -> None:
        self.group, self.objective = group, objective
        self.is_random, self.training = objective.is_random, objective.training
        self.found: list[tuple[float, float]] = []
        self._last: tuple[Any, ...] = ()

    def eval(self) -> None:
        """As of a module."""
        self.objective.eval()

    def train(self, mode: bool = True) -> None:
        """As of a module."""
        self.objective.train(mode)

    def measure(self, window: Tensor, skip: int, *keys: Any) -> Cost:
        """The cost of the next batch; zero where it is another's."""
        self._last = window, skip, *keys
        cost = Cost(0.0, len(window) * (window.shape[1] - 1 - skip))
        if len(self.found) % self.group.size == self.group.world.rank:
            cost = self.objective.measure(*self._last)
        self.found.append((float(cost.nats), float(cost.variance)))
        return Cost(0.0, cost.count)

    def fill_up(self) -> None:
        """Compute once more where others had one batch more."""
        over = len(self.found) % self.group.size
        if 0 < over <= self.group.world.rank:
            with torch.inference_mode():
                self.objective.measure(*self._last)
