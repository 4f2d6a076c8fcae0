"""Says which extra to install where a library is missing that only some kinds of input need."""

from collections.abc import Iterator
from contextlib import contextmanager

from bbyte.errors import UsageError

_OF_SCHEME = {"s3": "s3fs", "s3a": "s3fs", "gs": "gcsfs", "gcs": "gcsfs"}


@contextmanager
def needs_data(url: str = "") -> Iterator[None]:
    """Turns a missing library into a UsageError that names what to install. url: the input it is for."""
    try:
        yield
    except ImportError as error:
        missing = _OF_SCHEME.get(url.partition("://")[0])
        if missing is not None and _is_there("fsspec"):
            raise UsageError(
                f"{url} needs {missing}, which is not installed", f"pip install {missing}"
            ) from None
        needed = (error.name or "a library").partition(".")[0]
        raise UsageError(
            f"{url or 'this kind of file'} needs {needed}, which is not installed",
            "pip install 'bbyte[data]'",
        ) from None


def _is_there(module: str) -> bool:
    from importlib.util import find_spec

    return find_spec(module) is not None
