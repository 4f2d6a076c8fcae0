"""A run as it stands: what it is made of, and how far it has come."""

from typing import Any

from torch import nn

from bbyte.config import Config
from bbyte.data.sampling import WindowOrder
from bbyte.device import Placement
from bbyte.models.contract import Family
from bbyte.runs.folder import Run
from bbyte.training.config import TrainConfig
from bbyte.training.distributed.group import Group
from bbyte.training.distributed.sharded import is_sharded
from bbyte.training.feed import Feed
from bbyte.training.optim import optimizer
from bbyte.training.optim.ema import Ema
from bbyte.training.optim.gradients import LossScale
from bbyte.training.progress import Clock, Progress
from bbyte.training.schedule import Schedule
from bbyte.training.update import Update
from bbyte.training.validation import Division


class State:
    """Everything a run consists of. `Trainer` makes it move; saving, resuming and reporting read and set it.

    `config` is complete: what it left open was settled before (see `bbyte.training.start`). `forward` is the
    objective as it is called, perhaps compiled. `group`: the processes that train it together.
    """

    def __init__(
        self, family: Family, objective: nn.Module, forward: Any, config: TrainConfig, placement: Placement,
        data: Division, run: Run, micro_batch: int, choices: tuple[str, ...] = (),
        group: Group | None = None,
    ) -> None:  # fmt: skip
        self.group = group or Group()
        self.family, self.objective, self.config, self.placement = family, objective, config, placement
        self.model: nn.Module = objective.get_submodule("model")
        self.data, self.log, self.folder = data, run, run.folder
        self.choices, self.warnings = choices, list[str]()
        self.schedule = Schedule(config)
        self.order = WindowOrder(data.train.size, self.schedule.longest, config.seed, config.stride)
        self.update = Update(
            forward, objective, self.model, optimizer.build(self.model, config), self.schedule,
            Feed(data.train, self.schedule, self.order, placement), placement, config.clip,
            ema=Ema(self.model, config.ema) if config.ema else None,
            scale=LossScale(placement.precision, placement.device), group=self.group,
        )  # fmt: skip
        self.progress = Progress(micro_batch=micro_batch)
        self.clock = Clock()

    @property
    def sharded(self) -> bool:
        """Whether each of several processes holds a part of the model."""
        return any(is_sharded(parameter) for parameter in self.model.parameters())

    @property
    def architecture(self) -> Config:
        """The config of the model in training."""
        config: Config = self.model.config  # type: ignore[assignment]
        return config
