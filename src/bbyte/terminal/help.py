"""Help pages: what it does, examples first, then the flags in their panels."""

import re
import textwrap
from collections.abc import Sequence
from typing import NamedTuple

from rich import box
from rich.console import Console, Group
from rich.padding import Padding
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from bbyte.terminal.options import Option

_WIDEST = 110


class Entry(NamedTuple):
    """One command in a group's table of contents."""

    name: str
    summary: str
    panel: str


def show_group(
    path: str,
    about: str,
    entries: Sequence[Entry],
    flags: Sequence[tuple[str, str]],
    examples: Sequence[str],
) -> None:
    """Print a group's page on stdout: examples, then one line a command."""
    console = _console()
    _head(console, f"{path} COMMAND [FLAGS]", about, examples)
    width = max((len(entry.name) for entry in entries), default=0)
    for panel in sorted(dict.fromkeys(entry.panel for entry in entries), key=place):
        rows = [
            (Text(entry.name.ljust(width), style="bold cyan"), Text(entry.summary))
            for entry in entries
            if entry.panel == panel
        ]
        _panel(console, panel, rows)
    _panel(
        console, "Flags", [(Text(names.ljust(width), style="bold cyan"), Text(text)) for names, text in flags]
    )


def show_command(path: str, about: str, options: Sequence[Option], examples: Sequence[str]) -> None:
    """Print a command's page on stdout: examples, arguments, flags grouped as declared, defaults."""
    console = _console()
    arguments = [option for option in options if not option.flags and not option.hidden]
    _head(console, usage(path, options), about, examples)
    visible = [*arguments, *(option for option in options if option.flags and not option.hidden)]
    for panel in dict.fromkeys(option.panel for option in visible):
        _panel(
            console, panel, [(_name(option), _meaning(option)) for option in visible if option.panel == panel]
        )
    note = "Any flag can also be set as BBYTE_<FLAG> in the environment or in the file given with --config."
    console.print(Padding(Text(note, style="dim"), (0, 1)))


def usage(path: str, options: Sequence[Option]) -> str:
    """The line that says what a command takes."""
    arguments = [_usage(option) for option in options if not option.flags and not option.hidden]
    return " ".join([path, *arguments, "[FLAGS]"])


def place(panel: str) -> int:
    """Where a panel of the table of contents stands among the others."""
    return _ORDER.index(panel) if panel in _ORDER else len(_ORDER)


def _console() -> Console:
    console = Console(markup=False, emoji=False, highlight=False)
    console.width = min(console.width, _WIDEST)
    return console


def _head(console: Console, usage: str, about: str, examples: Sequence[str]) -> None:
    console.print(Padding(Text.assemble(("usage: ", "dim"), (usage, "bold")), (1, 1, 0, 1)))
    for paragraph in about.split("\n\n"):
        console.print(Padding(Text(textwrap.dedent(paragraph).replace("\n", " ")), (1, 1, 0, 1)))
    console.print()
    if examples:
        lines = [Text(_continued(example, console.width - 8), style="green") for example in examples]
        console.print(
            Padding(Group(Text("Examples", style="bold"), *(Padding(line, (0, 2)) for line in lines)), (0, 1))
        )
        console.print()


def _continued(example: str, width: int) -> str:
    """The example over several lines that can be copied as they are; what is in quotes is never cut."""
    whole = re.sub(r'"[^"]*"', lambda quoted: quoted[0].replace(" ", "\0"), example)
    lines = textwrap.wrap(whole, width, break_long_words=False, break_on_hyphens=False)
    return " \\\n    ".join(lines).replace("\0", " ")


_ORDER = ("Start here", "Data", "Training", "Measure", "Write")
"""Panels of the table of contents, in the order of the work; Typer would put groups of commands last."""


def _panel(console: Console, title: str, rows: Sequence[tuple[Text, Text]]) -> None:
    if not rows:
        return
    table = Table.grid(padding=(0, 2), expand=True)
    table.add_column(no_wrap=False, overflow="fold", max_width=44)
    table.add_column(ratio=1)
    for row in rows:
        table.add_row(*row)
    console.print(
        Panel(
            table, title=Text(title), title_align="left", box=box.ROUNDED, border_style="dim", padding=(0, 1)
        )
    )


def _usage(argument: Option) -> str:
    name = argument.metavar or argument.name.upper()
    name = f"{name}..." if argument.annotation is not str and "list" in str(argument.annotation) else name
    return name if argument.required else f"[{name}]"


def _name(option: Option) -> Text:
    if not option.flags:
        return Text(option.metavar or option.name.upper(), style="bold cyan")
    text = Text(", ".join(option.flags), style="bold cyan")
    if option.off_flags:
        text.append("/" + ", ".join(option.off_flags), style="cyan")
    if option.placeholder:
        text.append(" " + option.placeholder, style="yellow")
    return text


def _meaning(option: Option) -> Text:
    text = Text(option.help)
    if option.required:
        text.append("  [required]", style="dim red")
    elif option.shown_default:
        text.append(f"  [default: {option.shown_default}]", style="dim")
    return text
