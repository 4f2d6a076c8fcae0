"""`bbyte export hf`: a checkpoint as a folder that transformers loads with no code but its own."""

from pathlib import Path
from typing import Annotated, Literal

import typer

from bbyte.terminal.screen import Screen

EXAMPLES = (
    "bbyte export hf artifacts/checkpoints/tales",
    "bbyte export hf tales/step-0002000 --weights online --out tales-hf",
)


def export_hf(
    screen: Screen,
    checkpoint: Annotated[
        Path | None,
        typer.Argument(
            metavar="CKPT", help="Checkpoint, or folder of a run (default: the newest, else the starter)."
        ),
    ] = None,
    out: Annotated[
        Path | None, typer.Option(help="Folder to write (default: artifacts/exports/RUN-hf).")
    ] = None,
    weights: Annotated[
        Literal["packed", "online"] | None,
        typer.Option(
            help="Of a ternary model: packed, 2 bits a weight (default), or online, in full and trainable."
        ),
    ] = None,
    dequantize: Annotated[
        bool,
        typer.Option(
            "--dequantize", help="Write ternary values as ordinary numbers, without 8-bit activations."
        ),
    ] = False,
    force: Annotated[bool, typer.Option("--force", help="Replace what is there.")] = False,
) -> None:
    """Write a checkpoint as a folder for transformers: model, tokenizer of bytes, and model card.

    Ternary models with sub-norms become BitNet, full precision Llama or Qwen3, Mamba stays Mamba.
    """
    from bbyte.checkpoint.export.hf import export_hf
    from bbyte.checkpoint.export.place import default_target
    from bbyte.figures import scaled
    from bbyte.terminal.loading import chosen

    found = chosen(screen, checkpoint)
    target = out or default_target(found, "hf")
    written = export_hf(found, target, weights=weights, dequantize=dequantize, force=force)
    if screen.json:
        screen.emit_json(
            {
                "path": str(written.path),
                "class": written.architecture,
                "weights": written.weights,
                "difference": written.difference,
                "bytes": sum(written.files.values()),
                "files": dict(written.files),
            }
        )
        return
    screen.print(str(written.path))
    screen.say(f"{written.architecture}, weights {written.weights}, {scaled(sum(written.files.values()))}B")
    if written.difference is not None:
        screen.warn(
            f"without 8-bit activations its logits differ by up to {written.difference:.3g}, "
            "on a fixed random text"
        )
