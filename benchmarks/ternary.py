"""What ternary weights cost, by recipe: bits per byte on held-out text, at two sizes, over several seeds.

    python benchmarks/ternary.py --data dickens --log ternary.jsonl

The last 262,144 bytes are held out and scored; the rest is trained on. Every recipe takes the same steps and
reads the same bytes in the same order. What is in the log is not run again, so it can be stopped at any time.
"""

import argparse
import json
import statistics
import tempfile
import time
from pathlib import Path
from typing import Any

from bbyte.checkpoint import find, meta
from bbyte.checkpoint.export.packed import export_packed
from bbyte.device import Runtime, place
from bbyte.evaluation import InMemory
from bbyte.scoring import score_checkpoint
from bbyte.training.request import Request
from bbyte.training.start import start

HELD_OUT = 262_144
SIZES = {"tiny": {"steps": 240, "batch_size": 32}, "small": {"steps": 120, "batch_size": 32}}
RECIPES: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "full precision": ({"ternary": False}, {}),
    "ternary from the start": ({}, {"full_precision_start": 0.0}),
    "ternary after 20 %": ({}, {"full_precision_start": 0.2}),
}


def run(size: str, recipe: str, seed: int, text: bytes, threads: int) -> dict[str, Any]:
    """Train on all but the end of `text`, score the end, pack."""
    model, training = RECIPES[recipe]
    fixed = {"seq_len": 256, "seed": seed, "val_fraction": 0.0, "eval_every": 0, "save_every": 0}
    with tempfile.TemporaryDirectory() as scratch:
        data, out = Path(scratch, "text.bin"), Path(scratch, "run")
        data.write_bytes(text[:-HELD_OUT])
        asked = Request(
            family="ar", data=data, preset=size, model=model, training=fixed | SIZES[size] | training,
            runtime={"device": "cpu", "threads": threads}, out=out,
        )  # fmt: skip
        began = time.monotonic()
        trainer = start(asked)
        for _ in trainer.run():
            pass
        seconds = time.monotonic() - began
        found = find.find(out)
        score = score_checkpoint(
            found, InMemory(text[-HELD_OUT:]), place(Runtime(device="cpu", threads=threads))
        )
        packed = export_packed(found, Path(scratch, "packed"), rest="fp16")
        return {
            "size": size, "recipe": recipe, "seed": seed, "bpb": score.bits_per_byte, "seconds": seconds,
            "parameters": sum(parameter.numel() for parameter in trainer.model.parameters()),
            "packed": (packed / meta.MODEL).stat().st_size,
        }  # fmt: skip


def main() -> None:
    """Run what is not in the log, and print the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--log", type=Path, required=True)
    parser.add_argument("--sizes", nargs="+", choices=list(SIZES), default=list(SIZES))
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--threads", type=int, default=1)
    args = parser.parse_args()
    text = args.data.read_bytes()
    done = [json.loads(line) for line in args.log.read_text().splitlines()] if args.log.exists() else []
    for seed in range(args.seeds):
        for size in args.sizes:
            for recipe in RECIPES:
                if any((row["size"], row["recipe"], row["seed"]) == (size, recipe, seed) for row in done):
                    continue
                done.append(run(size, recipe, seed, text, args.threads))
                with args.log.open("a") as log:
                    log.write(json.dumps(done[-1]) + "\n")
                print(json.dumps(done[-1]), flush=True)
    print("| preset | recipe | bits per byte | | packed | time |\n|---|---|---|---|---|---|")
    for size in args.sizes:
        for recipe in RECIPES:
            rows = [row for row in done if (row["size"], row["recipe"]) == (size, recipe)]
            figures, seconds = [row["bpb"] for row in rows], [row["seconds"] for row in rows]
            cells = (
                size, recipe, f"{statistics.mean(figures):.4f}", f"{min(figures):.4f}-{max(figures):.4f}",
                f"{rows[0]['packed'] / 1e3:,.0f} kB", f"{statistics.median(seconds):.0f} s",
            )  # fmt: skip
            print("| " + " | ".join(cells) + " |")


if __name__ == "__main__":
    main()
