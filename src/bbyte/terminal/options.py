"""What a command takes, as its user sees it: derived from a function's parameters and from configs."""

import dataclasses
import inspect
import os
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Annotated, Any, get_args, get_origin, get_type_hints

from typer.models import ArgumentInfo, OptionInfo, ParameterInfo

from bbyte.config import Config
from bbyte.errors import UsageError
from bbyte.terminal import values


@dataclass(frozen=True)
class Option:
    """One flag, or one plain argument (then `flags` is empty)."""

    name: str
    annotation: Any
    default: Any
    help: str
    flags: tuple[str, ...] = ()
    off_flags: tuple[str, ...] = ()
    panel: str = "Options"
    config: str = ""
    """The keyword of the config it belongs to; empty for the command's own parameters."""
    required: bool = False
    hidden: bool = False
    metavar: str = ""
    least: float | None = None
    most: float | None = None
    must_exist: bool = False

    @property
    def is_switch(self) -> bool:
        """Whether it takes no value."""
        return bool(self.flags) and values.is_switch(self.annotation)

    @property
    def variable(self) -> str:
        """The environment variable that sets it, where the command line does not."""
        return "BBYTE_" + self.name.rstrip("_").upper() if self.flags else ""

    @property
    def placeholder(self) -> str:
        """What stands for the value in help: its choices, or a word."""
        if self.is_switch:
            return ""
        kinds = {"a whole number": "INT", "a number": "NUMBER", "a path": "PATH", "text": "TEXT"}
        words = values.choices(self.annotation)
        if self.metavar or words:
            also = [kinds[part] for part in values.describe(self.annotation).split(" or ") if part in kinds]
            return self.metavar or "|".join((*words, *also))
        return kinds.get(values.describe(self.annotation).removeprefix("a list: "), "VALUE")

    @property
    def shown_default(self) -> str:
        """What help says it is when nothing else is said; empty where that says nothing."""
        if self.default in (None, (), [], "") or (self.default is False and not self.off_flags):
            return ""
        return ("on" if self.default else "off") if self.is_switch else str(self.default)

    def read(self, value: Any) -> Any:
        """The value a user wrote, checked; raises UsageError with the flag's name and what it expects."""
        if not isinstance(value, str):
            return value
        label = max(self.flags, key=len) if self.flags else self.name.upper()
        if self.variable and os.environ.get(self.variable) == value:
            label += f" (from {self.variable})"
        try:
            result = values.read(value, self.annotation)
        except ValueError:
            raise UsageError(f"{label} is {value!r}, expected {values.describe(self.annotation)}") from None
        if self.least is not None and result < self.least:
            raise UsageError(f"{label} is {value}, expected at least {self.least:g}")
        if self.most is not None and result > self.most:
            raise UsageError(f"{label} is {value}, expected at most {self.most:g}")
        if self.must_exist and value != "-" and not os.path.exists(value):  # noqa: PTH110 - a str or a Path
            raise UsageError(f"{label}: there is no file or folder {value}")
        return result


def options_of_config(keyword: str, config: type[Config]) -> Iterator[Option]:
    """One option a field, except those marked `flag=False`."""
    hints = get_type_hints(config)
    for field in dataclasses.fields(config):
        if not field.metadata.get("flag", True):
            continue
        flag = "--" + field.name.replace("_", "-")
        default = None if field.default is dataclasses.MISSING else field.default
        yield Option(
            name=field.name,
            annotation=hints[field.name],
            default=default,
            help=field.metadata.get("help", ""),
            flags=(flag,),
            off_flags=("--no-" + flag[2:],) if values.is_switch(hints[field.name]) else (),
            panel=keyword.replace("_", " ").capitalize(),
            config=keyword,
        )


def option_of_parameter(parameter: inspect.Parameter) -> Option:
    """The option or argument that a function's parameter asks for, with what its Annotated says of it."""
    annotation, info = parameter.annotation, None
    if get_origin(annotation) is Annotated:
        annotation, *notes = get_args(annotation)
        info = next((note for note in notes if isinstance(note, ParameterInfo)), None)
    required = parameter.default is parameter.empty
    if info is None:
        info = ArgumentInfo() if required else OptionInfo()
    flags, off_flags = _flags_of(parameter.name, annotation, info)
    return Option(
        name=parameter.name,
        annotation=annotation,
        default=None if required else parameter.default,
        help=inspect.cleandoc(info.help or ""),
        flags=flags,
        off_flags=off_flags,
        panel=info.rich_help_panel or ("Options" if flags else "Arguments"),
        required=required,
        hidden=info.hidden,
        metavar=info.metavar or "",
        least=info.min,
        most=info.max,
        must_exist=info.exists,
    )


def _flags_of(name: str, annotation: Any, info: ParameterInfo) -> tuple[tuple[str, ...], tuple[str, ...]]:
    if not isinstance(info, OptionInfo):
        return (), ()
    # Inside Annotated, Typer keeps the first declaration where a default would be.
    declared = [info.default] if isinstance(info.default, str) else []
    declared += [text for text in info.param_decls or () if text.startswith("-")]
    if not declared:
        word = name.replace("_", "-")
        declared = [f"--{word}/--no-{word}" if values.is_switch(annotation) else f"--{word}"]
    on, off = [], []
    for text in declared:
        first, _, second = text.partition("/")
        on.append(first.strip())
        if second:
            off.append(second.strip())
    return tuple(on), tuple(off)


def value_counts(options: tuple[Option, ...]) -> dict[str, int]:
    """Every spelling the command accepts, and how many values follow it."""
    counts = {"--help": 0, "-h": 0}
    for option in options:
        for flag in (*option.flags, *option.off_flags):
            counts[flag] = 0 if option.is_switch else 1
    return counts
