"""`bbyte infill`: a model fills the holes of a text, which it reads on both sides."""

import json
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from bbyte.errors import UsageError
from bbyte.generation.infilling import Infilling
from bbyte.opening import hole_filling_view
from bbyte.terminal.loading import load
from bbyte.terminal.screen import Screen

if TYPE_CHECKING:
    from bbyte.checkpoint.store import Loaded
    from bbyte.generation.holes import Text
    from bbyte.generation.infill import Infill, InfillMetrics

EXAMPLES = (
    'bbyte infill --prompt "Once upon a [MASK*12] there was"',
    "bbyte infill --file letter.txt --mask-range 120:160 --show > mended.txt",
    "bbyte infill --file letter.txt --random-rate 0.1 --order left --utf8 valid --metrics",
)
CONFIGS = {"infilling": Infilling}
_RATE = 0.15


def infill(
    screen: Screen,
    ckpt: Annotated[
        Path | None, typer.Option(help="Checkpoint, or folder of a run (default: the newest).")
    ] = None,
    prompt: Annotated[
        str | None,
        typer.Option(help=r"Text; [MASK] hides a byte, [MASK*12] twelve, \[MASK] is text; - reads stdin."),
    ] = None,
    file: Annotated[Path | None, typer.Option(help="File to fill holes in, instead of a prompt.")] = None,
    mask_range: Annotated[
        list[str] | None,
        typer.Option(metavar="A:B", help="Hide bytes A up to B, as Python counts; may be repeated."),
    ] = None,
    random_rate: Annotated[
        float | None,
        typer.Option(help=f"Hide this part of the bytes (default: {_RATE} where no hole is given)."),
    ] = None,
    max_length: Annotated[
        int | None, typer.Option(min=1, help="Refuse a text of more bytes than this, holes included.")
    ] = None,
    keep_length: Annotated[
        bool, typer.Option("--keep-length", help="Fill a hole with as many bytes as it hides; always so.")
    ] = True,
    num_samples: Annotated[int, typer.Option(min=1, help="Fill the text in so many ways.")] = 1,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda, cuda:N or mps.")] = "auto",
    show: Annotated[
        bool, typer.Option("--show", help="Watch the holes being filled, in a terminal.")
    ] = False,
    metrics: Annotated[
        bool, typer.Option("--metrics", help="Say at the end how fast and how surprising the filling was.")
    ] = False,
    metrics_json: Annotated[Path | None, typer.Option(help="Write these figures to a JSON file.")] = None,
    *,
    infilling: dict[str, Any],
) -> None:
    """Fill the holes of a text from both sides: visible bytes never change, a hole keeps its length."""
    from bbyte.generation.infill import Infill

    settings = Infilling(**infilling)
    text = _holed(screen, _given(prompt, file), mask_range or [], random_rate, settings.seed)
    if max_length is not None and len(text) > max_length:
        raise UsageError(
            f"the text has {len(text)} bytes, its holes included, more than --max-length {max_length}",
            "shorten it, or raise --max-length",
        )
    loaded = load(screen, ckpt, device)
    run = Infill(hole_filling_view(loaded), text, settings, num_samples)
    _fill(screen, run, show)
    samples = [lane.astype("uint8").tobytes() for lane in run.tokens]
    figures = run.metrics()
    if not screen.json:
        _write(screen, samples)
    if metrics_json is not None:
        metrics_json.write_text(json.dumps(figures.to_dict(), indent=1) + "\n", encoding="utf-8")
    if metrics:
        _say(screen, figures)
    if screen.json:
        screen.emit_json(_as_json(loaded, text, samples, run))


def _given(prompt: str | None, file: Path | None) -> "tuple[bytes, Text | None]":
    """The bytes as they are given, and of a prompt the text it stands for; a file is taken as it is."""
    from bbyte.generation.holes import parse

    if prompt is not None and file is not None:
        raise UsageError("a text is given twice", "leave --prompt or --file out")
    if file is not None:
        return file.read_bytes(), None
    if prompt is None:
        raise UsageError(
            "there is no text to fill", 'try --prompt "Once upon a [MASK*12] there was", or --file FILE'
        )
    typed = sys.stdin.buffer.read() if prompt == "-" else os.fsencode(prompt)  # valid UTF-8 or not
    return typed, parse(typed)


def _holed(
    screen: Screen,
    given: "tuple[bytes, Text | None]",
    mask_range: list[str],
    rate: float | None,
    seed: int,
) -> "Text":
    from bbyte.generation.holes import HIDDEN, cuts, hide, hide_at_random, read_ranges, visible

    data, text = given
    text = visible(data) if text is None else text
    if len(text) == 0:
        raise UsageError("there is no text to fill: it is empty")
    in_prompt = bool((text == HIDDEN).any())
    if in_prompt + bool(mask_range) + (rate is not None) > 1:
        raise UsageError(
            "the holes are given twice", "use one of [MASK] in the prompt, --mask-range and --random-rate"
        )
    if in_prompt:
        return text
    data = text.astype("uint8").tobytes()
    if mask_range:
        ranges = read_ranges(mask_range, len(data))
        for sentence in cuts(data, ranges):
            screen.warn(f"{sentence}; holes are counted in bytes")
        return hide(data, ranges)
    hidden = hide_at_random(text, _RATE if rate is None else rate, seed)
    what = "" if rate is not None else f"the text has no hole, so --random-rate {_RATE} is taken: "
    screen.say(f"{what}{int((hidden == HIDDEN).sum())} of {len(text)} bytes are hidden, at random")
    return hidden


def _fill(screen: Screen, run: "Infill", show: bool) -> None:
    if show and screen.animated:
        from bbyte.terminal.unmasking import watch

        watch(run, screen)
        return
    if show:
        screen.say("--show draws where a person watches, on a terminal; here it is left out")
    if run.step_count <= 256:
        for _ in run.steps():
            pass
        return
    with screen.progress("filling", run.total) as bar:
        for revealed in run.steps():
            bar.update(revealed.done)


def _write(screen: Screen, samples: list[bytes]) -> None:
    for sample in samples:
        screen.write_bytes(sample)
        if len(samples) > 1 or sys.stdout.isatty():
            screen.write_bytes(b"\n")  # one sample in a pipe is the text itself, nothing else


def _as_json(loaded: "Loaded", text: "Text", samples: list[bytes], run: "Infill") -> dict[str, Any]:
    from bbyte.generation.holes import ranges_of

    holes = ranges_of(text)
    return {
        "checkpoint": str(loaded.found.path),
        "holes": holes,
        "samples": [
            {
                "text": sample.decode("utf-8", "replace"),
                "bytes": list(sample),
                "holes": [sample[begin:end].decode("utf-8", "replace") for begin, end in holes],
                "bits": float(bits.sum()),
            }
            for sample, bits in zip(samples, run.bits, strict=True)
        ],
        "metrics": run.metrics().to_dict(),
    }


def _say(screen: Screen, figures: "InfillMetrics") -> None:
    screen.say(
        f"{figures.bytes} bytes filled in {figures.seconds:.2f} s, {figures.bytes_per_second:,.0f} bytes/s, "
        f"{figures.passes} passes of the model"
    )
    screen.say(
        f"bits per hole byte, when it was revealed, at temperature 1: {figures.bits_per_hole_byte:.3f}"
    )
