"""Configs as frozen dataclasses: each field carries its help text, all problems are reported at once.

A config lives beside what it configures. Command-line flags, TOML settings and JSON are derived from it,
so that no setting is written twice.
"""

import dataclasses
import difflib
import json
import math
import types
from collections.abc import Callable, Iterable, Mapping
from typing import Any, ClassVar, Literal, Protocol, TypeVar, Union, get_args, get_origin, get_type_hints

from bbyte.errors import UsageError


class Config(Protocol):
    """Any frozen dataclass whose fields were made by `setting`."""

    __dataclass_fields__: ClassVar[dict[str, Any]]


C = TypeVar("C", bound=Config)
T = TypeVar("T")


def setting(default: Any, help: str, *, flag: bool = True) -> Any:
    """A field of a config with the help text its command-line flag shows.

    `flag=False` keeps the field out of the command line (it is still in TOML and JSON).
    """
    return dataclasses.field(default=default, metadata={"help": help, "flag": flag})


class Problems:
    """Collects every problem of a config, so that the user reads them all in one message."""

    def __init__(self) -> None:
        self._messages: list[str] = []
        self._hints: list[str] = []

    def check(self, holds: bool, message: str, hint: str = "") -> bool:
        """Note `message` (and `hint`) unless `holds`; returns `holds`."""
        if not holds:
            self._messages.append(message)
            if hint:
                self._hints.append(hint)
        return holds

    def check_types(self, config: Config) -> bool:
        """Check each field of `config` against its annotation: int, float, bool, str, Literal, or None."""
        hints = get_type_hints(type(config))
        good = True
        for field in dataclasses.fields(config):
            value = getattr(config, field.name)
            good &= self.check(
                _fits(value, hints[field.name]),
                f"{field.name} is {value!r}, expected {describe_type(hints[field.name])}",
            )
        return good

    def attempt(self, make: Callable[[], T]) -> T | None:
        """What `make` gives; None, its problems noted, where it raises a UsageError."""
        try:
            return make()
        except UsageError as error:
            self._messages += error.message.splitlines()
            self._hints += error.hint.splitlines()
            return None

    @property
    def none(self) -> bool:
        """Whether nothing was found so far."""
        return not self._messages

    def raise_if_any(self) -> None:
        """Raise one UsageError with every problem noted so far."""
        if self._messages:
            raise UsageError("\n".join(self._messages), "\n".join(dict.fromkeys(self._hints)))


def _fits(value: Any, annotation: Any) -> bool:
    origin = get_origin(annotation)
    if origin in (Union, types.UnionType):
        return any(_fits(value, choice) for choice in get_args(annotation))
    if origin is Literal:
        return value in get_args(annotation)
    if annotation is types.NoneType:
        return value is None
    if annotation is float:
        return isinstance(value, int | float) and not isinstance(value, bool)
    if annotation is int:
        return isinstance(value, int) and not isinstance(value, bool)
    return isinstance(value, annotation)


def describe_type(annotation: Any) -> str:
    """The annotation in a user's words: "a whole number", "one of swiglu, relu2"."""
    origin = get_origin(annotation)
    if origin in (Union, types.UnionType):
        return " or ".join(describe_type(choice) for choice in get_args(annotation))
    if origin is Literal:
        return "one of " + ", ".join(str(choice) for choice in get_args(annotation))
    words = {
        int: "a whole number",
        float: "a number",
        bool: "true or false",
        str: "text",
        types.NoneType: "nothing",
    }
    return words.get(annotation, str(annotation))


def suggest(word: str, known: Iterable[str]) -> str:
    """A hint naming the known word nearest to `word`, or an empty string."""
    near = difflib.get_close_matches(word, list(known), n=1)
    return f"did you mean {near[0]}?" if near else ""


def to_dict(config: Config) -> dict[str, Any]:
    """The config as plain JSON values, in field order."""
    return {field.name: getattr(config, field.name) for field in dataclasses.fields(config)}


def from_dict(kind: type[C], values: Mapping[str, Any], *, where: str) -> C:
    """A config of the given kind from plain values; unknown keys are refused with a suggestion.

    `where` names the source in the message ("checkpoint.json", "run.toml"). Raises UsageError.
    """
    known = {field.name for field in dataclasses.fields(kind)}
    problems = Problems()
    for key in values:
        if key not in known:
            problems.check(False, f"{where}: unknown setting {key!r}", suggest(key, known))
    problems.raise_if_any()
    return kind(**values)


def to_toml(tables: Mapping[str, Mapping[str, Any]]) -> str:
    """Settings as TOML, a table each ("" comes first and has no heading). None, the default, is left out.

    Raises UsageError for a value that TOML cannot hold: a path that is no text.
    """
    lines = []
    for table, settings in tables.items():
        lines += [f"[{table}]"] if table else []
        lines += [f"{key} = {_toml_value(value)}" for key, value in settings.items() if value is not None]
        lines.append("")
    return "\n".join(lines)


def _toml_value(value: Any) -> str:
    # TOML writes text, numbers and truth as JSON does, but for these.
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    written = json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
    if any("\ud800" <= character <= "\udfff" for character in written):
        raise UsageError(f"{written} is no text, so it cannot be recorded", "rename the file or folder")
    return written
