"""A model writing on from a prompt, byte by byte. Imports no torch."""

from collections.abc import Iterator, Sequence
from typing import Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from bbyte.generation.sampler import sample
from bbyte.generation.sampling import Sampling
from bbyte.generation.stopping import Stopping
from bbyte.models.contract import Predictor
from bbyte.utf8 import LONGEST_BEGINNING

LARGEST_BLOCK = 32  # bytes asked for in one call, where a predictor can write several: about 3 ms at 12 kB/s


@runtime_checkable
class Continuing(Protocol):
    """A predictor that draws many bytes in one call, the very bytes the loop in `generate` would draw."""

    def continue_(self, n: int, sampling: Sampling) -> NDArray[np.uint8]:
        """Draw, feed and return each lane's next n bytes, (L, n); positions count from the last reset."""


def generate(predictor: Predictor, prompt: bytes, n: int, sampling: Sampling) -> Iterator[NDArray[np.uint8]]:
    """The n bytes that follow `prompt` at the beginning of a document: one byte a lane at a time, (L,).

    The random bits of a byte depend on the seed, its lane and its position in the document only. So the same
    seed gives the same bytes, and 20 bytes are the same as 10 and, with these in the prompt, 10 more.
    """
    predictor.reset()
    if prompt:
        predictor.prime(prompt)
    yield from go_on(predictor, prompt, n, sampling)


def go_on(predictor: Predictor, text: bytes, n: int, sampling: Sampling) -> Iterator[NDArray[np.uint8]]:
    """The n bytes that follow `text`, which the predictor has read; they are those `generate` gives after it.

    When all were taken, the predictor has read them too; when fewer were, how many it has read is not known.
    """
    if isinstance(predictor, Continuing):
        yield from _in_blocks(predictor, n, sampling)
        return
    looked_at = max(sampling.penalty_window, LONGEST_BEGINNING)
    tail = np.frombuffer(text[-looked_at:], np.uint8)
    recent = np.tile(tail, (predictor.lanes, 1))
    for position in range(len(text), len(text) + n):
        drawn = sample(predictor.logits(), sampling, position, recent)
        yield drawn
        predictor.feed(drawn)
        recent = np.concatenate([recent, drawn[:, None]], axis=1)[:, -looked_at:]


def write(
    predictor: Predictor, prompt: bytes, n: int, sampling: Sampling, stops: Sequence[bytes] = ()
) -> Iterator[bytes]:
    """What a predictor of one lane writes after `prompt`, piece by piece: n bytes, or up to a stop string.

    Raises UsageError for an empty stop string.
    """
    text = Stopping(stops)
    for drawn in generate(predictor, prompt, n, sampling):
        yield text.push(drawn.tobytes())
        if text.ended:
            return
    yield text.close()


def _in_blocks(predictor: Continuing, n: int, sampling: Sampling) -> Iterator[NDArray[np.uint8]]:
    """One byte first, so that it shows at once, then more at a time."""
    block = 1
    while n > 0:
        yield from predictor.continue_(min(block, n), sampling).T
        n -= block
        block = min(2 * block, LARGEST_BLOCK)
