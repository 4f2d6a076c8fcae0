"""How much memory a run will take, by part, found out without taking it."""

import dataclasses
import platform
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import psutil
import torch
from torch import Tensor, nn
from torch._subclasses.fake_tensor import unset_fake_temporarily

from bbyte.device import Placement
from bbyte.training.optim import optimizer
from bbyte.training.planning.heap import CUDA_BLOCK, PAGE, Heap, Rounded
from bbyte.training.planning.rehearsal import Rehearsal
from bbyte.training.planning.tracing import following
from bbyte.training.schedule import Schedule
from bbyte.training.settings import Settings
from bbyte.training.validator import POSITIONS_AT_ONCE
from bbyte.training.wrap import GIVEN_BACK_FROM, recompute, recomputed

KEPT_BELOW = 32 << 20
"""`device.keep_freed_memory` has glibc keep what is smaller."""
KERNELS = 48 << 20
"""What a process on a CPU grows by once it computes: code that is loaded, buffers, small objects."""
WORKSPACE = 32 << 20
"""What cuBLAS keeps for its products."""


@dataclass(frozen=True)
class Memory:
    """The most bytes that a run holds of each kind.

    activations: at each window length, all that a forward and backward pass hold besides at their peak, with
    ternary copies of the weights and what lies unused in between. update, validation: the same of the
    optimizer's step and of a validation. process: on a CPU the program, on a GPU its libraries' workspace.
    """

    weights: int
    gradients: int
    optimizer: int
    average: int
    activations: dict[int, int]
    update: int
    validation: int
    process: int

    @property
    def total(self) -> int:
        """The peak: what is always there, and the largest of what comes and goes."""
        always = self.weights + self.gradients + self.optimizer + self.average + self.process
        return always + max(*self.activations.values(), self.update, self.validation)


def estimate(settings: Settings, micro_batch: int, scored: int | None = None) -> Memory:
    """The memory of a run that computes `micro_batch` windows at once, in eager mode.

    scored: bytes that a validation scores, 0 without one; by default as many as the settings allow.

    A step with the longest window is followed on tensors without data. That takes some tenths of a second for
    a small model and some seconds for a large one.
    """
    most = settings.training.eval_bytes
    scored = most if scored is None else min(most, scored)
    return _follow(settings, micro_batch, _lengths(settings)[-1], scored)


def with_shorter_windows(memory: Memory, settings: Settings, micro_batch: int) -> Memory:
    """`memory`, as `estimate` gave it, with the activations of the run's shorter windows too.

    The shortest one is followed; in between memory grows in a line.
    """
    lengths = _lengths(settings)
    first, last = lengths[0], lengths[-1]
    if first == last:
        return memory
    low, high = _follow(settings, micro_batch, first, 0).activations[first], memory.activations[last]
    slope = (high - low) / (last - first)
    return dataclasses.replace(memory, activations={n: round(low + slope * (n - first)) for n in lengths})


def _lengths(settings: Settings) -> list[int]:
    steps = settings.training.steps or 100  # for their shares alone: they may be open still
    schedule = Schedule(dataclasses.replace(settings.training, steps=steps, epochs=None))
    return sorted({stage.seq_len for stage in schedule.stages})


def _follow(settings: Settings, rows: int, length: int, scored: int) -> Memory:
    config = settings.training
    # A GPU's step is followed on a CPU too: what the two hold is the same, and this works everywhere.
    placement = dataclasses.replace(settings.placement, device="cpu")
    objective, allocator = settings.build("meta"), _allocator(settings)
    model = objective.get_submodule("model")
    recompute(model, recomputed(settings.runtime, settings.placement))

    def window(rows: int) -> Tensor:
        return torch.zeros(rows, length + 1, dtype=torch.uint8)

    with following(allocator):
        objective._apply(_without_data)  # type: ignore[no-untyped-call]
        with unset_fake_temporarily():  # bitsandbytes looks at values when it is made
            optimizers = optimizer.build(model, config)
        rehearsal = Rehearsal(objective, objective, optimizers, config, placement)
        if settings.share > rows:  # gradients are there, of another micro-batch
            for weight in model.parameters():
                weight.grad = torch.zeros_like(weight)
        rehearsal.compute(window(rows))
        weights = _bytes((*objective.parameters(), *objective.buffers()))
        gradients = _bytes(weight.grad for weight in objective.parameters() if weight.grad is not None)
        state = _bytes(optimizers.state().values())
        average = _bytes(rehearsal.ema.averages.values()) if rehearsal.ema else 0
        always = weights + gradients + state + average
        computing = allocator.take_peak() - always
        rehearsal.update()
        updating = allocator.take_peak() - always
        validating = 0
        if scored:
            windows = max(1, min(POSITIONS_AT_ONCE, scored) // length)
            keys = [np.arange(windows)] if objective.is_random else []
            with torch.inference_mode(), placement.autocast():
                objective.eval().measure(window(windows), 0, *keys)  # type: ignore[operator]
            validating = allocator.take_peak() - always
    process = _process(settings.placement)
    memory = Memory(weights, gradients, state, average, {length: computing}, updating, validating, process)
    return _divided(memory, model, settings) if settings.runtime.shard else memory


def _divided(memory: Memory, model: nn.Module, settings: Settings) -> Memory:
    """What one of several processes holds of it, and what it gathers meanwhile (FSDP2).

    That is at most what lies outside the blocks, two blocks, for the next one comes while one computes, and
    the gradients of one and of what lies outside.
    """
    processes = settings.placement.world.size
    if processes == 1:
        return memory
    blocks = model.blocks
    assert isinstance(blocks, nn.ModuleList)  # noqa: S101
    sizes = [_bytes(block.parameters()) for block in blocks]
    gathered = 2 * (_bytes(model.parameters()) - sum(sizes)) + 3 * max(sizes)

    def share(size: int) -> int:
        return -(-size // processes)

    return Memory(
        share(memory.weights), share(memory.gradients), share(memory.optimizer), share(memory.average),
        {length: size + gathered for length, size in memory.activations.items()},
        memory.update, memory.validation + gathered, memory.process,
    )  # fmt: skip


def _allocator(settings: Settings) -> Heap | Rounded:
    if settings.placement.device != "cpu":
        return Rounded(CUDA_BLOCK)
    if platform.libc_ver()[0] != "glibc":
        return Rounded(PAGE)
    kept = recomputed(settings.runtime, settings.placement) == "none"
    return Heap(KEPT_BELOW if kept else GIVEN_BACK_FROM)


def _without_data(tensor: Tensor) -> Tensor:
    return torch.empty(tensor.shape, dtype=tensor.dtype)


def _bytes(tensors: Iterable[Tensor]) -> int:
    """What lies behind them, each storage once."""
    storages = [tensor.untyped_storage() for tensor in tensors]
    return sum({storage._cdata: storage.nbytes() for storage in storages}.values())


def _process(placement: Placement) -> int:
    return psutil.Process().memory_info().rss + KERNELS if placement.device == "cpu" else WORKSPACE
