"""How far a run has come: what a checkpoint remembers besides weights and optimizer."""

import time
from dataclasses import asdict, dataclass, field
from typing import Any

from bbyte.checkpoint.meta import CheckpointMeta
from bbyte.errors import DataError
from bbyte.manifest import DAMAGED
from bbyte.training.guard import Guard, data_step


@dataclass
class Progress:
    """The place of a run. Together with the settings it decides everything that follows.

    val_step: when val_bpb was measured. skipped: data steps passed over, as [first, end) pairs.
    """

    step: int = 0
    bytes_seen: int = 0
    micro_batch: int = 1
    val_bpb: float | None = None
    val_step: int | None = None
    best_bpb: float | None = None
    skipped: list[tuple[int, int]] = field(default_factory=list)
    guard: Guard = field(default_factory=Guard)

    @property
    def data_step(self) -> int:
        """The step whose data the next update reads."""
        return data_step(self.skipped, self.step)

    def samples_of(self, step: int, samples_a_step: int) -> tuple[int, int]:
        """The global indices of the first and the last sample that `step` read."""
        first = data_step(self.skipped, step) * samples_a_step
        return first, first + samples_a_step - 1

    def advance(self, count: int) -> None:
        """A step of `count` bytes is done."""
        self.step, self.bytes_seen = self.step + 1, self.bytes_seen + count

    def take_score(self, bpb: float) -> bool:
        """Note a validation figure of this step; whether it is the best so far."""
        improved = self.best_bpb is None or bpb < self.best_bpb
        self.val_bpb, self.val_step = bpb, self.step
        self.best_bpb = bpb if improved else self.best_bpb
        return improved

    def metrics(self) -> dict[str, Any]:
        """Its figures, as checkpoint.json holds them."""
        return {"val_bpb": self.val_bpb, "val_step": self.val_step, "best_bpb": self.best_bpb}

    def rest(self) -> dict[str, Any]:
        """What checkpoint.json holds under `progress`."""
        return {"micro_batch": self.micro_batch, "skipped": self.skipped, "guard": asdict(self.guard)}

    @classmethod
    def of(cls, meta: CheckpointMeta) -> "Progress":
        """The place a checkpoint was saved at. Raises DataError where it does not say."""
        try:
            return cls(
                step=meta.step,
                bytes_seen=meta.bytes_seen,
                micro_batch=int(meta.progress["micro_batch"]),
                skipped=[(int(first), int(end)) for first, end in meta.progress["skipped"]],
                guard=Guard(**meta.progress["guard"]),
                **{key: meta.metrics[key] for key in ("val_bpb", "val_step", "best_bpb")},
            )
        except (KeyError, TypeError, ValueError) as error:
            raise DataError(f"checkpoint.json: progress lacks or misstates {error}", DAMAGED) from error


class Clock:
    """Work done since it was restarted, and its time."""

    def __init__(self) -> None:
        self.restart()

    def restart(self) -> None:
        """Begin anew: after a line of the log, an evaluation, a save."""
        self.began, self.bytes, self.steps, self.seconds = time.perf_counter(), 0, 0, 0.0

    def tick(self, count: int) -> None:
        """A step of `count` bytes is done."""
        self.bytes, self.steps = self.bytes + count, self.steps + 1
        self.seconds = time.perf_counter() - self.began
