"""The processes of a run: what they tell each other, and how they notice that one of them is gone."""

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import TypeVar

import torch
import torch.distributed as dist
from torch import Tensor

from bbyte.device import World
from bbyte.errors import BbyteError

T = TypeVar("T")
SIGNALS = ("SIGINT", "SIGTERM", "SIGUSR1")
"""What asks a run to end: a person, a system that shuts down, a batch system before its limit."""
PATIENCE = timedelta(hours=1)
"""How long the others wait while one of them writes a checkpoint. One that has ended is noticed at once."""


class ToldElsewhereError(BbyteError):
    """What is wrong was found, and is told, by the first process."""

    def __init__(self, exit_code: int) -> None:
        super().__init__("the first process says what is wrong")
        self.exit_code = exit_code


class PeerLostError(BbyteError):
    """Another process of the run has ended, so that this one cannot go on either."""


class Group:
    """The processes that train together; a single one by default, to which nothing here costs anything."""

    def __init__(self, world: World | None = None) -> None:
        self.world = world or World()

    @property
    def size(self) -> int:
        """How many processes there are."""
        return self.world.size

    @property
    def is_first(self) -> bool:
        """Whether this is the one that reads and writes the run's folder and speaks for all."""
        return self.world.rank == 0

    def share(self, count: int) -> range:
        """Which of `count` things are this process's, in order; shares differ by one at most."""
        rank, size = self.world.rank, self.size
        return range(count * rank // size, count * (rank + 1) // size)

    def first(self, work: Callable[[], T]) -> T:
        """What `work` gives in the first process, in all of them; it must be JSON.

        A BbyteError raised there ends the others with a ToldElsewhereError.
        """
        if self.size == 1:
            return work()
        if not self.is_first:
            answer = json.loads(self._hear())
            if "exit_code" in answer:
                raise ToldElsewhereError(answer["exit_code"])
            value: T = answer["value"]
            return value
        try:
            found = work()
        except BbyteError as error:
            self._tell(json.dumps({"exit_code": error.exit_code}).encode())
            raise
        self._tell(json.dumps({"value": found}).encode())
        return found

    def any(self, holds: bool) -> bool:
        """Whether it holds in any of them."""
        if self.size == 1:
            return holds
        flag = torch.tensor(int(holds))
        dist.all_reduce(flag, dist.ReduceOp.MAX)
        return bool(flag)

    def signals(self, name: str | None, device: torch.device) -> Tensor:
        """How many processes were sent each of SIGNALS, this one the one of that `name`; to be `heard`."""
        if self.size == 1:
            return torch.empty(0, device=device)
        return self.total(torch.tensor([float(name == other) for other in SIGNALS], device=device))

    def total(self, tensor: Tensor) -> Tensor:
        """The sum of everybody's `tensor`, in its place. Waits for no device."""
        if self.size > 1:
            dist.all_reduce(tensor)
        return tensor

    def spread(self, tensor: Tensor) -> Tensor:
        """The first process's `tensor`, in its place."""
        if self.size > 1:
            dist.broadcast(tensor, 0)
        return tensor

    def _tell(self, text: bytes) -> None:
        self.spread(torch.tensor(len(text)))
        self.spread(torch.frombuffer(bytearray(text), dtype=torch.uint8))

    def _hear(self) -> bytes:
        length = int(self.spread(torch.tensor(0)))
        return self.spread(torch.empty(length, dtype=torch.uint8)).numpy().tobytes()


def heard(counts: list[float]) -> str | None:
    """The name of a signal that came to any process, None where none came."""
    return next((name for name, count in zip(SIGNALS, counts, strict=False) if count), None)


@contextmanager
def joined(world: World) -> Iterator[Group]:
    """The group that the processes of `world` form while this is entered, over gloo, and NCCL between GPUs.

    Raises PeerLostError as soon as one that this one waits for has ended.
    """
    if world.size == 1:
        yield Group(world)
        return
    from bbyte.training.distributed.meeting import meet  # what it needs, some builds of torch lack

    backend = "cpu:gloo,cuda:nccl" if torch.cuda.is_available() else "gloo"
    try:
        dist.init_process_group(
            backend, store=meet(world), rank=world.rank, world_size=world.size, timeout=PATIENCE
        )
        yield Group(world)
    except RuntimeError as error:
        if not _is_of_a_peer(error):
            raise
        raise PeerLostError(
            f"process {world.rank} of {world.size} cannot go on: another one has ended",
            "it says why; torchrun --max-restarts 3 starts them again, from the newest checkpoint",
        ) from error
    dist.destroy_process_group()


def _is_of_a_peer(error: Exception) -> bool:
    # gloo raises a plain RuntimeError, with the place in its own source.
    return isinstance(error, dist.DistError) or "gloo" in str(error).lower()
