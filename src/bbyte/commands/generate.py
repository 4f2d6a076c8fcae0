"""`bbyte generate`: a model writes on from a prompt."""

import json
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from bbyte.errors import UsageError
from bbyte.generation.sampling import Sampling
from bbyte.terminal.loading import Engine, chosen, load_found, predictor
from bbyte.terminal.screen import Screen

if TYPE_CHECKING:
    from collections.abc import Iterator

    import numpy as np
    from numpy.typing import NDArray

    from bbyte.checkpoint.store import Loaded
    from bbyte.generation.metrics import GenerationMetrics

EXAMPLES = (
    'bbyte generate --prompt "Once upon a time"',
    "bbyte generate --prompt-file start.txt --max-new-tokens 1000 --temperature 0.7 > story.txt",
    "head -c 200 book.txt | bbyte generate --prompt - --top-p 0.95 --seed 7 --metrics",
)
CONFIGS = {"sampling": Sampling}
BLOCK = 16


def generate(
    screen: Screen,
    ckpt: Annotated[
        Path | None, typer.Option(help="Checkpoint, or folder of a run (default: the newest, else the starter model).")
    ] = None,
    prompt: Annotated[str | None, typer.Option(help="Text to go on from; - reads it from stdin.")] = None,
    prompt_file: Annotated[Path | None, typer.Option(help="File with the bytes to go on from.")] = None,
    max_new_tokens: Annotated[int, typer.Option(min=0, help="How many bytes to write.")] = 300,
    echo: Annotated[bool, typer.Option(help="Show the prompt before its continuation.")] = True,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda, cuda:N or mps.")] = "auto",
    engine: Annotated[
        Engine, typer.Option(help="What computes: auto takes native for packed checkpoints on a CPU.")
    ] = "auto",
    threads: Annotated[int, typer.Option(min=0, help="CPU threads; 0 takes what pays.")] = 0,
    metrics: Annotated[
        bool, typer.Option("--metrics", help="Say at the end how fast and how surprising the text was.")
    ] = False,
    metrics_json: Annotated[Path | None, typer.Option(help="Write these figures to a JSON file.")] = None,
    block_bytes: Annotated[
        int | None,
        typer.Option(min=1, help="Write so many bytes together, the surest first (diffusion; default: 1)."),
    ] = None,
    block_steps: Annotated[
        int | None, typer.Option(min=1, help="Steps a block takes (default: one a byte); fewer are faster.")
    ] = None,
    *,
    sampling: dict[str, Any],
) -> None:
    """Write on from a prompt, byte by byte; the same seed gives the same text."""
    from bbyte.generation.metrics import Meter
    from bbyte.generation.stream import generate as stream

    settings = Sampling(**sampling)
    text = _read_prompt(prompt, prompt_file)
    found = chosen(screen, ckpt)
    meter = None
    if block_bytes is not None or block_steps is not None:
        if metrics or metrics_json is not None or screen.json:
            raise UsageError(
                "figures are taken byte by byte", "leave --block-bytes and --block-steps out for them"
            )
        loaded = load_found(screen, found, device, threads)
        arriving = _in_blocks(loaded, text, max_new_tokens, settings, block_bytes or BLOCK, block_steps)
    else:
        by = predictor(screen, found, device, engine, threads)
        meter = Meter(by) if metrics or metrics_json is not None or screen.json else None
        arriving = stream(meter or by, text, max_new_tokens, settings)
    if screen.json:
        written = b"".join(some.tobytes() for some in arriving)
    else:
        written = _show(screen, text if echo else b"", arriving)
    figures = meter.metrics() if meter is not None else None
    if figures is not None and metrics_json is not None:
        metrics_json.write_text(json.dumps(figures.to_dict(), indent=1) + "\n", encoding="utf-8")
    if figures is not None and metrics:
        _say(screen, figures)
    if figures is not None and screen.json:
        screen.emit_json(
            {
                "checkpoint": str(found.path),
                "prompt": text.decode("utf-8", "replace"),
                "text": written.decode("utf-8", "replace"),
                "bytes": list(written),
                "metrics": figures.to_dict(),
            }
        )


def _read_prompt(prompt: str | None, file: Path | None) -> bytes:
    if prompt is not None and file is not None:
        raise UsageError("a prompt is given twice", "leave --prompt or --prompt-file out")
    if file is not None:
        return file.read_bytes()
    if prompt == "-":
        return sys.stdin.buffer.read()
    return os.fsencode(prompt or "")  # the bytes as they were typed, valid UTF-8 or not


def _in_blocks(
    loaded: "Loaded", prompt: bytes, n: int, sampling: Sampling, block: int, steps: int | None
) -> "Iterator[NDArray[np.uint8]]":
    from bbyte.generation.blocks import generate_blocks
    from bbyte.generation.infilling import Infilling

    if loaded.family.infiller is None:
        raise UsageError(
            f"{loaded.found.path} is a {loaded.family.name} model, which writes byte by byte",
            "leave --block-bytes and --block-steps out",
        )
    others = {
        "--min-p": sampling.min_p > 0,
        "--utf8": sampling.utf8 != "any",
        "--repetition-penalty": sampling.repetition_penalty != 1,
    }
    for flag, given in others.items():
        if given:
            raise UsageError(f"{flag} is not for bytes that are written together", "leave --block-bytes out")
    same = {name: getattr(sampling, name) for name in ("temperature", "top_k", "top_p", "seed")}
    infiller = loaded.family.infiller(loaded.model, loaded.meta.context)
    return generate_blocks(infiller, prompt, n, Infilling(steps=steps, **same), block)


def _show(screen: Screen, prompt: bytes, steps: Any) -> bytes:
    """Everything as it arrives, in whole characters; returns what was generated."""
    from bbyte.generation.characters import WholeCharacters

    characters = WholeCharacters()
    written = bytearray()
    screen.write_bytes(characters.push(prompt))
    for step in steps:
        data = step.tobytes()
        written += data
        whole = characters.push(data)
        if whole:
            screen.write_bytes(whole)
    screen.write_bytes(characters.flush())
    if sys.stdout.isatty():
        screen.print("")  # in a pipe only the text itself
    return bytes(written)


def _say(screen: Screen, figures: "GenerationMetrics") -> None:
    screen.say(
        f"{figures.bytes} bytes in {figures.seconds:.2f} s, {figures.bytes_per_second:,.0f} bytes/s, "
        f"the first after {figures.first_byte_seconds:.3f} s"
    )
    screen.say(
        f"bits per byte of the text at temperature 1: surprisal {figures.surprisal:.3f}, "
        f"entropy {figures.entropy:.3f}"
    )
