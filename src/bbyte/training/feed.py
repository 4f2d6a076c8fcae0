"""The bytes of each step on their way from the corpus to the device."""

from typing import NamedTuple, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from bbyte.data.sampling import WindowOrder
from bbyte.device import Placement
from bbyte.training.schedule import Schedule


class Windows(Protocol):
    """Bytes that windows can be read from: a ByteCorpus, or the part of one that is trained on."""

    def windows(self, offsets: NDArray[np.integer], length: int) -> NDArray[np.uint8]:
        """The `length` bytes from each offset on: (B,) -> (B, length)."""


class Request(NamedTuple):
    """Which windows: `rows` (first, end) of all those of `step`, read where `data_step` says."""

    step: int
    data_step: int
    rows: tuple[int, int]


class Feed:
    """Reads windows from `source` and brings them to the device.

    On CUDA `prepare` copies what will be asked for next from pinned memory on a stream of its own, while the
    device computes. Elsewhere it does nothing: reading a batch from the memory map takes a few microseconds.
    """

    def __init__(self, source: Windows, schedule: Schedule, order: WindowOrder, placement: Placement) -> None:
        self.source, self.schedule, self.order = source, schedule, order
        self.device = placement.device
        self._stream: torch.cuda.Stream | None = None
        if self.device.startswith("cuda"):
            self._stream = torch.cuda.Stream(self.device)  # type: ignore[no-untyped-call]
        self._ahead: tuple[Request, Tensor] | None = None

    def windows(self, request: Request) -> Tensor:
        """The bytes of one micro-batch (B, T + 1) uint8, a function of the seed and the request alone."""
        if self._stream is None:
            return self._read(request).to(self.device)
        if self._ahead is None or self._ahead[0] != request:
            self.prepare(request)
        assert self._ahead is not None  # noqa: S101
        current, tensor = torch.cuda.current_stream(self.device), self._ahead[1]
        current.wait_stream(self._stream)
        tensor.record_stream(current)
        self._ahead = None
        return tensor

    def keys(self, request: Request) -> NDArray[np.int64]:
        """A number for each of the windows, of which no two of a run are the same: (B,)."""
        first, end = request.rows
        return self.order.keys(request.data_step * self.schedule.samples_a_step + np.arange(first, end))

    def prepare(self, request: Request) -> None:
        """Begin to bring what the next call of `windows` will ask for."""
        if self._stream is None:
            return
        pinned = self._read(request).pin_memory()
        with torch.cuda.stream(self._stream):
            self._ahead = request, pinned.to(self.device, non_blocking=True)

    def _read(self, request: Request) -> Tensor:
        offsets = self.schedule.offsets(
            self.order, request.step, slice(*request.rows), data_step=request.data_step
        )
        length = self.schedule.stage(request.step).seq_len + 1
        return torch.from_numpy(self.source.windows(offsets, length))
