"""`bbyte plot bytes`: a text coloured by how surprising it is to a model."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from bbyte.errors import DataError, UsageError
from bbyte.sanitize import sanitize
from bbyte.terminal.loading import Engine, chosen, load_found, takes_engine
from bbyte.terminal.plotting import Ckpt, Force, name_of, place, sparkline
from bbyte.terminal.screen import Screen, one_line

if TYPE_CHECKING:
    from bbyte.analysis.costliest import Span
    from bbyte.analysis.surprisal import Scorer, Surprisal
    from bbyte.checkpoint.find import Found

EXAMPLES = (
    "bbyte plot bytes README.md",
    "bbyte plot bytes book.txt --ckpt artifacts/exports/tales-packed --max-bytes 20000",
    "bbyte plot bytes book.txt --out entropy.svg",
)


def plot_bytes(
    screen: Screen,
    file: Annotated[Path, typer.Argument(metavar="FILE", help="Any file; - is standard input.")],
    ckpt: Ckpt = None,
    max_bytes: Annotated[int, typer.Option(min=1, help="Read only the first so many bytes.")] = 1 << 16,
    spans: Annotated[int, typer.Option(min=0, help="How many of the costliest spans to list.")] = 10,
    out: Annotated[
        Path | None,
        typer.Option(
            "--out", help="A page, .html, or the curve alone, .svg or .png (default: artifacts/plots)."
        ),
    ] = None,
    force: Force = False,
    terminal: Annotated[
        bool, typer.Option("--terminal", help="Show the text also where stdout is no terminal.")
    ] = False,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda, cuda:N or mps.")] = "auto",
    engine: Annotated[
        Engine, typer.Option(help="What computes: auto takes native for packed checkpoints on a CPU.")
    ] = "auto",
    threads: Annotated[int, typer.Option(min=0, help="CPU threads; 0 takes what pays.")] = 0,
) -> None:
    """Colour a text by surprisal: what each byte costs the model, in bits. As a page, and on a terminal.

    The page also has the course of entropy and the costliest spans.
    """
    from bbyte.analysis.costliest import costliest
    from bbyte.analysis.surprisal import surprisal

    data, whole = _read(file, max_bytes)
    name = "standard input" if str(file) == "-" else one_line(file.name)
    found = chosen(screen, ckpt)
    words = ["stdin" if str(file) == "-" else file.name, name_of(found)]
    path = place(screen, out, words, (".html", ".svg", ".png"), force=force)
    if not whole:
        screen.say(f"only the first {len(data):,} bytes of {name}; --max-bytes takes more")
    scorer = _scorer(screen, found, device, engine, threads)
    with screen.progress("scoring", len(data)) as progress:
        scored = surprisal(data, scorer, progress.update)
    dear = costliest(data, scored.bits, spans)
    facts = _facts(name_of(found), scored, scorer, whole)
    if path is not None:
        _write(path, name, facts, scored, dear, force)
    if screen.json:
        screen.emit_json(_document(file, found, scored, scorer, whole, dear, path))
        return
    if terminal or sys.stdout.isatty():
        _show(scored)
    _tell(screen, name, facts, scored, dear)
    screen.say(f"drawn {path}")


def _read(file: Path, most: int) -> tuple[bytes, bool]:
    """The first bytes of a file, and whether they are all."""
    if str(file) == "-":
        data = sys.stdin.buffer.read(most + 1)
    else:
        if file.is_dir():
            raise UsageError(f"{file} is a folder", "name a file")
        with file.open("rb") as opened:
            data = opened.read(most + 1)
    if not data:
        raise DataError(f"{file} is empty", "give a file with at least one byte")
    return data[:most], len(data) <= most


def _scorer(screen: Screen, found: "Found", device: str, engine: Engine, threads: int) -> "Scorer":
    from bbyte.analysis import scorers
    from bbyte.engine.streams import computed_by

    if not takes_engine(screen, found, device, engine):
        return scorers.by_torch(load_found(screen, found, device, threads))
    scorer, streams = scorers.by_engine(found, by="numpy" if engine == "numpy" else "native", threads=threads)
    screen.say(f"computed by {computed_by(streams)}")
    return scorer


def _facts(model: str, scored: "Surprisal", scorer: "Scorer", whole: bool) -> dict[str, str]:
    score = scored.score
    return {
        "model": model,
        "bytes": f"{score.bytes:,}" + ("" if whole else ", the beginning of the file"),
        "bits per byte": f"{score.bits_per_byte:.3f}",
        "expected": f"{scored.entropy.mean():.3f}",
        "context": f"{scorer.context:,} bytes",
    }


def _write(
    path: Path, name: str, facts: dict[str, str], scored: "Surprisal", dear: "list[Span]", force: bool
) -> None:
    from bbyte.analysis import bytes_page, entropy_picture, picture_file

    about = f"{facts['model']}: {facts['bits per byte']} bits per byte of {scored.score.bytes:,} bytes"
    is_page = path.suffix.lower() == ".html"
    chart = entropy_picture.drawing(scored, "Along the text" if is_page else sanitize(name), about)
    if is_page:
        picture_file.write_text(bytes_page.page(name, facts, scored, dear, chart), path, force=force)
    else:
        picture_file.write(chart, path, force=force)


def _show(scored: "Surprisal") -> None:
    from rich.console import Console

    from bbyte.analysis.characters import characters
    from bbyte.terminal.surprisal import coloured, legend

    console = Console(markup=False, emoji=False, highlight=False)
    console.print(coloured(characters(scored.data, scored.bits)), soft_wrap=True)
    console.print()
    console.print(legend())


def _tell(screen: Screen, name: str, facts: dict[str, str], scored: "Surprisal", dear: "list[Span]") -> None:
    from bbyte.analysis.bytes_page import span_text
    from bbyte.analysis.costliest import buckets

    screen.print(", ".join(f"{key} {value}" for key, value in facts.items()))
    screen.print(f"course  {sparkline([mean for *_, mean in buckets(scored.bits, 60)])}")
    rows = [
        (
            f"{span.start:,}", span.stop - span.start, f"{span.bits:.1f}",
            f"{span.bits / (span.stop - span.start):.2f}", span_text(scored.data, span, 48),
        )
        for span in dear
    ]  # fmt: skip
    if rows:
        columns = ("at byte", "bytes", "bits", "bits a byte", "text")
        screen.table(f"costliest spans of {name}", columns, rows)


def _document(
    file: Path,
    found: "Found",
    scored: "Surprisal",
    scorer: "Scorer",
    whole: bool,
    dear: "list[Span]",
    path: Path | None,
) -> dict[str, object]:
    return {
        "data": file,
        "checkpoint": found.path,
        "bytes": scored.score.bytes,
        "whole": whole,
        "bits_per_byte": scored.score.bits_per_byte,
        "context": scorer.context,
        "bits": [round(float(bits), 6) for bits in scored.bits],
        "entropy": [round(float(bits), 6) for bits in scored.entropy],
        "spans": [
            {**vars(span), "text": scored.data[span.start : span.stop].decode("utf-8", "replace")}
            for span in dear
        ],
        "file": path,
    }
