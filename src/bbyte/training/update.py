"""One optimizer step: forward and backward over the step's windows, clipping, update. Waits for no result."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from bbyte.checkpoint.tensors import TensorInfo, info_of
from bbyte.device import Placement
from bbyte.training.feed import Feed, Request
from bbyte.training.noise import noise
from bbyte.training.optim.ema import Ema
from bbyte.training.optim.gradients import LossScale, clip
from bbyte.training.optim.optimizer import Optimizers
from bbyte.training.schedule import Schedule


@dataclass(frozen=True)
class Outcome:
    """What a step gave, still on the device, each a scalar.

    loss: mean nats a byte. norm: of the gradient before clipping. fault: 1 where the gradient was not finite,
    so that the update was skipped, and a loss scale in search of its size was not the reason.
    """

    loss: Tensor
    norm: Tensor
    fault: Tensor


@dataclass
class Update:
    """Takes optimizer steps. How many windows are computed at once changes no more than the last digits."""

    forward: Any
    objective: nn.Module
    model: nn.Module
    optimizers: Optimizers
    schedule: Schedule
    feed: Feed
    placement: Placement
    clip: float
    ema: Ema | None
    scale: LossScale
    applying: bool = False
    """Whether the weights are just being changed, so that a failure leaves them in between."""

    def __call__(self, step: int, data_step: int, micro_batch: int) -> Outcome:
        """Take `step` with the windows of `data_step`, computing `micro_batch` at once."""
        count, nats = self.schedule.bytes_of(step), torch.zeros((), device=self.placement.device)
        requests = self._requests(step, data_step, micro_batch)
        ahead = [*requests[1:], self._requests(step + 1, data_step + 1, micro_batch)[0]]
        for request, following in zip(requests, ahead, strict=True):
            window = self.feed.windows(request)
            with self.placement.autocast():
                cost = self.forward(window, *self._noise(request, window))
            (cost.nats / count * self.scale.value).backward()
            self.feed.prepare(following)
            nats += cost.nats.detach()
        norm, found_inf = clip(self.model.parameters(), self.clip, self.scale)
        self.applying = True
        self.optimizers.set_lr(self.schedule.lr_factor(step))
        self.optimizers.set_weight_decay(self.schedule.weight_decay_factor(step))
        self.optimizers.step(found_inf)
        if self.ema is not None:
            self.ema.update(step, found_inf)
        self.applying = False
        return Outcome(nats / count, norm, self.scale.update(found_inf))

    def drop(self) -> None:
        """Forget a step that failed halfway."""
        self.applying = False
        self.model.zero_grad(set_to_none=True)

    def weights(self) -> dict[str, Tensor]:
        """The model as a checkpoint holds it: averaged where there is an average."""
        averages = {} if self.ema is None else self.ema.averages
        return self.model.state_dict() | averages

    def state(self) -> dict[str, Tensor]:
        """What else resuming needs, for the checkpoint's optimizer.safetensors."""
        return self.optimizers.state() | self._latest() | self._loss_scale()

    def expected_state(self) -> dict[str, TensorInfo]:
        """Names, types and shapes of `state`."""
        rest = self._latest() | self._loss_scale()
        return self.optimizers.expected_state() | {name: info_of(value) for name, value in rest.items()}

    def load(self, weights: Mapping[str, Tensor], state: Mapping[str, Tensor] | None) -> None:
        """Take up what a checkpoint holds; without `state` only the model, as it would be used."""
        self.model.load_state_dict(weights)
        if self.ema is not None:
            self.ema.take(weights)
        if state is None:
            return
        self.optimizers.load_state({name: state[name] for name in self.optimizers.expected_state()})
        with torch.no_grad():
            for name, held in (self._latest() | self._loss_scale()).items():
                held.copy_(state[name])

    def _noise(self, request: Request, window: Tensor) -> tuple[Tensor, ...]:
        return noise(self.objective, self.feed.keys(request), window.shape[1] - 1, window.device)

    def _latest(self) -> dict[str, Tensor]:
        """The weights in training by name, where those of the checkpoint are averages."""
        weights = {} if self.ema is None else self.ema.weights
        return {f"latest.{name}": weight for name, weight in weights.items()}

    def _loss_scale(self) -> dict[str, Tensor]:
        return self.scale.state() if self.scale.moves else {}

    def _requests(self, step: int, data_step: int, micro_batch: int) -> list[Request]:
        windows = self.schedule.samples_a_step
        starts = range(0, windows, micro_batch)
        return [Request(step, data_step, (first, min(first + micro_batch, windows))) for first in starts]
