"""The reference of all commands as one page of Markdown, from the program as it is."""

import re
import textwrap
from collections.abc import Iterator, Sequence
from typing import Any

from bbyte.terminal.command import Command, Group, summary
from bbyte.terminal.flags import FRAME
from bbyte.terminal.help import place, usage
from bbyte.terminal.options import Option

_HEAD = """# The command line

All commands, their flags and defaults. This page is generated from the program (`make completions`);
`bbyte COMMAND --help` shows the same.

What a command makes goes to stdout, what it says to stderr; `-` is standard input or output. Flags may be
written with underscores (`--seq_len`). Any flag can also be set as `BBYTE_<FLAG>` in the environment
(`--seq-len` as `BBYTE_SEQ_LEN`) or in the file given with `--config`: the command line wins over the
environment, and that over the file.
"""

EXIT_CODES = (
    ("0", "done"),
    ("1", "failed"),
    ("2", "asked for wrongly"),
    ("3", "damaged or mismatched data"),
    ("4", "does not fit in memory"),
    ("75", "interrupted, with a checkpoint saved"),
    ("130, 143", "ended by a signal"),
    ("141", "nobody reads the output any more"),
)


def reference(program: Any) -> str:
    """The page, from the tree of commands that Typer built."""
    shown: dict[tuple[Option, ...], str] = {}
    panels: dict[str, list[tuple[str, Any]]] = {}
    for name, node in _visible(program):
        panels.setdefault(getattr(node, "rich_help_panel", None) or "Commands", []).append((name, node))
    ordered = sorted(panels.items(), key=lambda panel: place(panel[0]))
    parts = [
        _HEAD,
        *(_contents(panel, "bbyte", nodes) for panel, nodes in ordered),
        "## Exit codes\n",
        _table(("code", "meaning"), EXIT_CODES),
        "## Every command\n",
        f"{_options(FRAME)}| `--help`, `-h` |  | Show what the command takes. |\n",
    ]
    for _, nodes in ordered:
        for name, node in nodes:
            parts += _pages(node, f"bbyte {name}", "##", shown)
    return "\n".join(parts)


def _contents(title: str, words: str, nodes: Sequence[tuple[str, Any]]) -> str:
    rows = [(f"[{name}](#{_anchor(f'{words} {name}')})", _text(summary(node.help))) for name, node in nodes]
    return _table((title, ""), rows)


def _pages(node: Any, words: str, level: str, shown: dict[tuple[Option, ...], str]) -> Iterator[str]:
    """A command's part of the page; of a group its own, then those of its commands."""
    yield f"{level} {words}\n"
    if isinstance(node, Group):
        commands = _visible(node)
        yield from _about(node, f"{words} COMMAND [FLAGS]")
        yield _contents("command", words, commands)
        for name, sub in commands:
            yield from _pages(sub, f"{words} {name}", f"{level}#", shown)
    elif isinstance(node, Command):
        yield from _about(node, usage(words, node.options))
        own = [option for option in node.options if option not in FRAME and not option.hidden]
        own.sort(key=lambda option: bool(option.flags))  # arguments first
        for panel in dict.fromkeys(option.panel for option in own):
            options = tuple(option for option in own if option.panel == panel)
            before = shown.setdefault(options, words)
            if before != words and len(options) > 1:
                yield f"{panel}: as of [{before}](#{_anchor(before)}).\n"
            else:
                yield (f"{panel}:\n\n" if panel not in ("Options", "Arguments") else "") + _options(options)


def _about(node: Any, line: str) -> Iterator[str]:
    yield f"```text\n{line}\n```\n"
    for paragraph in (node.help or "").split("\n\n"):
        yield textwrap.fill(_text(" ".join(paragraph.split())), 120, break_long_words=False) + "\n"
    if node.examples:
        yield "```console\n" + "".join(f"$ {example}\n" for example in node.examples) + "```\n"


def _options(options: Sequence[Option]) -> str:
    kind = "flag" if any(option.flags for option in options) else "argument"
    return _table((kind, "default", "meaning"), [_row(option) for option in options])


def _row(option: Option) -> tuple[str, str, str]:
    words = (*option.flags, *option.off_flags) or (option.metavar or option.name.upper(),)
    name = ", ".join(f"`{word}`" for word in words)
    if option.flags and option.placeholder:
        name += f" `{option.placeholder}`"
    default = f"`{option.shown_default}`" if option.shown_default else "required" if option.required else ""
    return _in_cell(name), _in_cell(default), _text(option.help)


def _table(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = (columns, ["---"] * len(columns), *rows)
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def _text(text: str) -> str:
    """As Markdown shows it again; what stands between backticks is code already."""
    parts = re.split(r"(`[^`]*`)", text)
    return "".join(
        _in_cell(part) if part.startswith("`") else re.sub(r"([\\*<|])", r"\\\1", part) for part in parts
    )


def _in_cell(code: str) -> str:
    """A bar would end a table's cell, even in code."""
    return code.replace("|", "\\|")


def _visible(group: Group) -> list[tuple[str, Any]]:
    return [(name, node) for name, node in group.commands.items() if not node.hidden]


def _anchor(heading: str) -> str:
    return re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-")
