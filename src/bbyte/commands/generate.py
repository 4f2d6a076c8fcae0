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
    from bbyte.generation.metrics import GenerationMetrics, Meter
    from bbyte.generation.stopping import Stopping

EXAMPLES = (
    'bbyte generate --prompt "Once upon a time"',
    "bbyte generate --prompt-file start.txt --max-new-tokens 1000 --temperature 0.7 > story.txt",
    'bbyte generate --prompt "Once upon a time" --num-samples 3 --stop "The end"',
    "head -c 200 book.txt | bbyte generate --prompt - --top-p 0.95 --seed 7 --metrics",
)
CONFIGS = {"sampling": Sampling}
BLOCK = 16


def generate(
    screen: Screen,
    ckpt: Annotated[
        Path | None,
        typer.Option(help="Checkpoint, or folder of a run (default: the newest, else the starter model)."),
    ] = None,
    prompt: Annotated[str | None, typer.Option(help="Text to go on from; - reads it from stdin.")] = None,
    prompt_file: Annotated[Path | None, typer.Option(help="File with the bytes to go on from.")] = None,
    max_new_tokens: Annotated[int, typer.Option(min=0, help="How many bytes to write.")] = 300,
    stop: Annotated[
        list[str] | None,
        typer.Option(metavar="TEXT", help="End the text before this one, where it comes; may be repeated."),
    ] = None,
    num_samples: Annotated[
        int, typer.Option(min=1, help="Write so many texts at once, each with random bits of its own.")
    ] = 1,
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
    from bbyte.generation.stopping import Stopping
    from bbyte.generation.stream import generate as stream

    settings = Sampling(**sampling)
    text = _read_prompt(prompt, prompt_file)
    stops = [os.fsencode(word) for word in stop or ()]
    Stopping(stops)  # refuses what is none, before anything is loaded
    found = chosen(screen, ckpt)
    meter = None
    if block_bytes is not None or block_steps is not None:
        if metrics or metrics_json is not None or screen.json:
            raise UsageError(
                "figures are taken byte by byte", "leave --block-bytes and --block-steps out for them"
            )
        if num_samples > 1:
            raise UsageError("bytes that are written together are one text", "leave --num-samples out")
        loaded = load_found(screen, found, device, threads)
        drawn = _in_blocks(loaded, text, max_new_tokens, settings, block_bytes or BLOCK, block_steps)
    else:
        by = predictor(screen, found, device, engine, threads, num_samples)
        meter = Meter(by) if metrics or metrics_json is not None or screen.json else None
        drawn = stream(meter or by, text, max_new_tokens, settings)
    texts = [Stopping(stops) for _ in range(num_samples)]
    arriving = _first(texts, drawn)
    if screen.json:
        for _ in arriving:
            pass
    else:
        _show(screen, text if echo else b"", texts, arriving)
    if meter is None:
        return
    figures = meter.metrics([len(one.text) for one in texts])
    if metrics_json is not None:
        metrics_json.write_text(json.dumps(figures.to_dict(), indent=1) + "\n", encoding="utf-8")
    if metrics:
        _say(screen, figures)
    if screen.json:
        screen.emit_json(
            {
                "checkpoint": str(found.path),
                "prompt": text.decode("utf-8", "replace"),
                "samples": [_sample(bytes(one.text), lane, meter) for lane, one in enumerate(texts)],
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
            f"{loaded.found.path} is of family {loaded.family.name}, which writes byte by byte",
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


def _first(texts: "list[Stopping]", drawn: "Iterator[NDArray[np.uint8]]") -> "Iterator[bytes]":
    """Take what is drawn for all texts until each has ended; gives out what is new of the first."""
    for step in drawn:
        rows = step.reshape(len(texts), -1)
        new = [one.push(row.tobytes()) for one, row in zip(texts, rows, strict=True)]
        yield new[0]
        if all(one.ended for one in texts):
            return
    rest = [one.close() for one in texts]
    yield rest[0]


def _show(screen: Screen, prompt: bytes, texts: "list[Stopping]", arriving: "Iterator[bytes]") -> None:
    """The first text as it arrives, in whole characters, then the others."""
    from bbyte.generation.characters import WholeCharacters

    several = len(texts) > 1
    if several:
        screen.write_bytes(_header(1, len(texts)))
    characters = WholeCharacters()
    screen.write_bytes(characters.push(prompt))
    for new in arriving:
        whole = characters.push(new)
        if whole:
            screen.write_bytes(whole)
    screen.write_bytes(characters.flush())
    for number, other in enumerate(texts[1:], 2):
        screen.write_bytes(b"\n" + _header(number, len(texts)) + prompt + other.text)
    if several or sys.stdout.isatty():
        screen.write_bytes(b"\n")  # one text in a pipe is the text itself, nothing else


def _header(number: int, count: int) -> bytes:
    return f"== sample {number} of {count} ==\n".encode()


def _sample(text: bytes, lane: int, meter: "Meter") -> dict[str, Any]:
    figures = meter.lane(lane, len(text))
    return {
        "text": text.decode("utf-8", "replace"),
        "bytes": list(text),
        "surprisal": figures.surprisal,
        "entropy": figures.entropy,
    }


def _say(screen: Screen, figures: "GenerationMetrics") -> None:
    of = f" of {figures.lanes} samples" if figures.lanes > 1 else ""
    screen.say(
        f"{figures.bytes} bytes{of} in {figures.seconds:.2f} s, {figures.bytes_per_second:,.0f} bytes/s, "
        f"the first after {figures.first_byte_seconds:.3f} s"
    )
    screen.say(
        f"bits per byte of the text at temperature 1: surprisal {figures.surprisal:.3f}, "
        f"entropy {figures.entropy:.3f}"
    )
