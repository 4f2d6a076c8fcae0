"""What the child process answers: one JSON document, believed only after every part of it was looked at.

It holds "facts", or one of "refused" (why the file is not read), "limits" and "failed" (why this machine
cannot).
"""

import json
import math
from collections.abc import Callable
from typing import Any, NoReturn

from bbyte.checkpoint.tensors import ITEM_SIZES, NAME

LARGEST = 8 << 20
MOST_TENSORS = 100_000
MOST_SETTINGS, LONGEST_TEXT, LONGEST_NAME = 1000, 1000, 200
LARGEST_INTEGER = 1 << 63
WEIGHTS = ("model", "model_state", "model_state_dict")
"""Where trainers put the model's state dict; "" stands for a file that is nothing but one."""
TENSORS_FILE = "tensors.safetensors"
TOO_MUCH_MEMORY = "needed more memory than a file of its size should"


def seconds_for(size: int) -> int:
    """How long the child may compute for a file of `size` bytes."""
    return 60 + 60 * (size >> 30)


def is_name(value: Any) -> bool:
    """Whether a key of a dict is text of a sensible length."""
    return type(value) is str and len(value) <= LONGEST_NAME


def is_plain(value: Any) -> bool:
    """Whether a value is text, a whole number, a finite number, a truth value or None, of a sensible size."""
    if type(value) is str:
        return len(value) <= LONGEST_TEXT
    if type(value) is int:
        return -LARGEST_INTEGER <= value < LARGEST_INTEGER
    return value is None or type(value) is bool or (type(value) is float and math.isfinite(value))


def read(raw: bytes) -> dict[str, Any]:
    """The document in `raw`. Raises ValueError for anything a well-behaved child does not write."""
    if len(raw) > LARGEST:
        raise ValueError(f"more than {LARGEST} bytes")
    try:
        document: Any = json.loads(
            raw.decode("ascii"), object_pairs_hook=_distinct, parse_constant=_no_constant
        )
    except RecursionError:
        raise ValueError("too deep") from None
    _require(isinstance(document, dict) and len(document) == 1)
    (kind, content), *_ = document.items()
    if kind == "facts":
        _require(isinstance(content, dict) and content.keys() == _FACTS.keys())
        for name, holds in _FACTS.items():
            _require(holds(content[name]))
        _require(all(name in content["tensors"] for pair in content["shared"].items() for name in pair))
    else:
        _require(kind in ("refused", "limits", "failed") and is_plain(content) and isinstance(content, str))
    result: dict[str, Any] = document
    return result


def _distinct(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    result = dict(pairs)
    _require(len(result) == len(pairs))
    return result


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not a number")


def _require(condition: bool) -> None:
    if not condition:
        raise ValueError("not what was asked for")


def _are_names(value: Any) -> bool:
    return isinstance(value, list) and len(value) <= MOST_SETTINGS and all(map(is_name, value))


def _are_plain(value: Any) -> bool:
    if not isinstance(value, dict) or len(value) > MOST_SETTINGS:
        return False
    return all(is_name(name) and is_plain(entry) for name, entry in value.items())


def _are_numbers(value: Any) -> bool:
    return _are_plain(value) and all(type(number) is float for number in value.values())


def _are_tensors(value: Any) -> bool:
    if not isinstance(value, dict) or not 0 < len(value) <= MOST_TENSORS:
        return False
    return all(NAME.fullmatch(name) and _is_tensor(entry) for name, entry in value.items())


def _is_tensor(entry: Any) -> bool:
    if not isinstance(entry, list) or len(entry) != 2 or not isinstance(entry[0], str):
        return False
    dtype, shape = entry
    if dtype not in ITEM_SIZES or not isinstance(shape, list) or len(shape) > 8:
        return False
    return all(type(size) is int and 0 <= size < 1 << 48 for size in shape)


def _are_pairs(value: Any) -> bool:
    return isinstance(value, dict) and all(isinstance(name, str) for name in value.values())


_FACTS: dict[str, Callable[[Any], bool]] = {
    "top": _are_names,
    "weights_key": lambda value: value in ("", *WEIGHTS),
    "tensors": _are_tensors,
    "shared": _are_pairs,
    "settings": _are_plain,
    "labels": _are_plain,
    "metrics": _are_numbers,
}
