"""How fast a run will be: a few of its micro-batches and updates, timed on a model that is thrown away."""

import dataclasses
import gc
import itertools
import math
import statistics
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.autograd.graph import increment_version

from bbyte import device
from bbyte.errors import OutOfMemoryError
from bbyte.quantization.bitlinear import set_quantized
from bbyte.training.optim import optimizer
from bbyte.training.planning.rehearsal import Rehearsal
from bbyte.training.schedule import Schedule
from bbyte.training.settings import Settings
from bbyte.training.wrap import wrap

SECONDS = 2.0
MOST_ROUNDS = 9
SLOW = {"cpu": 5e10, "cuda": 5e12, "mps": 5e11}
"""Operations a second that a modest device does: so many bytes are tried first as it does in the time."""
MOST_PARAMETERS = 8_000_000
"""Without a GPU only the first blocks that hold so many are tried: the others take the same time."""
_STEPS = 1000  # stand for the whole run, of which every stage has its share


@dataclass(frozen=True)
class Pace:
    """What a step takes, in seconds, and how many bytes it reads, on average over the run."""

    seconds_a_step: float
    bytes_a_step: float

    @property
    def bytes_per_second(self) -> float:
        """Bytes trained on in a second."""
        return self.bytes_a_step / self.seconds_a_step


def probe(settings: Settings, micro_batch: int, seconds: float = SECONDS) -> Pace:
    """Time steps of a run for about `seconds`, computing `micro_batch` windows at once.

    Of several processes it is the work of one; what they exchange takes time besides.

    Every window length of the run is tried, with ternary weights and without, each for its share of the
    steps. What would take too long is tried on fewer bytes and scaled. Where the run is to be compiled, this
    model is too, which takes its own time; the run then finds it compiled. Nothing is kept, and no random
    number is used up. Raises OutOfMemoryError where not even one window fits.
    """
    devices = [settings.placement.device] if settings.placement.device.startswith("cuda") else []
    while True:
        try:
            with torch.random.fork_rng(devices):
                return _pace(settings, micro_batch, seconds)
        except (RuntimeError, MemoryError) as error:
            if not device.ran_out_of_memory(error):
                raise
        finally:
            gc.collect()
            device.release_memory(settings.placement)
        if micro_batch == 1:
            raise OutOfMemoryError(
                "not even one window fits in memory", "--grad-checkpoint block, or a shorter --seq-len"
            )
        micro_batch //= 2


def _pace(settings: Settings, micro_batch: int, seconds: float) -> Pace:
    schedule = Schedule(dataclasses.replace(settings.training, steps=_STEPS, epochs=None, extended_from=None))
    stages = Counter((schedule.stage(step).seq_len, schedule.quantized(step)) for step in range(_STEPS))
    rehearsal, part = _rehearsal(settings, (micro_batch, schedule.longest + 1))
    share, more = seconds / (1 + len(stages)), settings.share / micro_batch - 1
    end, total, a_byte = time.perf_counter() + seconds, _update(rehearsal, share), 0.0
    for (length, quantized), steps in stages.most_common():
        if not a_byte or time.perf_counter() < end:  # else for lack of time as the stage before
            set_quantized(rehearsal.model, quantized)
            first, next_one = _micro_batches(rehearsal, micro_batch, length, more > 0, share)
            a_byte = (first + more * next_one) / length
        total += steps / _STEPS * a_byte * length
    return Pace(total / part, sum(map(schedule.bytes_of, range(_STEPS))) / _STEPS)


def _rehearsal(settings: Settings, shape: tuple[int, int]) -> tuple[Rehearsal, float]:
    """The run's step, and which part of the model it computes with."""
    placement, objective = settings.placement, settings.build("meta")
    blocks = objective.get_submodule("model").blocks
    assert isinstance(blocks, nn.ModuleList)  # noqa: S101
    whole = _size(objective)
    if not placement.device.startswith("cuda"):
        held = itertools.accumulate(map(_size, blocks))
        del blocks[max(1, sum(size <= MOST_PARAMETERS for size in held)) :]
    part = _size(objective) / whole
    objective._apply(lambda tensor: _filled(tensor, placement.device))  # type: ignore[no-untyped-call]
    forward, _ = wrap(objective, settings.runtime, placement, shape)
    optimizers = optimizer.build(objective.get_submodule("model"), settings.training)
    return Rehearsal(objective, forward, optimizers, settings.training, placement), part


def _update(rehearsal: Rehearsal, seconds: float) -> float:
    def once() -> tuple[float]:
        rehearsal.compute(_window(rehearsal, 1, 1), rehearsal.objective)
        return (_timed(rehearsal, rehearsal.update),)

    return _medians(once, seconds)[0]


def _micro_batches(
    rehearsal: Rehearsal, rows: int, length: int, several: bool, seconds: float
) -> tuple[float, float]:
    """Seconds for the first micro-batch of a step, which quantizes the weights, and for the next."""
    tried = _shape(rehearsal, rows, length, seconds / 3)
    if tried == (rows, length):
        return _tried(rehearsal, tried, several, seconds)
    # A part of the time is the same however many bytes there are: on a busy machine, most of it. So two sizes
    # are tried, and the line through them followed to the whole.
    half = (max(1, tried[0] // 2), tried[1]) if tried[0] > 1 else (1, max(1, tried[1] // 2))
    large = _tried(rehearsal, tried, several, seconds / 2)
    small = _tried(rehearsal, half, several, seconds / 2)
    size, step = math.prod(tried), max(1, math.prod(tried) - math.prod(half))
    first, next_one = (
        more + min(max(0.0, more - less) / step, more / size) * (rows * length - size)
        for more, less in zip(large, small, strict=True)
    )
    return first, next_one


def _tried(
    rehearsal: Rehearsal, shape: tuple[int, int], several: bool, seconds: float
) -> tuple[float, float]:
    """The same for a micro-batch of `shape`, timed for some `seconds`."""
    window, began = _window(rehearsal, *shape), time.perf_counter()
    if rehearsal.forward is not rehearsal.objective:
        rehearsal.compute(window)  # compiles
        began = time.perf_counter()

    def once() -> tuple[float, ...]:
        increment_version(list(rehearsal.model.parameters()))  # as an update does
        times = [_timed(rehearsal, lambda: rehearsal.compute(window)) for _ in range(1 + several)]
        rehearsal.model.zero_grad(set_to_none=True)
        return times[0], times[-1]

    first, next_one = _medians(once, began + seconds - time.perf_counter())
    return first, next_one


def _medians(once: Callable[[], tuple[float, ...]], seconds: float) -> tuple[float, ...]:
    """Of each of the figures that `once` gives, over several rounds, at least one."""
    end, rounds = time.perf_counter() + seconds, [once()]
    while len(rounds) < MOST_ROUNDS and time.perf_counter() < end:
        rounds.append(once())
    return tuple(map(statistics.median, zip(*rounds, strict=True)))


def _shape(rehearsal: Rehearsal, rows: int, length: int, seconds: float) -> tuple[int, int]:
    """(B, T) of the largest micro-batch, up to `rows` windows of `length`, that takes `seconds` at most."""
    _eagerly(rehearsal, _window(rehearsal, 1, 1))  # the first of all takes longer
    operations = 6 * _size(rehearsal.model)  # a byte, forward and backward
    size = max(32, int(seconds * SLOW[rehearsal.placement.device.split(":")[0]] / operations))
    while True:
        shape = (1, size) if size < length else (min(rows, size // length), length)
        if shape == (rows, length):
            return shape
        took = _eagerly(rehearsal, _window(rehearsal, *shape))
        if took > seconds / 2:  # perhaps another process was in the way
            took = min(took, _eagerly(rehearsal, _window(rehearsal, *shape)))
        room = seconds / took
        size = int(room * shape[0] * shape[1])
        if size >= rows * length:
            return rows, length
        if room < 2:
            return shape


def _eagerly(rehearsal: Rehearsal, window: Tensor) -> float:
    seconds = _timed(rehearsal, lambda: rehearsal.compute(window, rehearsal.objective))
    rehearsal.model.zero_grad(set_to_none=True)
    return seconds


def _timed(rehearsal: Rehearsal, work: Callable[[], None]) -> float:
    began = time.perf_counter()
    work()
    float(rehearsal.scale.value)  # waits for the device
    return time.perf_counter() - began


def _window(rehearsal: Rehearsal, rows: int, length: int) -> Tensor:
    shape = (rows, length + 1)
    return torch.randint(256, shape, dtype=torch.uint8, device=rehearsal.placement.device)


def _filled(tensor: Tensor, place: str) -> Tensor:
    # Any numbers will do that stay far from overflow and from zero, where arithmetic can be slow.
    real = torch.empty(tensor.shape, dtype=tensor.dtype, device=place)
    return real.uniform_(0.01, 0.02) if real.is_floating_point() else real.zero_()


def _size(module: nn.Module) -> int:
    return sum(parameter.numel() for parameter in module.parameters())
