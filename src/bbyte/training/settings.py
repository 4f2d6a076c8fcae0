"""The settings of a run, checked together: what is wrong with any of them is told in one message."""

import dataclasses
from dataclasses import dataclass
from typing import Any

import torch

from bbyte.config import Problems, from_dict, to_dict, to_toml
from bbyte.data.corpus import ByteCorpus
from bbyte.device import Placement, Runtime, place, usable_cores
from bbyte.models.contract import Family
from bbyte.models.families import architecture, family
from bbyte.quantization.bitlinear import is_ternary
from bbyte.training.config import TrainConfig
from bbyte.training.optim.adamw import adamw8bit_class
from bbyte.training.request import Request

NOT_RECORDED = ("vocab_size", "norm_eps")
LARGE_GPU, MANY_CORES = 10 << 30, 8


@dataclass(frozen=True)
class Settings:
    """Everything a run is made of. said: what was chosen for the user and why, one sentence each."""

    family: Family
    preset: str | None
    model: Any
    objective: Any
    training: TrainConfig
    runtime: Runtime
    placement: Placement
    said: tuple[str, ...]

    def build(self, device: str) -> torch.nn.Module:
        """The objective around a fresh model, on a device; "meta" takes no memory."""
        with torch.device(device):
            return self.family.objective(self.family.build(self.model), self.objective)

    @property
    def micro_batch(self) -> int:
        """Windows to compute at once at first: those asked for, at most a batch or a process's share."""
        config = self.training
        assert config.batch_size, "a batch is chosen before"  # noqa: S101
        most = min(config.batch_size, self.share)
        return most if config.micro_batch == "auto" else min(config.micro_batch, most)

    @property
    def share(self) -> int:
        """Windows of a step that one process computes, at most."""
        config = self.training
        assert config.batch_size, "a batch is chosen before"  # noqa: S101
        return -(-config.batch_size * config.grad_accum // self.placement.world.size)

    def change(self, *said: str, **training: Any) -> "Settings":
        """The same with some settings of the training changed, and sentences that say so."""
        config = dataclasses.replace(self.training, **training)
        return dataclasses.replace(self, training=config, said=(*self.said, *said))

    def to_toml(self, data: str) -> str:
        """What config.toml says: nothing is left open, so that it alone repeats the run."""
        model = {key: value for key, value in to_dict(self.model).items() if key not in NOT_RECORDED}
        tables = {
            "model": model,
            "objective": to_dict(self.objective),
            "training": to_dict(self.training),
            "runtime": to_dict(self.runtime),
        }
        return to_toml({"": {"data": data}, **tables})


def check(request: Request) -> Settings:
    """The settings of a request. Raises UsageError with every problem there is; allocates nothing."""
    problems, kind = Problems(), family(request.family)
    runtime = problems.attempt(lambda: from_dict(Runtime, request.runtime, where="settings"))
    placement = problems.attempt(lambda: place(runtime, request.world)) if runtime else None
    preset, said = _preset(request, kind, placement)
    model = problems.attempt(lambda: architecture(kind, preset, request.model))
    objective = problems.attempt(
        lambda: from_dict(kind.objective_config, request.objective, where="settings")
    )
    training = problems.attempt(lambda: from_dict(TrainConfig, request.training, where="settings"))
    if training is not None and training.optimizer == "adamw8bit":
        problems.attempt(adamw8bit_class)
        problems.check(
            not (runtime and runtime.shard),
            "optimizer adamw8bit cannot be sharded",
            "--optimizer muon or adamw",
        )
    if request.data is not None:
        problems.attempt(lambda: ByteCorpus.open(request.data or ""))
    if problems.none and runtime and placement and training:
        said = (*said, *placement.reasons)
        settings = Settings(kind, preset, model, objective, training, runtime, placement, said)
        ternary = is_ternary(settings.build("meta"))
        problems.check(
            not (ternary and training.ema),
            "ema: an average of the latent weights of a ternary model rounds to other trits than they do",
            "leave --ema out, or train in full precision: --no-ternary",
        )
        problems.raise_if_any()
        return settings.change(
            full_precision_start=training.full_precision_start if ternary else 1.0,
            weight_decay_until=_until(training, ternary),
        )
    problems.raise_if_any()
    raise AssertionError("there was a problem and it was not told")


def _until(training: TrainConfig, ternary: bool) -> float:
    if training.weight_decay_until is not None:
        return training.weight_decay_until
    return 0.5 if ternary else 1.0


def _preset(
    request: Request, kind: Family, placement: Placement | None
) -> tuple[str | None, tuple[str, ...]]:
    """The preset to start from, and what to say if it was chosen for the user. A resumed run needs none."""
    name = request.preset
    if name is None and request.resume is None and request.extend is None and placement is not None:
        name, why = default_preset(kind, placement)
        return name, (f"preset {name}: {why}",)
    return name, ()


def default_preset(kind: Family, placement: Placement) -> tuple[str, str]:
    """The preset to train where none was asked for, and why."""
    names = list(kind.presets)
    if placement.device.startswith("cuda"):
        memory = torch.cuda.get_device_properties(placement.device).total_memory
        size = f"a GPU with {memory / 2**30:.0f} GiB"
        return (names[2], size) if memory >= LARGE_GPU else (names[1], size)
    cores = usable_cores()
    return (names[1] if cores >= MANY_CORES else names[0]), f"{placement.device} with {cores} cores"
