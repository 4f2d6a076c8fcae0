"""What scores bytes one by one: the engine's streams, a model in torch, or any next-byte view."""

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from bbyte.analysis.surprisal import Scorer
from bbyte.checkpoint.find import Found
from bbyte.engine.streams import By, Streams, open_streams
from bbyte.models.contract import Predictor

if TYPE_CHECKING:
    from bbyte.checkpoint.store import Loaded

POSITIONS_AT_ONCE = 16384
STEPPED_AT_ONCE = 32


def by_engine(found: Found, *, by: By = "native", threads: int = 0) -> tuple[Scorer, Any]:
    """A scorer for a verified checkpoint by the engine, without torch, and the streams that compute.

    Raises what `open_streams` raises.
    """
    context = found.meta.context
    streams = open_streams(found, 1, context, by=by, threads=threads)
    return by_streams(streams, context), streams


def by_streams(streams: Streams, context: int) -> Scorer:
    """A scorer by one stream that holds `context` bytes."""

    def logits(rows: NDArray[np.uint8], skip: int) -> NDArray[np.float32]:
        streams.clear()
        if skip:
            streams.step(rows[:, :skip], every=False)
        return streams.step(rows[:, skip:-1], every=True)

    return Scorer(logits, context, max(1, context // 2))


def by_torch(loaded: "Loaded") -> Scorer:
    """A scorer for a loaded model; of one that is no model of the next byte, by its next-byte view."""
    import torch

    family, context = loaded.family, loaded.meta.context
    if family.is_bound:
        assert family.predictor is not None  # noqa: S101
        return stepped(family.predictor(loaded.model, context, 1), context)
    device = next(loaded.model.parameters()).device

    def logits(rows: NDArray[np.uint8], skip: int) -> NDArray[np.float32]:
        with torch.inference_mode():
            found = loaded.model(torch.from_numpy(rows[:, :-1].copy()).to(device))[:, skip:]
            values: NDArray[np.float32] = found.float().cpu().numpy()
            return values

    return Scorer(logits, context, max(1, context // 2), max(1, min(64, POSITIONS_AT_ONCE // context)))


def stepped(predictor: Predictor, context: int) -> Scorer:
    """A scorer that asks a fresh next-byte view of one lane for each byte: exact, and slow."""

    def logits(rows: NDArray[np.uint8], skip: int) -> NDArray[np.float32]:
        found = []
        for byte in rows[0, 1:]:
            found.append(predictor.logits()[0])
            predictor.feed(np.array([byte], np.uint8))
        return np.stack(found)[None, skip:]

    return Scorer(logits, context, STEPPED_AT_ONCE, carries=True)
