"""`bbyte import`: a byte model of transformers as a checkpoint."""

from pathlib import Path
from typing import Annotated

import typer

from bbyte.terminal.screen import Screen

EXAMPLES = (
    "bbyte import artifacts/exports/tales-hf",
    "bbyte import downloads/byte-llama --out artifacts/checkpoints/byte-llama",
)


def import_(
    screen: Screen,
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="Folder with config.json and safetensors.")],
    out: Annotated[
        Path | None,
        typer.Option(metavar="RUN", help="New folder of a run (default: artifacts/checkpoints/DIR)."),
    ] = None,
    context: Annotated[
        int | None,
        typer.Option(min=1, help="Longest window trained on, in bytes (default: as config.json says)."),
    ] = None,
) -> None:
    """Make a checkpoint of a byte model that transformers loads: Llama, Qwen3, BitNet, Mamba or Mamba-2.

    Its 256 symbols must be the bytes in order. What bbyte's models do not compute is refused by its name.
    """
    from bbyte.checkpoint import meta
    from bbyte.checkpoint.find import ROOT
    from bbyte.checkpoint.importing.folder import import_folder

    written = import_folder(folder, out or ROOT / folder.resolve().name, context=context)
    described = meta.read(written)
    if screen.json:
        screen.emit_json(
            {
                "path": str(written),
                "family": described.family,
                "variant": described.variant,
                "context": described.context,
                "config": described.config,
            }
        )
        return
    screen.print(str(written))
    screen.say(f"{described.family} {described.variant}, context {described.context:,} bytes")
