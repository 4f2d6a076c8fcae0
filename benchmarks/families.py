"""Bits per byte of the families at equal parameters, steps, bytes and windows, over several seeds.

    python benchmarks/families.py --data dickens
    python benchmarks/families.py --python-source

The last 262,144 bytes are held out and scored; the rest is trained on. Every contender is a `tiny` preset,
takes the same steps and reads the same bytes in the same order. `--only` picks contenders.
"""

import argparse
import statistics
import sysconfig
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bbyte.checkpoint import find
from bbyte.device import Runtime, place
from bbyte.evaluation import InMemory
from bbyte.models.families import families
from bbyte.scoring import score_checkpoint
from bbyte.training.request import Request
from bbyte.training.start import start

HELD_OUT = 262_144
CONTENDERS: dict[str, tuple[str, dict[str, Any]]] = {
    "ar": ("ar", {}),
    "ar --no-ternary": ("ar", {"ternary": False}),
    "mamba": ("mamba", {}),
    "mamba --ssm mamba1": ("mamba", {"ssm": "mamba1"}),
    "mamba --ternary": ("mamba", {"ternary": True}),
    "diffusion": ("diffusion", {}),
}


@dataclass(frozen=True)
class Outcome:
    """One run: bits per byte in windows and with a full context, where that can be; parameters; seconds."""

    windows: float
    is_bound: bool
    full: float | None
    parameters: int
    seconds: float


def run(family: str, model: dict[str, Any], text: bytes, seed: int, args: argparse.Namespace) -> Outcome:
    """Train on all but the end of `text`, score the end."""
    runtime = Runtime(device="cpu", threads=args.threads)
    training = {
        "steps": args.steps, "batch_size": args.batch_size, "seq_len": args.seq_len, "seed": seed,
        "val_fraction": 0.0, "eval_every": 0, "save_every": 0,
    }  # fmt: skip
    with tempfile.TemporaryDirectory() as scratch:
        data, out = Path(scratch, "text.bin"), Path(scratch, "run")
        data.write_bytes(text[:-HELD_OUT])
        asked = Request(
            family=family, data=data, preset="tiny", model=model, training=training,
            runtime={"device": "cpu", "threads": args.threads}, out=out,
        )  # fmt: skip
        began = time.monotonic()
        trainer = start(asked)
        for _ in trainer.run():
            pass
        seconds = time.monotonic() - began
        placement, source, found = place(runtime), InMemory(text[-HELD_OUT:]), find.find(out)
        full = None
        if families()[family].carries_state:
            full = score_checkpoint(found, source, placement, context="full").bits_per_byte
        windows = score_checkpoint(found, source, placement)
    parameters = sum(parameter.numel() for parameter in trainer.model.parameters())
    return Outcome(windows.bits_per_byte, windows.is_bound, full, parameters, seconds)


def python_source() -> bytes:
    """The standard library's modules that lie on this machine, in the order of their names."""
    folder = Path(sysconfig.get_path("stdlib"))
    files = (
        file for file in folder.rglob("*.py")
        if not {"site-packages", "dist-packages", "test", "tests"} & set(file.relative_to(folder).parts)
    )  # fmt: skip
    return b"\0".join(file.read_bytes() for file in sorted(files))


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path)
    parser.add_argument("--python-source", action="store_true")
    parser.add_argument("--only", nargs="+", choices=list(CONTENDERS), default=list(CONTENDERS))
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--steps", type=int, default=200)
    parser.add_argument("--seq-len", type=int, default=256)
    parser.add_argument("--batch-size", type=int, default=32)
    parser.add_argument("--threads", type=int, default=1)
    args = parser.parse_args()
    if args.python_source == (args.data is not None):
        parser.error("give either --data or --python-source")
    text = python_source() if args.python_source else args.data.read_bytes()
    print(f"{len(text):,} bytes, {args.steps} steps of {args.batch_size} x {args.seq_len}", flush=True)
    for name in args.only:
        outcomes = []
        for seed in range(args.seeds):
            outcomes.append(run(*CONTENDERS[name], text, seed, args))
            last = outcomes[-1]
            print(f"  {name}, seed {seed}: {last.windows:.4f} bpb in {last.seconds:.0f} s", flush=True)
        show(name, outcomes)


def show(name: str, outcomes: list[Outcome]) -> None:
    bound = "<= " if outcomes[0].is_bound else ""

    def spread(figures: list[float]) -> str:
        return f"{bound}{statistics.mean(figures):.4f} ({min(figures):.4f}-{max(figures):.4f})"

    full = [outcome.full for outcome in outcomes if outcome.full is not None]
    cells = (
        f"`{name}`",
        f"{outcomes[0].parameters:,}",
        spread([outcome.windows for outcome in outcomes]),
        spread(full) if full else "",
        f"{statistics.median(outcome.seconds for outcome in outcomes):.0f} s",
    )
    print("| " + " | ".join(cells) + " |", flush=True)


if __name__ == "__main__":
    main()
