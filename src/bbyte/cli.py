"""The table of contents: one line a command, then what happens when one of them fails.

Exit codes: 0 done, 1 failed, 2 asked for wrongly, 3 damaged or mismatched data, 4 does not fit in memory,
75 interrupted with a checkpoint saved, 130 and 143 ended by a signal, 141 nobody reads the output any more.
With --json an error is also one JSON document on stdout: {"error", "hint", "exit_code"}.
"""

import sys
from collections.abc import Sequence
from typing import Annotated

import typer

from bbyte.commands import (
    ckpt,
    compress,
    corpus,
    decompress,
    doctor,
    eval_bpb,
    export,
    generate,
    import_,
    infill,
    lm_eval,
    pack,
    plan,
    play,
    plot,
    quickstart,
    runs,
    serve,
    shard_tinystories,
    tag_ckpt,
    train,
    verify,
)
from bbyte.terminal.boundary import run
from bbyte.terminal.flags import add_group, new_group, register

EXAMPLES = (
    "bbyte quickstart",
    "bbyte pack --inputs texts/ --out-dir artifacts/datasets/texts",
    "bbyte train ar --preset tiny --steps 300",
    'bbyte generate --prompt "Once upon a time"',
)

app = new_group(
    "Language models that read and write raw bytes: pack, train, score, generate. No tokenizer.", EXAMPLES
)

register(app, "quickstart", quickstart.quickstart, panel="Start here", examples=quickstart.EXAMPLES)
register(app, "doctor", doctor.doctor, panel="Start here", examples=doctor.EXAMPLES)
register(app, "pack", pack.pack, panel="Data", examples=pack.EXAMPLES)
register(
    app,
    "shard-tinystories",
    shard_tinystories.shard_tinystories,
    panel="Data",
    examples=shard_tinystories.EXAMPLES,
)
add_group(app, "corpus", corpus.group(), panel="Data")
add_group(app, "plan", plan.group(), panel="Training")
add_group(app, "train", train.group(), panel="Training")
add_group(app, "runs", runs.group(), panel="Training")
add_group(app, "ckpt", ckpt.group(), panel="Checkpoints")
register(app, "tag-ckpt", tag_ckpt.tag_ckpt, panel="Checkpoints", examples=tag_ckpt.EXAMPLES)
register(app, "verify", verify.verify, panel="Checkpoints", examples=verify.EXAMPLES)
add_group(app, "export", export.group(), panel="Checkpoints")
register(app, "import", import_.import_, panel="Checkpoints", examples=import_.EXAMPLES)
register(app, "eval-bpb", eval_bpb.eval_bpb, panel="Measure", examples=eval_bpb.EXAMPLES)
register(app, "lm-eval", lm_eval.lm_eval, panel="Measure", examples=lm_eval.EXAMPLES)
add_group(app, "plot", plot.group(), panel="Measure")
register(
    app, "generate", generate.generate, panel="Write", examples=generate.EXAMPLES, configs=generate.CONFIGS
)
register(app, "play", play.play, panel="Write", examples=play.EXAMPLES, configs=play.CONFIGS)
register(app, "serve", serve.serve, panel="Write", examples=serve.EXAMPLES, configs=serve.CONFIGS)
register(app, "infill", infill.infill, panel="Write", examples=infill.EXAMPLES, configs=infill.CONFIGS)
register(app, "compress", compress.compress, panel="Compress", examples=compress.EXAMPLES)
register(app, "decompress", decompress.decompress, panel="Compress", examples=decompress.EXAMPLES)


def main(args: Sequence[str] | None = None) -> int:
    """Run bbyte with the given words (those of the command line by default); returns the exit code."""
    return run(app, "bbyte", sys.argv[1:] if args is None else args)


def _print_version(wanted: bool) -> None:
    if wanted:
        from bbyte import __version__

        version = ".".join(map(str, sys.version_info[:3]))
        sys.stdout.write(f"bbyte {__version__} (Python {version})\n")
        raise typer.Exit


@app.callback()
def _root(
    version: Annotated[
        bool,
        typer.Option(
            "--version", help="Show the versions of bbyte and Python.", is_eager=True, callback=_print_version
        ),
    ] = False,
) -> None:
    """Only --version stands before a command."""
