"""`bbyte export`: a checkpoint as something smaller, or as what other programs read."""

from pathlib import Path
from typing import Annotated, Literal

import typer

from bbyte.commands import export_gguf, export_hf
from bbyte.terminal.flags import new_group, register
from bbyte.terminal.screen import Screen

EXAMPLES = (
    "bbyte export packed artifacts/checkpoints/tales",
    "bbyte export packed tales/step-0002000 --trits-a-byte 5 --rest fp16 --out tales-packed",
)


def group() -> typer.Typer:
    """The `export` word and the commands under it."""
    words = new_group("Export checkpoints: smaller, or for other programs.", EXAMPLES)
    register(words, "packed", packed, panel="Formats", examples=EXAMPLES)
    register(words, "hf", export_hf.export_hf, panel="Formats", examples=export_hf.EXAMPLES)
    register(words, "gguf", export_gguf.export_gguf, panel="Formats", examples=export_gguf.EXAMPLES)
    return words


def packed(
    screen: Screen,
    checkpoint: Annotated[
        Path | None,
        typer.Argument(
            metavar="CKPT", help="Checkpoint, or folder of a run (default: the newest, else the starter)."
        ),
    ] = None,
    out: Annotated[
        Path | None, typer.Option(help="Folder to write (default: artifacts/exports/RUN-packed).")
    ] = None,
    trits_a_byte: Annotated[
        Literal["4", "5"],
        typer.Option(
            help="Ternary weights a byte: 4 (2 bits each, the fastest) or 5 (1.6 bits, the smallest)."
        ),
    ] = "4",
    rest: Annotated[
        Literal["fp32", "fp16"],
        typer.Option(help="What embedding, head and norms are kept as; fp16 rounds them and is smaller."),
    ] = "fp32",
    force: Annotated[bool, typer.Option("--force", help="Replace what is there.")] = False,
) -> None:
    """Pack a checkpoint: trits, their scales and little else.

    What comes out is a checkpoint that every command takes, with the same logits; it cannot be trained on.
    """
    from bbyte.checkpoint.export.packed import export_packed
    from bbyte.checkpoint.export.place import default_target
    from bbyte.figures import scaled
    from bbyte.terminal.loading import chosen

    found = chosen(screen, checkpoint)
    target = out or default_target(found, "packed")
    written = export_packed(
        found, target, trits_a_byte=4 if trits_a_byte == "4" else 5, rest=rest, force=force
    )
    sizes = {path.name: path.stat().st_size for path in sorted(written.iterdir())}
    if screen.json:
        screen.emit_json({"path": str(written), "bytes": sum(sizes.values()), "files": sizes})
        return
    screen.print(str(written))
    each = ", ".join(f"{name} {scaled(size)}B" for name, size in sizes.items())
    screen.say(f"{scaled(sum(sizes.values()))}B: {each}")
