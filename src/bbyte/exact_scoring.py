"""Scoring by the engine: of the same logits, to the last bit, on every machine. Imports no torch."""

from collections.abc import Callable
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from bbyte.checkpoint.find import Found
from bbyte.engine.streams import By, Streams, open_streams
from bbyte.evaluation import ByteSource, Measure, Score, bits_per_byte, bits_per_byte_carried
from bbyte.models.contract import Cost
from bbyte.probabilities import log_probabilities, nats_of

CARRIED_AT_ONCE = 4096


def score_exactly(
    found: Found,
    source: ByteSource,
    *,
    context: int | Literal["full"],
    stride: int | None = None,
    threads: int = 0,
    by: By = "native",
    on_progress: Callable[[int, int], None] | None = None,
) -> Score:
    """Bits per byte of `source` under a checkpoint's model, computed by the engine.

    context: at most what the model was trained with, or "full" for a model that carries a state; stride: half
    the context by default. Raises what `open_streams` and `bits_per_byte` raise.
    """
    if context == "full":
        streams = open_streams(found, 1, CARRIED_AT_ONCE, by=by, threads=threads)
        measure = engine_measure(streams, carries=True)
        return bits_per_byte_carried(measure, source, block=CARRIED_AT_ONCE, on_progress=on_progress)
    streams = open_streams(found, 1, context, by=by, threads=threads)
    return bits_per_byte(
        engine_measure(streams),
        source,
        context=context,
        stride=stride or max(1, context // 2),
        batch_size=1,
        on_progress=on_progress,
    )


def engine_measure(streams: Streams, *, carries: bool = False) -> Measure:
    """A measure from streams of one lane; with `carries` each stretch goes on where the last one ended."""

    def measure(rows: NDArray[np.uint8], skip: int) -> Cost:
        nats = 0.0
        for row in rows:
            if not carries:
                streams.clear()
            if skip:
                streams.step(row[None, :skip], every=False)
            logs = log_probabilities(streams.step(row[None, skip:-1], every=True)[0])
            nats += float(nats_of(logs, row[skip + 1 :]).sum())
        return Cost(nats, rows.shape[0] * (rows.shape[1] - 1 - skip))

    return measure
