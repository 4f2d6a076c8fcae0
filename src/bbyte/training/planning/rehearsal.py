"""A run's step on a model that is thrown away, in its two halves: to be timed, or followed through memory."""

import numpy as np
from torch import Tensor, nn

from bbyte.device import Placement
from bbyte.training.config import TrainConfig
from bbyte.training.noise import noise
from bbyte.training.optim.ema import Ema
from bbyte.training.optim.gradients import LossScale, clip
from bbyte.training.optim.optimizer import Optimizers
from bbyte.training.wrap import Forward


class Rehearsal:
    """What `Update` does, without the data, the schedule and the records of a run; the learning rate is 0."""

    def __init__(
        self, objective: nn.Module, forward: Forward, optimizers: Optimizers, config: TrainConfig,
        placement: Placement,
    ) -> None:  # fmt: skip
        self.objective, self.forward, self.optimizers = objective, forward, optimizers
        self.config, self.placement = config, placement
        self.model = objective.get_submodule("model")
        optimizers.set_lr(0.0)
        self.ema = Ema(self.model, config.ema) if config.ema else None
        self.scale = LossScale(placement.precision, placement.device)

    def compute(self, window: Tensor, forward: Forward | None = None) -> None:
        """Forward and backward of one micro-batch (B, T + 1) uint8; gradients add up."""
        keys, length = np.arange(window.shape[0]), window.shape[1] - 1
        with self.placement.autocast():
            cost = (forward or self.forward)(window, *noise(self.objective, keys, length, window.device))
        (cost.nats / cost.count * self.scale.value).backward()

    def update(self) -> None:
        """Clip, update, and drop the gradients."""
        clip(self.model.parameters(), self.config.clip, self.scale)
        self.optimizers.step()
        if self.ema is not None:
            self.ema.update(0)
