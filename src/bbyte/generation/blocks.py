"""Text written block by block by a model that fills holes (arXiv 2503.09573). Imports no torch."""

import dataclasses
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from bbyte.errors import UsageError
from bbyte.generation.holes import HIDDEN, visible
from bbyte.generation.infill import Infill
from bbyte.generation.infilling import Infilling
from bbyte.models.contract import Infiller

_SEEDS = 1 << 64


def generate_blocks(
    infiller: Infiller, prompt: bytes, n: int, settings: Infilling, block: int
) -> Iterator[NDArray[np.uint8]]:
    """The n bytes that follow `prompt` at the beginning of a document, `block` at a time, at last fewer.

    A block is all hidden at first and filled as `settings` say, given as much of the text before it as the
    model sees at once. The same seed gives the same bytes. Raises UsageError for a block that leaves the
    model no text to see.
    """
    if not 1 <= block <= max(1, infiller.context - 2):
        raise UsageError(
            f"blocks of {block} bytes do not fit in the model's window of {infiller.context} bytes",
            f"--block-bytes {max(1, infiller.context // 4)}",
        )
    text = visible(prompt)
    for index, begin in enumerate(range(0, n, block)):
        size = min(block, n - begin)
        # More than the model sees, so that it is told the byte before its window.
        known = text[max(0, len(text) - infiller.context) :]
        hole = np.full(size, HIDDEN, np.int16)
        filling = Infill(
            infiller,
            np.concatenate([known, hole]),
            dataclasses.replace(settings, seed=(settings.seed + index) % _SEEDS),
        )
        for _ in filling.steps():
            pass
        text = np.concatenate([text[-2 * infiller.context :], filling.tokens[0, len(known) :]])
        yield text[-size:].astype(np.uint8)
