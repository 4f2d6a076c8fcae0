"""Streams of bytes through a checkpoint's model, by the native core or by its twin in numpy."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
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
    return opener(found, by=by, threads=threads, path=path)(lanes, capacity)


def opener(
    found: Found, *, by: By = "native", threads: int = 0, path: str | None = None
) -> Callable[[int, int], Streams]:
    """What opens `lanes` streams of up to `capacity` bytes, again and again, through a model read once."""
    model = weights.load(found)
    threads = threads or min(usable_cores(), MOST_THREADS)
    with _named(found):
        native = None if by == "numpy" else NativeModel(model)

    def open_(lanes: int, capacity: int) -> Streams:
        if native is not None:
            return Native(native, lanes, capacity, threads=threads, path=path)
        with _named(found):
            return Twin(model, lanes, capacity)

    return open_


@contextmanager
def _named(found: Found) -> Iterator[None]:
    try:
        yield
    except DataError as error:  # trits that are none
        raise DataError(f"{found.path / MODEL}: {error.message}", error.hint) from error


def computed_by(streams: Streams) -> str:
    """What computes, in words."""
    if isinstance(streams, Twin):
        return "the engine's twin in numpy, slowly"
    return f"the engine ({streams.path}, {streams.threads} thread{'s'[: streams.threads > 1]})"
