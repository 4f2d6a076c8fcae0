"""What a run will take: parameters, memory by part, whether it fits, how fast it goes, how long it lasts."""

import dataclasses
from dataclasses import dataclass
from typing import Any

from torch import nn

from bbyte.errors import OutOfMemoryError
from bbyte.figures import duration, scaled
from bbyte.quantization.bitlinear import BitLinear
from bbyte.training.planning import room as rooms
from bbyte.training.planning.memory import Memory, estimate, with_shorter_windows
from bbyte.training.planning.probe import Pace, probe
from bbyte.training.planning.room import Room
from bbyte.training.settings import Settings
from bbyte.training.wrap import recomputed

SPARE = 0.1
"""The part of the memory that stays free, where a smaller micro-batch can do that."""


@dataclass(frozen=True)
class Plan:
    """A run before it starts, computing `micro_batch` windows at once.

    packed: bytes of the model at 2 bits a ternary weight and 16 any other. pace: None where it was not
    measured.
    """

    settings: Settings
    parameters: int
    packed: int
    memory: Memory
    room: Room
    micro_batch: int
    pace: Pace | None

    @property
    def fits(self) -> bool:
        """Whether the run's peak is within the memory there is."""
        return self.memory.total <= self.room.size

    @property
    def processes(self) -> int:
        """How many train together."""
        return self.settings.placement.world.size

    @property
    def windows(self) -> int:
        """Windows of a step."""
        return (self.settings.training.batch_size or 1) * self.settings.training.grad_accum

    @property
    def micro_batches(self) -> int:
        """How often a step adds up gradients, in each process."""
        return -(-self.settings.share // self.micro_batch)

    @property
    def seconds(self) -> float | None:
        """How long all steps take, without validations and checkpoints; None where that is not known."""
        steps = self.settings.training.steps
        return steps * self.pace.seconds_a_step if steps and self.pace else None

    def require_room(self) -> None:
        """Raise OutOfMemoryError, saying what would help, unless the run fits."""
        if not self.fits:
            whole = recomputed(self.settings.runtime, self.settings.placement) == "block"
            ways = ["a smaller --preset", "a shorter --seq-len", *["--grad-checkpoint block"] * (not whole)]
            raise OutOfMemoryError(
                f"{_bytes(self.memory.total)} of memory are needed with one window at a time, "
                f"{_bytes(self.room.size)} are {self.room.where}",
                f"try {', '.join(ways[:-1])} or {ways[-1]}",
            )

    def lines(self) -> tuple[str, ...]:
        """The plan in words, aligned, a line for each part."""
        memory, config, pace = self.memory, self.settings.training, self.pace
        name = " ".join(filter(None, (self.settings.family.name, self.settings.preset)))
        rows = [
            ("model", f"{name}: {self.parameters:,} parameters, {_bytes(self.packed)} packed"),
            ("step", self._step()),
            ("weights", _column(memory.weights)),
            ("gradients", _column(memory.gradients)),
            ("optimizer", f"{_column(memory.optimizer)}  {config.optimizer}"),
            ("activations", self._activations()),
            ("program", _column(memory.process)),
            (
                "peak",
                f"{_column(memory.total)}  of {_bytes(self.room.size)} {self.room.where}: {self._verdict()}",
            ),
        ]
        if memory.average:
            rows.insert(5, ("average", f"{_column(memory.average)}  of the weights, --ema {config.ema:g}"))
        besides = {"update": memory.update, "validation": memory.validation}
        more = max(besides, key=lambda part: besides[part])
        if besides[more] > max(memory.activations.values()):
            rows.insert(-2, (more, f"{_column(besides[more])}  in place of activations"))
        if self.processes > 1:
            rows.insert(2, ("processes", self._processes()))
        if pace is not None:
            alone = ", without what processes exchange" if self.processes > 1 else ""
            rows.append(("speed", f"{_column(pace.bytes_per_second)}/s{alone}"))
        if self.seconds is not None:
            rows.append(("time", f"{duration(self.seconds):>7}  for {config.steps:,} steps"))
        return tuple(f"{label:<11} {text}" for label, text in rows)

    def to_dict(self) -> dict[str, Any]:
        """The plan in figures: bytes and seconds."""
        config, memory = self.settings.training, dataclasses.asdict(self.memory)
        return {
            "family": self.settings.family.name,
            "preset": self.settings.preset,
            "parameters": self.parameters,
            "packed": self.packed,
            "batch_size": config.batch_size,
            "grad_accum": config.grad_accum,
            "micro_batch": self.micro_batch,
            "micro_batches": self.micro_batches,
            "processes": self.processes,
            "memory": memory | {"total": self.memory.total},
            "room": self.room.size,
            "fits": self.fits,
            "steps": config.steps,
            "seconds_a_step": self.pace.seconds_a_step if self.pace else None,
            "bytes_per_second": self.pace.bytes_per_second if self.pace else None,
            "seconds": self.seconds,
        }

    def _step(self) -> str:
        lengths = ", then ".join(f"{length:,}" for length in self.memory.activations)
        at_once = "all at once" if self.micro_batches == 1 else f"{self.micro_batch} at once"
        return f"{self.windows} {_windows(self.windows)} of {lengths} bytes, {at_once}"

    def _processes(self) -> str:
        held = "a part of the model in each" if self.settings.runtime.shard else "the whole model in each"
        return f"{self.processes}: {held}; what follows is of one of them"

    def _activations(self) -> str:
        longest, *shorter = sorted(self.memory.activations.items(), reverse=True)
        rest = "".join(f", {_bytes(size)} of {length:,}" for length, size in shorter)
        return f"{_column(longest[1])}  windows of {longest[0]:,}{rest}"

    def _verdict(self) -> str:
        return "fits" if self.fits else "does not fit"


def plan(
    settings: Settings, room: Room | None = None, *, probing: bool = True, scored: int | None = None
) -> Plan:
    """What a run with these settings takes, where only the number of steps may still be open.

    Windows computed at once are halved, from those asked for, until a tenth of the memory stays free. `room`
    is what is found here unless given. The pace is measured with `probing`, where the run fits. scored: bytes
    of the validation part, 0 where there is none, None where that is not known.
    """
    room = room or rooms.found(settings.placement)
    micro_batch, memory = _fitted(settings, room, scored)
    memory = with_shorter_windows(memory, settings, micro_batch)
    pace = probe(settings, micro_batch) if probing and memory.total <= room.size else None
    parameters, packed = _sizes(settings.build("meta"))
    return Plan(settings, parameters, packed, memory, room, micro_batch, pace)


def _fitted(settings: Settings, room: Room, scored: int | None) -> tuple[int, Memory]:
    """The windows to compute at once, and the memory with so many."""
    most, usable = settings.micro_batch, room.size * (1 - SPARE)
    whole = estimate(settings, most, scored)
    if whole.total <= usable or most == 1:
        return most, whole
    single = estimate(settings, 1, scored)
    # A peak lies on or below the line from one window to all, so what fits by the line fits.
    a_window, rows = (whole.total - single.total) / (most - 1), most
    while rows > 1 and single.total + a_window * (rows - 1) > usable:
        rows //= 2
    return (rows, estimate(settings, rows, scored)) if rows > 1 else (1, single)


def _sizes(objective: nn.Module) -> tuple[int, int]:
    """Parameters of the model, and its bytes when packed."""
    ternary = [module.weight.numel() for module in objective.modules() if isinstance(module, BitLinear)]
    parameters = sum(parameter.numel() for parameter in objective.parameters())
    return parameters, -(-sum(ternary) // 4) + 4 * len(ternary) + 2 * (parameters - sum(ternary))


def _windows(count: int) -> str:
    return "window" if count == 1 else "windows"


def _bytes(amount: float) -> str:
    return f"{scaled(amount)}B"


def _column(amount: float) -> str:
    return f"{_bytes(amount):>7}"
