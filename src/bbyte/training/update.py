"""One optimizer step: forward and backward over the step's windows, clipping, update. Waits for no result."""

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

from bbyte.checkpoint.tensors import TensorInfo, info_of
from bbyte.device import Placement, ran_out_of_memory
from bbyte.training.distributed.group import Group
from bbyte.training.distributed.memory import AllOutOfMemoryError
from bbyte.training.distributed.sharded import fill
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
    """Takes optimizer steps, each process with its share of the windows.

    How many windows are computed at once, and by how many processes, changes no more than the last digits.
    """

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
    group: Group
    applying: bool = False
    """Whether the weights are just being changed, so that a failure leaves them in between."""
    _fitted: set[tuple[int, int, bool]] = field(default_factory=set)

    def __call__(self, step: int, data_step: int, micro_batch: int) -> Outcome:
        """Take `step` with the windows of `data_step`, computing `micro_batch` at once."""
        nats = torch.zeros((), device=self.placement.device)
        requests = self._requests(step, data_step, micro_batch)
        ahead = [*requests[1:], self._requests(step + 1, data_step + 1, micro_batch)[0]]
        if isinstance(self.forward, DistributedDataParallel):
            self._try(step, micro_batch, requests[:2])
        for request, following in zip(requests, ahead, strict=True):
            with nullcontext() if request is requests[-1] else self._apart():
                nats += self._compute(request)
            self.feed.prepare(following)
        count, nats = self.schedule.bytes_of(step), self.group.total(nats)
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
        with torch.no_grad():
            for name, held in self.model.state_dict().items():
                fill(held, weights[name])
            if self.ema is not None:
                self.ema.take(weights)
            if state is None:
                return
            self.optimizers.load_state(state)
            for name, held in (self._latest() | self._loss_scale()).items():
                fill(held, state[name])

    def _compute(self, request: Request) -> Tensor:
        """Forward and backward of one micro-batch: its nats. Gradients add up."""
        window = self.feed.windows(request)
        with self.placement.autocast():
            cost = self.forward(window, *self._noise(request, window))
        # Of the processes' gradients the mean is taken, and the sum is wanted.
        scale = self.scale.value * self.group.size
        (cost.nats / self.schedule.bytes_of(request.step) * scale).backward()
        nats: Tensor = cost.nats.detach()
        return nats

    def _apart(self) -> AbstractContextManager[None]:
        """Gradients stay with each process, to be exchanged once a step."""
        if isinstance(self.forward, DistributedDataParallel):
            return self.forward.no_sync()
        return nullcontext()

    def _try(self, step: int, micro_batch: int, requests: Sequence[Request]) -> None:
        """Raise AllOutOfMemoryError in every process where micro-batches of a new size do not fit in one.

        That is found out apart: who fails inside a pass that all take together leaves the others waiting.
        """
        size = (micro_batch, self.schedule.stage(step).seq_len, self.schedule.quantized(step))
        if size in self._fitted:
            return
        failed = False
        try:
            with self._apart():
                for request in requests:
                    self._compute(request)
        except (RuntimeError, MemoryError) as error:
            if not ran_out_of_memory(error):
                raise
            failed = True
        self.drop()
        if self.group.any(failed):
            raise AllOutOfMemoryError("in one of the processes")
        self._fitted.add(size)

    def _noise(self, request: Request, window: Tensor) -> tuple[Tensor, ...]:
        return noise(self.objective, self.feed.keys(request), window.shape[1] - 1, window.device)

    def _latest(self) -> dict[str, Tensor]:
        """The weights in training by name, where those of the checkpoint are averages."""
        weights = {} if self.ema is None else self.ema.weights
        return {f"latest.{name}": weight for name, weight in weights.items()}

    def _loss_scale(self) -> dict[str, Tensor]:
        return self.scale.state() if self.scale.moves else {}

    def _requests(self, step: int, data_step: int, micro_batch: int) -> list[Request]:
        share = self.group.share(self.schedule.samples_a_step)
        starts = share[::micro_batch]
        return [Request(step, data_step, (first, min(first + micro_batch, share.stop))) for first in starts]
