"""Turns plain functions into commands, with flags derived from their parameters and from configs."""

import functools
import inspect
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from bbyte.config import Config
from bbyte.terminal import values
from bbyte.terminal.command import Command, Group
from bbyte.terminal.options import Option, option_of_parameter, options_of_config
from bbyte.terminal.screen import Screen
from bbyte.terminal.settings import settings_from_toml

_PANEL = "Every command"
FRAME = (
    Option("quiet", bool, False, "Say nothing but warnings and errors.", ("--quiet", "-q"), panel=_PANEL),
    Option(
        "json", bool, False, "Give the result as JSON on stdout, for programs.", ("--json",), panel=_PANEL
    ),
    Option(
        name="config",
        annotation=Path,
        default=None,
        help="Take settings from a TOML file; flags and BBYTE_… variables win.",
        flags=("--config",),
        panel=_PANEL,
    ),
)
"""What every command takes."""


def register(
    app: typer.Typer,
    name: str,
    function: Callable[..., Any],
    *,
    panel: str,
    examples: Sequence[str] = (),
    configs: Mapping[str, type[Config]] | None = None,
    help: str = "",
) -> None:
    """Make a command of a plain function.

    Its parameters become flags (or arguments, with `typer.Argument`); one named `screen` gets the Screen.
    `configs` maps keywords of the function to config dataclasses: each field becomes a flag, and the function
    gets, under the keyword, a dict of only those settings that were given. A setting comes from the command
    line, else from `BBYTE_<NAME>`, else from the file after `--config`, else it is the default.
    `help` is the function's docstring unless given. Names bound by functools.partial are no flags.
    Raises ValueError where two settings share a flag.
    """
    plain, bound = function, {}
    if isinstance(function, functools.partial):
        plain, bound = function.func, function.keywords
    configs = configs or {}
    parameters = [
        parameter
        for parameter in inspect.signature(function, eval_str=True).parameters.values()
        if parameter.name not in bound and parameter.name not in configs and parameter.name != "screen"
    ]
    own = [option_of_parameter(parameter) for parameter in parameters]
    options = tuple(own) + tuple(
        option for keyword, config in configs.items() for option in options_of_config(keyword, config)
    )
    options += FRAME
    _refuse_doubles(name, options)
    wants_screen = "screen" in inspect.signature(function).parameters and "screen" not in bound

    def call(**given: Any) -> None:
        with Screen(quiet=given.pop("quiet"), json=given.pop("json")) as screen:
            given.pop("config")
            arguments: dict[str, Any] = {keyword: {} for keyword in configs}
            for option in options:
                if option.config and given[option.name] is not None:
                    arguments[option.config][option.name] = given[option.name]
                elif not option.config and option.name in given:
                    arguments[option.name] = given[option.name]
            if wants_screen:
                arguments["screen"] = screen
            function(**arguments)

    call.__signature__ = inspect.Signature([_declared(option, options) for option in options])  # type: ignore[attr-defined]
    call.__annotations__ = {}
    command = type("_Command", (Command,), {"options": options, "examples": tuple(examples)})
    about = inspect.cleandoc(help or inspect.getdoc(plain) or "")
    app.command(
        name,
        cls=command,
        help=about,
        rich_help_panel=panel,
        context_settings={"help_option_names": ["-h", "--help"]},
    )(call)


def new_group(help: str, examples: Sequence[str] = ()) -> typer.Typer:
    """A group of commands, to `register` them on; `add_group` hangs it into another."""
    group = type("_Group", (Group,), {"examples": tuple(examples)})
    return typer.Typer(
        cls=group,
        help=help,
        add_completion=False,
        pretty_exceptions_enable=False,
        context_settings={"help_option_names": ["-h", "--help"]},
    )


def add_group(app: typer.Typer, name: str, group: typer.Typer, *, panel: str) -> None:
    """Hang a group of commands into an app, under one word and in one panel of its help."""
    app.add_typer(group, name=name, rich_help_panel=panel)


def _refuse_doubles(command: str, options: Sequence[Option]) -> None:
    seen: dict[str, str] = {"help": "every command"}
    for option in options:
        owner = option.config or option.panel
        keys = (option.name, *option.flags, *option.off_flags)
        for key in keys:
            if key in seen:
                raise ValueError(f"{command}: {key} is both in {seen[key]} and in {owner}")
        seen |= dict.fromkeys(keys, owner)


def _declared(option: Option, options: Sequence[Option]) -> inspect.Parameter:
    """The option as Typer wants it: text in, read by `Option.read`; a config's settings default to None."""
    annotation: Any = str
    if option.is_switch:
        annotation = bool
    elif values.is_list(option.annotation):
        annotation = list[str]
    default = None if option.config else option.default
    if default is None and not option.required:
        annotation = annotation | None
    details: dict[str, Any] = {
        "help": option.help,
        "hidden": option.hidden,
        "metavar": option.metavar or None,
    }
    if not option.is_switch:
        details["parser"] = option.read
    if option.flags:
        details["envvar"] = option.variable
        if option.name == "config":
            details |= {"is_eager": True, "callback": _file_taker(options)}
        declarations = list(option.flags)
        if option.off_flags:
            declarations = [f"{on}/{off}" for on, off in zip(option.flags, option.off_flags, strict=False)]
        info = typer.Option(*declarations, **details)
    else:
        info = typer.Argument(**details)
    return inspect.Parameter(
        option.name,
        inspect.Parameter.KEYWORD_ONLY,
        default=inspect.Parameter.empty if option.required else default,
        annotation=Annotated[annotation, info],
    )


def _file_taker(options: Sequence[Option]) -> Callable[[typer.Context, Path | None], Path | None]:
    known = {option.name: option.annotation for option in options if option.flags and option.name != "config"}

    def take_file(ctx: typer.Context, value: Path | None) -> Path | None:
        # Click looks here after the command line and the environment, and before the defaults.
        if value is not None:
            ctx.default_map = settings_from_toml(value, known)
        return value

    return take_file
