"""How likely a model finds texts, and continuations of texts: what the harness's tasks are scored by.

Every text stands at the beginning of a document, after one 0x00, as in training and in `bits_per_byte`.
"""

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from bbyte.checkpoint.store import Loaded
from bbyte.device import Placement
from bbyte.errors import BbyteError, UsageError
from bbyte.evaluation import Window, windows
from bbyte.scoring import POSITIONS_AT_ONCE, longest_context

Progress = Callable[[int, int], None]


class Likelihood(NamedTuple):
    """Of a text: the sum of its bytes' log-probabilities in nats, and whether each was the likeliest."""

    nats: float
    is_greedy: bool


class Stretch(NamedTuple):
    """Bytes the model reads in one window: those after the first `skip + 1` count towards text `owner`."""

    owner: int
    row: bytes
    skip: int


class Likelihoods:
    """Log-likelihoods under a checkpoint's model, many texts at a time.

    The context is the longest window the model was trained on. Stretches of the same length are computed
    together. With 8-bit activations a last digit in float32, which the size of a batch may change, decides
    now and then where a value is rounded; a few requests in a hundred then move, by under 0.01 nats.

    Raises UsageError for a family that only has bounds.
    """

    def __init__(self, loaded: Loaded, placement: Placement, batch_size: int | None = None) -> None:
        refuse_bounds(loaded)
        self.context = longest_context(loaded.meta, None)
        self._model, self._placement, self._batch_size = loaded.model.eval(), placement, batch_size

    @property
    def stride(self) -> int:
        """Bytes from one window of a long text to the next."""
        return max(1, self.context // 2)

    def of_documents(self, texts: Sequence[bytes], on_progress: Progress | None = None) -> list[Likelihood]:
        """Of each text as a whole: the windows, and so the figure, of `bits_per_byte`."""
        placed = (windows(len(text), self.context, self.stride) if text else () for text in texts)
        return self._sums(texts, placed, on_progress)

    def of_continuations(
        self, pairs: Sequence[tuple[bytes, bytes]], on_progress: Progress | None = None
    ) -> list[Likelihood]:
        """Of what follows in each pair (what stands before, what follows)."""
        placed = (
            continuation_windows(len(before), len(after), self.context, self.stride)
            for before, after in pairs
        )
        return self._sums([before + after for before, after in pairs], placed, on_progress)

    def _sums(
        self,
        texts: Sequence[bytes],
        placed: Iterable[Iterable[Window]],
        on_progress: Progress | None,
    ) -> list[Likelihood]:
        stretches = [
            Stretch(owner, sequence[start : start + length + 1], skip)
            for owner, (text, found) in enumerate(zip(texts, placed, strict=True))
            for sequence in [b"\0" + text]
            for start, length, skip in found
        ]
        nats: list[list[float]] = [[] for _ in texts]
        greedy = [True] * len(texts)
        done, total = 0, sum(len(stretch.row) - 1 for stretch in stretches)
        for batch in self._batches(stretches):
            for stretch, (cost, is_greedy) in zip(batch, self._score(batch), strict=True):
                nats[stretch.owner].append(cost)
                greedy[stretch.owner] &= is_greedy
                done += len(stretch.row) - 1
            if on_progress is not None:
                on_progress(done, total)
        return [Likelihood(-math.fsum(costs), good) for costs, good in zip(nats, greedy, strict=True)]

    def _batches(self, stretches: list[Stretch]) -> Iterator[list[Stretch]]:
        """Stretches of the same length together, the longest first: too little memory shows at once."""
        by_length: dict[int, list[Stretch]] = {}
        for stretch in stretches:
            by_length.setdefault(len(stretch.row), []).append(stretch)
        for length, same in sorted(by_length.items(), reverse=True):
            size = self._batch_size or max(1, min(64, POSITIONS_AT_ONCE // (length - 1)))
            for first in range(0, len(same), size):
                yield same[first : first + size]

    def _score(self, batch: list[Stretch]) -> Iterator[tuple[float, bool]]:
        """Nats of each stretch's counted bytes, and whether each of these was the likeliest."""
        together = np.frombuffer(b"".join(stretch.row for stretch in batch), np.uint8)
        rows = together.reshape(len(batch), -1).copy()
        window = torch.from_numpy(rows).to(self._placement.device)
        with torch.inference_mode(), self._placement.autocast():
            logits = self._model(window[:, :-1])
            scored = [_cost(logits[lane], window[lane], stretch.skip) for lane, stretch in enumerate(batch)]
            values = torch.stack(scored).tolist()  # one wait for the device, not one a lane
        for cost, hits in values:
            if math.isnan(cost):
                raise BbyteError(
                    "the model gives no number for some of the bytes",
                    "its weights may have diverged: score an earlier checkpoint",
                )
            yield cost, bool(hits)


def refuse_bounds(loaded: Loaded) -> None:
    """Raise UsageError for a model whose likelihoods are only bounded: a task would take them for exact."""
    if loaded.family.is_bound:
        raise UsageError(
            f"{loaded.found.path} is a {loaded.family.name} model: of its likelihoods only a bound is known, "
            "and the tasks of the harness take exact ones",
            "bbyte eval-bpb gives the bound of its bits per byte",
        )


def continuation_windows(before: int, size: int, context: int, stride: int) -> Iterator[Window]:
    """The windows that score the last `size` bytes of a text of `before + size` bytes, each byte once.

    One window where all of it fits. Else at most `stride` bytes are scored in a window that ends with them,
    so that each of them has at least `context - stride` bytes before it.
    """
    end = before + size
    step = stride if end > context else max(size, 1)
    for first in range(before, end, step):
        last = min(first + step, end)
        start = max(0, last - context)
        yield Window(start, last - start, first - start)


def _cost(logits: Tensor, row: Tensor, skip: int) -> Tensor:
    """Nats of a stretch's counted bytes and whether all were the likeliest: two float64 numbers."""
    counted, targets = logits[skip:].double(), row[skip + 1 :].long()
    nats = F.cross_entropy(counted, targets, reduction="sum")
    return torch.stack([nats, (counted.argmax(-1) == targets).all().double()])
