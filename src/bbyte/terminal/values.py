"""One reading of a value, whether it came from the command line, the environment or a TOML file."""

import math
import types
from pathlib import Path
from typing import Any, Literal, Union, get_args, get_origin

from bbyte.config import describe_type

_TRUE = {"true", "yes", "on", "1"}
_FALSE = {"false", "no", "off", "0"}


def choices(annotation: Any) -> tuple[str, ...]:
    """The words a setting may take, where it takes words from a list; else nothing."""
    return tuple(
        str(value)
        for part in _alternatives(annotation)
        if get_origin(part) is Literal
        for value in get_args(part)
    )


def is_list(annotation: Any) -> bool:
    """Whether the setting takes several values."""
    return any(get_origin(part) is list for part in _alternatives(annotation))


def is_switch(annotation: Any) -> bool:
    """Whether the setting is on or off, and so takes no value on the command line."""
    return _alternatives(annotation) == (bool,)


def describe(annotation: Any) -> str:
    """What is expected, in a user's words."""
    return " or ".join(_description(part) for part in _alternatives(annotation))


def _description(kind: Any) -> str:
    if get_origin(kind) is list:
        return f"a list: {describe(get_args(kind)[0])}"
    return "a path" if kind is Path else describe_type(kind)


def read(text: str, annotation: Any) -> Any:
    """The value written as `text`; raises ValueError where it is not of that kind."""
    for kind in _alternatives(annotation):
        try:
            return _read_as(text, kind)
        except ValueError:
            continue
    raise ValueError(text)


def accept(value: Any, annotation: Any) -> Any:
    """A value that already has a type (from TOML); raises ValueError where it is of another kind."""
    for kind in _alternatives(annotation):
        try:
            return _accept_as(value, kind)
        except ValueError:
            continue
    raise ValueError(value)


def _alternatives(annotation: Any) -> tuple[Any, ...]:
    if get_origin(annotation) in (Union, types.UnionType):
        return tuple(part for part in get_args(annotation) if part is not types.NoneType)
    return (annotation,)


def _read_as(text: str, kind: Any) -> Any:
    if get_origin(kind) is list:
        return read(text, get_args(kind)[0])
    if get_origin(kind) is Literal:
        for value in get_args(kind):
            if str(value) == text:
                return value
        raise ValueError(text)
    if kind is bool:
        if text.strip().lower() in _TRUE | _FALSE:
            return text.strip().lower() in _TRUE
        raise ValueError(text)
    if kind is float and math.isnan(float(text)):
        raise ValueError(text)
    return kind(text)


def _accept_as(value: Any, kind: Any) -> Any:
    if get_origin(kind) is list:
        return [accept(item, get_args(kind)[0]) for item in (value if isinstance(value, list) else [value])]
    if get_origin(kind) is Literal:
        for choice in get_args(kind):
            if choice == value and type(choice) is type(value):
                return choice
        raise ValueError(value)
    if kind is float and type(value) is int:
        return float(value)
    if kind is Path and type(value) is str:
        return Path(value)
    if type(value) is kind and value == value:
        return value
    raise ValueError(value)
