"""What stands in the body of a request, read and checked."""

from collections.abc import Sequence
from typing import Any

from bbyte.config import suggest
from bbyte.serving.limits import Limits
from bbyte.serving.refusals import RefusedError


def given(body: dict[str, Any]) -> dict[str, Any]:
    """The fields that say something: null is as good as none."""
    return {name: value for name, value in body.items() if value is not None}


def check_model(values: dict[str, Any], served: str) -> None:
    """Take `model` out of the fields, if it is there. Raises RefusedError for another than is served."""
    asked = values.pop("model", served)
    if asked != served:
        raise RefusedError(
            404, f"there is no model {asked!r} here, only {served!r}", param="model", code="model_not_found"
        )


def read_bytes(value: Any, name: str) -> bytes:
    """Text, as UTF-8, or a list of bytes as numbers."""
    if isinstance(value, str):
        try:
            return value.encode()
        except UnicodeEncodeError:
            raise RefusedError(400, f"{name} is no text: it has half a surrogate pair", param=name) from None
    if isinstance(value, list) and all(type(one) is int and 0 <= one <= 255 for one in value):
        return bytes(value)
    raise RefusedError(400, f"{name} is neither text nor a list of bytes, numbers from 0 to 255", param=name)


def check_size(texts: Sequence[bytes], limits: Limits, name: str = "prompt") -> None:
    """Raises RefusedError for texts that are longer together than a request's may be."""
    size, most = sum(map(len, texts)), limits.max_prompt_bytes
    if size > most:
        raise RefusedError(400, f"{name} has {size} bytes; this server takes at most {most}", param=name)


def check_known(values: dict[str, Any], known: Sequence[str]) -> None:
    """Raises RefusedError for a field that is not known: what it asks for would not be done."""
    for name in values:
        if name not in known:
            near = suggest(name, known)
            raise RefusedError(400, f"unknown field {name!r}" + (f": {near}" if near else ""), param=name)
