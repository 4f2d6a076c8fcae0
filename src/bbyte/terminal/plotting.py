"""What the commands of `bbyte plot` share: where a picture goes, what is said of it, and small charts."""

import os
import re
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from bbyte.terminal.screen import Screen

if TYPE_CHECKING:
    from bbyte.checkpoint.find import Found

Ckpt = Annotated[
    Path | None,
    typer.Option(help="Checkpoint, or folder of a run (default: the newest, else the starter model)."),
]
Out = Annotated[
    Path | None, typer.Option("--out", help="Picture, .svg or .png (default: one in artifacts/plots).")
]
Force = Annotated[bool, typer.Option("--force", "-f", help="Replace a picture that is there.")]
_LONGEST = 60
_EIGHTHS = " ▏▎▍▌▋▊▉█"
_HEIGHTS = "▁▂▃▄▅▆▇█"


def place(
    screen: Screen, out: Path | None, words: Sequence[str], endings: tuple[str, ...], *, force: bool
) -> Path | None:
    """Where the picture goes: `out`, or else a file in artifacts/plots named by the words.

    None with --json, which writes only where it is told to. Raises UsageError where the place is taken.
    """
    from bbyte.analysis.picture_file import PLOTS, check

    if out is None and screen.json:
        return None
    plain = (re.sub(r"[^\w.]+", "_", word, flags=re.ASCII).strip("_.")[:_LONGEST] for word in words)
    path = out or PLOTS / f"{'-'.join(word for word in plain if word)}{endings[0]}"
    check(path, endings, force=force)
    return path


def name_of(found: "Found") -> str:
    """The name of a checkpoint for a title: the folder of its run and its own."""
    folder = found.path.resolve()
    return f"{folder.parent.name}/{folder.name}" if folder.name.startswith("step-") else folder.name


def prompt_bytes(prompt: str) -> bytes:
    """The bytes of a prompt as they were typed; - reads them from stdin."""
    return sys.stdin.buffer.read() if prompt == "-" else os.fsencode(prompt)


def bar(share: float, width: int) -> str:
    """A bar of `width` cells that is filled by a share from 0 to 1, to an eighth of a cell."""
    eighths = round(min(max(share, 0.0), 1.0) * width * 8)
    return ("█" * (eighths // 8) + _EIGHTHS[eighths % 8]).rstrip()


def sparkline(values: Sequence[float]) -> str:
    """The values from 0 to the largest as one line of bars."""
    highest = max(values, default=0.0) or 1.0
    return "".join(_HEIGHTS[min(int(value / highest * 8), 7)] for value in values)
