"""`bbyte plot`: pictures of runs, texts and models; and its `run`, the curves of runs."""

import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from bbyte.commands import plot_attention, plot_bytes, plot_embeddings, plot_next, plot_weights
from bbyte.errors import BbyteError
from bbyte.sanitize import sanitize
from bbyte.terminal.flags import new_group, register
from bbyte.terminal.screen import Screen

if TYPE_CHECKING:
    from bbyte.analysis.picture import Curve

EXAMPLES = (
    "bbyte plot run tales",
    "bbyte plot run ar-tiny ar-small --x bytes --out curves.svg",
)
_ALL = (EXAMPLES[0], plot_bytes.EXAMPLES[0], plot_next.EXAMPLES[0], plot_embeddings.EXAMPLES[0])
PLOTS = Path("artifacts/plots")
ACROSS = {"steps": "steps", "bytes": "bytes read", "seconds": "seconds of training"}


def group() -> typer.Typer:
    """The `plot` word and the commands under it."""
    words = new_group("Draw pictures of runs, texts and models: in the terminal, as SVG, PNG or HTML.", _ALL)
    for name, function, examples in (
        ("run", run, EXAMPLES),
        ("bytes", plot_bytes.plot_bytes, plot_bytes.EXAMPLES),
        ("next", plot_next.plot_next, plot_next.EXAMPLES),
        ("embeddings", plot_embeddings.plot_embeddings, plot_embeddings.EXAMPLES),
        ("attention", plot_attention.plot_attention, plot_attention.EXAMPLES),
        ("weights", plot_weights.plot_weights, plot_weights.EXAMPLES),
    ):
        register(words, name, function, panel="Plots", examples=examples)
    return words


def run(
    screen: Screen,
    runs: Annotated[
        list[str],
        typer.Argument(metavar="RUN", help="A run: its folder, the folder's name, or a part of it."),
    ],
    x: Annotated[
        Literal["steps", "bytes", "seconds"], typer.Option(help="What to draw the curves over.")
    ] = "steps",
    out: Annotated[
        Path | None, typer.Option(help="Picture, .png or .svg (default in a pipe: one in artifacts/plots).")
    ] = None,
    terminal: Annotated[
        bool, typer.Option("--terminal", help="Draw in text, also where stdout is no terminal.")
    ] = False,
    root: Annotated[
        Path | None, typer.Option(help="Folder of runs (default: artifacts/checkpoints).")
    ] = None,
) -> None:
    """Compare runs: bits per byte in training and validation. On a terminal drawn there, else into a file."""
    from bbyte.analysis.picture import draw

    curves = _curves(runs, x, root)
    in_text = terminal or (sys.stdout.isatty() and not screen.json)
    path = out
    if path is None and not in_text and not screen.json:
        names = re.sub(r"[^\w.-]", "_", "-".join(curve.name for curve in curves), flags=re.ASCII)
        path = PLOTS / f"{names[:120]}-{x}.png"
    if path is not None:
        draw(curves, path, across=ACROSS[x])
    if screen.json:
        screen.emit_json({"x": x, "file": path, "runs": [vars(curve) for curve in curves]})
    elif in_text:
        _show(curves, ACROSS[x])
    if path is not None:
        screen.say(f"drawn {path}")


def _curves(words: list[str], x: Literal["steps", "bytes", "seconds"], root: Path | None) -> "list[Curve]":
    from bbyte.analysis.picture import Curve
    from bbyte.checkpoint import find
    from bbyte.runs import archive, record
    from bbyte.terminal.runs import short_names

    folders = dict.fromkeys(archive.named(word, root or find.ROOT) for word in words)
    records = [record.read(folder) for folder in folders]
    curves = [
        Curve(sanitize(name), one.log.train(x), one.log.validation(x))
        for name, one in zip(short_names(*records), records, strict=True)
    ]
    empty = [str(record.folder) for record, curve in zip(records, curves, strict=True) if not curve.train]
    if empty:
        raise BbyteError(
            f"nothing was logged in {', '.join(empty)}", "a run logs a line every --log-every steps"
        )
    return curves


def _show(curves: "list[Curve]", across: str) -> None:
    from rich.console import Console

    from bbyte.terminal.comparison import comparison
    from bbyte.terminal.runs import width

    room = min(width() or 80, 120)
    console = Console(width=room, markup=False, emoji=False, highlight=False)
    console.print(f"bits per byte over {across}; lines: training, signs: validation", no_wrap=True)
    for line in comparison(room, 18, curves):
        console.print(line, no_wrap=True, overflow="crop")
