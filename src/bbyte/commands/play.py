"""`bbyte play`: a person and a model write a text in turns."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from bbyte.errors import UsageError
from bbyte.generation.playing import Playing
from bbyte.terminal.loading import Engine, opened
from bbyte.terminal.screen import Screen

if TYPE_CHECKING:
    from bbyte.generation.session import Opened

EXAMPLES = (
    "bbyte play",
    "bbyte play artifacts/checkpoints/night --temperature 0.6 --length 300",
    "printf '/temp 0\\nOnce upon a time\\n/save tale.txt\\n' | bbyte play --quiet",
)
CONFIGS = {"sampling": Playing}


def play(
    screen: Screen,
    ckpt: Annotated[
        Path | None,
        typer.Argument(help="Checkpoint, or folder of a run (default: the newest, else the starter model)."),
    ] = None,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda, cuda:N or mps.")] = "auto",
    engine: Annotated[
        Engine, typer.Option(help="What computes: auto takes native for packed checkpoints on a CPU.")
    ] = "auto",
    threads: Annotated[int, typer.Option(min=0, help="CPU threads; 0 takes what pays.")] = 0,
    *,
    sampling: dict[str, Any],
) -> None:
    """Write a text in turns with a model: you type, it goes on; commands begin with /."""
    from bbyte.generation.session import Session
    from bbyte.terminal import playing

    if screen.json:
        raise UsageError("a session has no result to give as JSON", "bbyte generate --json writes one text")
    settings = Playing(**sampling)

    def reopen(path: Path | None) -> "Opened":
        return opened(screen, path, device, engine, threads)

    if playing.is_conversation():
        playing.converse(screen, Session(reopen(ckpt), reopen, settings, playing.may_replace))
    else:
        playing.read_lines(screen, Session(reopen(ckpt), reopen, settings), sys.stdin.buffer)
