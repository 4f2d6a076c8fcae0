"""Streams of bytes through a checkpoint's model, by the native core or by its twin in numpy."""

from typing import Literal

from bbyte.checkpoint.find import Found
from bbyte.checkpoint.meta import MODEL
from bbyte.device import usable_cores
from bbyte.engine import weights
from bbyte.engine.native import Native, NativeModel
from bbyte.engine.twin import Twin
from bbyte.errors import DataError

By = Literal["native", "numpy"]
Streams = Native | Twin
MOST_THREADS = 4
"""More do not pay for the steps of small models, which last some ten microseconds."""


def open_streams(
    found: Found, lanes: int, capacity: int, *, by: By = "native", threads: int = 0, path: str | None = None
) -> Streams:
    """`lanes` streams of up to `capacity` bytes through a verified checkpoint's model.

    threads: 0 takes as many as there are cores, at most four; path: one of `core.paths()`, None for the
    fastest. Raises what `weights.load`, `NativeModel` and `Native` raise.
    """
    model = weights.load(found)
    threads = threads or min(usable_cores(), MOST_THREADS)
    try:
        if by == "numpy":
            return Twin(model, lanes, capacity)
        return Native(NativeModel(model), lanes, capacity, threads=threads, path=path)
    except DataError as error:  # trits that are none
        raise DataError(f"{found.path / MODEL}: {error.message}", error.hint) from error


def computed_by(streams: Streams) -> str:
    """What computes, in words."""
    if isinstance(streams, Twin):
        return "the engine's twin in numpy, slowly"
    return f"the engine ({streams.path}, {streams.threads} thread{'s'[: streams.threads > 1]})"
