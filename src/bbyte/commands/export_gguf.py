"""`bbyte export gguf`: a checkpoint as a file for llama.cpp, Ollama, LM Studio and their like."""

from pathlib import Path
from typing import Annotated, Literal

import typer

from bbyte.terminal.screen import Screen

EXAMPLES = (
    "bbyte export gguf artifacts/checkpoints/tales",
    "bbyte export gguf tales/step-0002000 --type tq2_0 --out tales.gguf",
)


def export_gguf(
    screen: Screen,
    checkpoint: Annotated[
        Path | None,
        typer.Argument(
            metavar="CKPT", help="Checkpoint, or folder of a run (default: the newest, else the starter)."
        ),
    ] = None,
    type_: Annotated[
        Literal["f16", "q8_0", "tq1_0", "tq2_0"],
        typer.Option("--type", help="What matrices are kept as; tq1_0 and tq2_0 are for ternary ones."),
    ] = "f16",
    out: Annotated[
        Path | None, typer.Option(help="File to write (default: artifacts/exports/RUN-TYPE.gguf).")
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Replace what is there.")] = False,
) -> None:
    """Write a checkpoint as one GGUF file, for llama.cpp and the programs built on it.

    Its vocabulary is the 256 bytes. Full precision becomes Llama or Qwen3, ternary BitNet, Mamba stays Mamba.
    """
    from bbyte.checkpoint.export.gguf import export_gguf
    from bbyte.checkpoint.export.place import default_target
    from bbyte.figures import scaled
    from bbyte.terminal.loading import chosen

    found = chosen(screen, checkpoint)
    target = out or default_target(found, f"{type_}.gguf")
    written = export_gguf(found, target, type=type_, force=force)
    if screen.json:
        screen.emit_json(
            {
                "path": str(written.path),
                "bytes": written.bytes,
                "type": type_,
                "architecture": written.architecture,
            }
        )
        return
    screen.print(str(written.path))
    screen.say(f"{scaled(written.bytes)}B, architecture {written.architecture}")
    if found.meta.config.get("ternary") and found.meta.config.get("act_quant"):
        screen.say("llama.cpp does not round activations as training did: figures differ a little there")
