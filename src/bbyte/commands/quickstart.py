"""`bbyte quickstart`: the whole of bbyte in about two minutes."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from bbyte.terminal.screen import Screen

if TYPE_CHECKING:
    from bbyte.quickstart import Result

EXAMPLES = ("bbyte quickstart", "bbyte quickstart --seconds 600")


def quickstart(
    screen: Screen,
    seconds: Annotated[
        float | None, typer.Option(min=1, help="How long to train, in seconds, about (default: 105).")
    ] = None,
    out: Annotated[Path | None, typer.Option(help="Folder of the run (default: a new one).")] = None,
) -> None:
    """Show bbyte in two minutes: a ternary model learns Python's documentation, is scored, and writes."""
    from bbyte import quickstart as tour
    from bbyte.terminal.training import show

    corpus = tour.corpus()
    held_out = corpus.validation.size if corpus.validation is not None else 0
    screen.say(f"Python's own documentation: {corpus.size:,} bytes to learn from, {held_out:,} held out")
    trainer = tour.trainer(corpus, seconds=seconds or tour.SECONDS, out=out)
    show(trainer.run(), screen, log_every=trainer.config.log_every)
    screen.say("scoring the held-out bytes, with the model and with gzip, xz and PPMd")
    result = tour.score(trainer)
    written = tour.text(trainer)
    if screen.json:
        screen.emit_json(_as_json(result, written, trainer.folder, corpus.path))
        return
    _show_scores(screen, result)
    screen.print("")
    screen.print(f"The model goes on from {tour.PROMPT.decode()!r}:")
    screen.print("")
    screen.print((tour.PROMPT + written).decode("utf-8", "replace"))
    screen.print("")
    screen.print(f"corpus      {corpus.path}")
    screen.print(f"run         {trainer.folder}")
    screen.print("")
    screen.print("Three things to try next:")
    screen.print(f'  bbyte generate --prompt "{tour.PROMPT.decode().strip()}" --temperature 0.7')
    screen.print("  bbyte eval-bpb --data README.md --anchors")
    screen.print("  bbyte train ar --data any/folder/or/file")


def _show_scores(screen: Screen, result: "Result") -> None:
    rows = [(f"{result.score.bits_per_byte:.3f}", "this ternary model, 8-bit activations")]
    for anchor in result.anchors:
        note = ", primed with the training text" if anchor.primed else ""
        rows.append((f"{anchor.bits_per_byte:.3f}", f"{anchor.name}{note}"))
    title = (
        f"bits per byte on {result.score.bytes:,} held-out bytes "
        f"(context {result.score.context}, stride {result.score.stride})"
    )
    screen.table(title, ("bits per byte", "what"), sorted(rows))
    best = result.best_alone()
    difference = best.bits_per_byte - result.score.bits_per_byte
    comparison = f"{abs(difference):.3f} bits per byte {'below' if difference > 0 else 'above'} {best.name}"
    screen.print(f"The model is {comparison}, the best classical one that has not seen the text before.")


def _as_json(result: "Result", written: bytes, run: Path, corpus: Path) -> dict[str, object]:
    return {
        "event": "quickstart",
        "bits_per_byte": result.score.bits_per_byte,
        "bytes": result.score.bytes,
        "context": result.score.context,
        "stride": result.score.stride,
        "anchors": [
            {"name": a.name, "primed": a.primed, "bits_per_byte": a.bits_per_byte} for a in result.anchors
        ],
        "text": written.decode("utf-8", "replace"),
        "run": str(run),
        "corpus": str(corpus),
    }
