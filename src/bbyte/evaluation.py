"""Honest bits per byte: every byte of the data is counted once, and nats are summed before the one division.

The sequence scored is the data after one 0x00, the begin-of-document byte. Windows of `context` positions
start every `stride` bytes: the first scores all of its bytes, the following ones only the bytes no window
before them has scored, and the last one is right-aligned. So every byte but the first `context` ones is
scored with more than `context - stride` bytes before it. A larger context or a smaller stride gives a lower
figure for the same model, which is why both are part of a `Score`. Imports no torch.
"""

import math
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

import numpy as np
from blake3 import blake3
from numpy.typing import NDArray

from bbyte.errors import BbyteError, DataError, UsageError
from bbyte.models.contract import Cost

if TYPE_CHECKING:
    import torch

# measure(rows (B, T+1) uint8, skip): nats of the targets at positions >= skip; target t is rows[:, t+1].
Measure = Callable[[NDArray[np.uint8], int], Cost]


KEYS_A_SEED = 32
"""Bits of a window's number, above which the seed begins."""


class ByteSource(Protocol):
    """Bytes that can be read piece by piece: a ByteCorpus, or `InMemory`."""

    @property
    def size(self) -> int:
        """How many bytes there are."""

    def read(self, start: int, stop: int) -> NDArray[np.uint8]:
        """Bytes start .. stop - 1, shape (stop - start,)."""


@dataclass(frozen=True)
class InMemory:
    """Bytes at hand, seen as a source."""

    data: bytes

    @property
    def size(self) -> int:
        """How many bytes there are."""
        return len(self.data)

    def read(self, start: int, stop: int) -> NDArray[np.uint8]:
        """Bytes start .. stop - 1."""
        return np.frombuffer(self.data, np.uint8)[start:stop]


@dataclass(frozen=True)
class Slice:
    """A stretch of a source's bytes, as a source."""

    source: ByteSource
    start: int
    size: int

    def read(self, start: int, stop: int) -> NDArray[np.uint8]:
        """Bytes start .. stop - 1 of the slice."""
        return self.source.read(self.start + start, self.start + min(stop, self.size))


@dataclass(frozen=True)
class Score:
    """What scoring a source gave: a sum of nats over a count of bytes, and what must be said beside it.

    context and stride are in bytes; is_bound: the figure is an upper bound and is shown as `<=`;
    digest: BLAKE3 of the bytes scored, in hexadecimal; seconds: the time it took; variance: of the nats,
    where they are an estimate.
    """

    nats: float
    bytes: int
    context: int
    stride: int
    is_bound: bool
    digest: str
    seconds: float = field(compare=False)
    variance: float = 0.0

    @property
    def bits_per_byte(self) -> float:
        """Mean code length of a byte, in bits."""
        return self.nats / self.bytes / math.log(2)

    @property
    def standard_error(self) -> float:
        """Of `bits_per_byte`, where that is an estimate; else 0."""
        return math.sqrt(self.variance) / self.bytes / math.log(2)

    @property
    def bytes_per_second(self) -> float:
        """Bytes scored in a second."""
        return self.bytes / max(self.seconds, 1e-9)


class Window(NamedTuple):
    """Where a window lies: its first input byte in the scored sequence, its positions, those not counted."""

    start: int
    length: int
    skip: int


def windows(size: int, context: int, stride: int) -> Iterator[Window]:
    """The windows that score `size` bytes, each byte once, in order."""
    length = min(context, size)
    yield Window(0, length, 0)
    scored, start = length, 0
    while scored < size:
        start = min(start + stride, size - length)  # the last one too has full context
        yield Window(start, length, scored - start)
        scored = start + length


def bits_per_byte(
    measure: Measure,
    data: ByteSource,
    *,
    context: int,
    stride: int,
    batch_size: int = 8,
    is_bound: bool = False,
    on_progress: Callable[[int, int], None] | None = None,
) -> Score:
    """Score all of `data`, `batch_size` windows at a time.

    context: positions of a window, at most what the model was trained with; stride: bytes from one window to
    the next, 1 <= stride <= context. `on_progress(scored, size)` is called after every batch.
    Raises UsageError for a stride that does not fit, DataError for empty data, BbyteError for a cost of NaN.
    """
    _check_request(data.size, context, stride, batch_size)
    batches = _batches(windows(data.size, context, stride), batch_size)
    return _scored(measure, data, batches, context, stride, is_bound, on_progress)


def bits_per_byte_carried(
    measure: Measure,
    data: ByteSource,
    *,
    block: int,
    is_bound: bool = False,
    on_progress: Callable[[int, int], None] | None = None,
) -> Score:
    """Score all of `data`, each byte with everything that came before it, `block` bytes at a time.

    For a `measure` that carries its state from one call to the next (see `carried_measure`): the figure of a
    single window as long as the data, at the cost of a short one. Raises what `bits_per_byte` raises.
    """
    size = data.size
    _check_request(size, block, block, batch_size=1)
    batches = ([Window(start, min(block, size - start), 0)] for start in range(0, size, block))
    return _scored(measure, data, batches, size, size, is_bound, on_progress)


def _scored(
    measure: Measure,
    data: ByteSource,
    batches: Iterator[list[Window]],
    context: int,
    stride: int,
    is_bound: bool,
    on_progress: Callable[[int, int], None] | None,
) -> Score:
    started = time.perf_counter()
    nats: list[float] = []
    variance = 0.0
    scored, digest = 0, blake3()
    for batch in batches:
        rows = _read_rows(data, batch, stride)
        skip = batch[0].skip
        cost = measure(rows, skip)
        expected = len(batch) * (batch[0].length - skip)
        if cost.count != expected:
            raise ValueError(f"measure counted {cost.count} bytes where {expected} were asked for")
        if math.isnan(cost.nats):
            raise BbyteError(
                f"the model gives no number for the bytes {scored} to {scored + expected}",
                "its weights may have diverged: score an earlier checkpoint",
            )
        nats.append(float(cost.nats))
        variance += cost.variance
        digest.update(np.ascontiguousarray(rows[:, 1 + skip :]).data)
        scored += expected
        if on_progress is not None:
            on_progress(scored, data.size)
    seconds = time.perf_counter() - started
    return Score(math.fsum(nats), scored, context, stride, is_bound, digest.hexdigest(), seconds, variance)


def bits_per_byte_reference(measure: Measure, data: ByteSource, *, context: int, stride: int) -> float:
    """The same figure as `bits_per_byte`, one byte at a time, reading each byte's whole context again."""
    _check_request(data.size, context, stride, batch_size=1)
    sequence = np.concatenate([np.zeros(1, np.uint8), data.read(0, data.size)])
    nats = []
    for index in range(data.size):
        start = 0
        if index >= context:  # the first window that reaches it, moved left if it would overrun
            start = min(-(-(index + 1 - context) // stride) * stride, data.size - context)
        positions = index + 1 - start
        nats.append(float(measure(sequence[None, start : index + 2], positions - 1).nats))
    return math.fsum(nats) / data.size / math.log(2)


def objective_measure(objective: "torch.nn.Module", device: "torch.device | str", seed: int = 0) -> Measure:
    """A measure from a torch Objective: its `measure(window, skip)` in eval mode and without gradients.

    Where that draws random numbers, the seed and the number of the window decide them.
    """
    return _measure(objective, device, seed=seed)


def carried_measure(objective: "torch.nn.Module", device: "torch.device | str") -> Measure:
    """The same of one text in stretches, for a model with a state: each goes on where the last ended."""
    return _measure(objective, device, objective.model.new_state(1))  # type: ignore[operator, union-attr]


def _measure(
    objective: "torch.nn.Module", device: "torch.device | str", *state: Any, seed: int = 0
) -> Measure:
    import torch

    scored = seed << KEYS_A_SEED

    def measure(rows: NDArray[np.uint8], skip: int) -> Cost:
        nonlocal scored
        window = torch.from_numpy(rows).to(device)
        keys = [np.arange(scored, scored + len(rows))] if objective.is_random else []
        scored += len(rows)
        was_training = objective.training
        objective.eval()
        try:
            with torch.inference_mode():
                cost = objective.measure(window, skip, *state, *keys)  # type: ignore[operator]
                return Cost(float(cost.nats), int(cost.count), float(cost.variance))
        finally:
            objective.train(was_training)

    return measure


def whole_windows(data: ByteSource, context: int, batch_size: int) -> Iterator[NDArray[np.uint8]]:
    """The windows (B, T + 1) that lie side by side in `data`; what is left over at the end is left out.

    Raises what `bits_per_byte` raises for data and a context that do not fit.
    """
    _check_request(data.size, context, context, batch_size)
    length = min(context, data.size)
    count = data.size // length
    for first in range(0, count, batch_size):
        batch = [Window(index * length, length, 0) for index in range(first, min(first + batch_size, count))]
        yield _read_rows(data, batch, length)


def _check_request(size: int, context: int, stride: int, batch_size: int) -> None:
    if size < 1:
        raise DataError("there is nothing to score: the data is empty", "give a file with at least one byte")
    if context < 1:
        raise UsageError(f"context {context} is too small", "the context is a number of bytes, at least 1")
    if not 1 <= stride <= context:
        raise UsageError(
            f"stride {stride} is not between 1 and the context {context}", f"try {max(1, context // 2)}"
        )
    if batch_size < 1:
        raise UsageError(f"batch size {batch_size} is too small", "it is a number of windows, at least 1")


def _batches(found: Iterator[Window], batch_size: int) -> Iterator[list[Window]]:
    """Runs of consecutive windows of the same shape."""
    batch: list[Window] = []
    for window in found:
        if batch and (len(batch) == batch_size or window[1:] != batch[0][1:]):
            yield batch
            batch = []
        batch.append(window)
    yield batch


def _read_rows(data: ByteSource, batch: list[Window], stride: int) -> NDArray[np.uint8]:
    """The windows' bytes (B, T+1). Neighbours overlap, so the source is read once for the whole batch."""
    first, length = batch[0].start, batch[0].length
    stop = batch[-1].start + length
    read = data.read(max(first - 1, 0), stop)
    sequence = read if first > 0 else np.concatenate([np.zeros(1, np.uint8), read])
    rows = np.lib.stride_tricks.sliding_window_view(sequence, length + 1)[::stride]
    return np.array(rows, np.uint8)
