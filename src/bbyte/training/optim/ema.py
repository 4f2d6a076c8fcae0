"""A moving average of the weights: smoother than the last of them, and for full precision often better."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import torch
from torch import Tensor, nn
from torch.autograd.graph import increment_version

from bbyte.training.distributed.sharded import fill, is_sharded, part


class Ema:
    """average = d average + (1 - d) weight after each step, d = min(decay, (1 + t) / (10 + t)) at step t.

    The small d at first soon forgets the random weights that a run, and so the average, begins with.
    `weights` are the model's own parameters, `averages` their averages by the same names.
    """

    def __init__(self, model: nn.Module, decay: float) -> None:
        self.decay = decay
        self.weights = dict(model.named_parameters())
        self.averages = {name: weight.detach().clone() for name, weight in self.weights.items()}

    @torch.no_grad()
    def update(self, step: int, found_inf: Tensor | None = None) -> None:
        """Take in the weights after `step` (0 is the first), unless the tensor `found_inf` is 1."""
        share: float | Tensor = 1 - min(self.decay, (1 + step) / (10 + step))
        if found_inf is not None:
            share = share * (1 - found_inf)
        for name, average in self.averages.items():
            part(average).lerp_(part(self.weights[name]), share)

    def take(self, averages: Mapping[str, Tensor]) -> None:
        """Go on from the averages of a checkpoint."""
        for name, average in self.averages.items():
            fill(average, averages[name])

    @contextmanager
    def swapped(self) -> Iterator[None]:
        """Inside, the model computes with the averages; afterwards it has its weights again, to the bit."""
        weights = {name: _apart(weight) for name, weight in self.weights.items()}
        self._show(self.averages)
        try:
            yield
        finally:
            self._show(weights)

    @torch.no_grad()
    def _show(self, values: Mapping[str, Tensor]) -> None:
        for name, parameter in self.weights.items():
            if is_sharded(parameter):  # who gathers its parts knows where they lie
                part(parameter).copy_(part(values[name]))
            else:
                parameter.data = values[name]
        increment_version(list(self.weights.values()))  # nothing cached of other values is taken for theirs


def _apart(weight: Tensor) -> Tensor:
    """What `weight` holds, to stay as it is while others are shown in its place."""
    return weight.detach().clone() if is_sharded(weight) else weight.data
