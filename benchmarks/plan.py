"""What `bbyte plan` says of memory beside the measured peak of the run, each in a fresh process.

    python benchmarks/plan.py                   on a CPU: the peak of the process (ru_maxrss)
    python benchmarks/plan.py --device cuda     the peak of the allocator (torch.cuda.max_memory_allocated)

Each run takes four steps, the first two in full precision, scores 64 KiB and saves: all that a long run does.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from bbyte.terminal.table import aligned

COMMON = {"steps": 4, "full_precision_start": 0.5, "eval_every": 0, "save_every": 0, "eval_bytes": 65536}
TERNARY_OFF = {"ternary": False}
BLOCK, MLP, NONE = ({"grad_checkpoint": what} for what in ("block", "mlp", "none"))
CONFIGURATIONS: dict[str, list[dict[str, Any]]] = {
    "cpu": [
        {"preset": "tiny", "batch_size": 16, "seq_len": 128, "optimizer": "muon"},
        {"preset": "tiny", "batch_size": 32, "seq_len": 256, "optimizer": "adamw"},
        {"preset": "tiny", "batch_size": 64, "seq_len": 512, "optimizer": "muon", "model": TERNARY_OFF},
        {"preset": "tiny", "batch_size": 64, "seq_len": 512, "optimizer": "adamw", **BLOCK},
        {"preset": "small", "batch_size": 8, "seq_len": 1024, "optimizer": "muon"},
        {"preset": "small", "batch_size": 8, "seq_len": 1024, "optimizer": "muon", **BLOCK},
        {"preset": "small", "batch_size": 8, "seq_len": 1024, "optimizer": "adamw", **MLP,
         "model": TERNARY_OFF},
        {"preset": "small", "batch_size": 32, "seq_len": 512, "optimizer": "adamw", "micro_batch": 4},
        {"preset": "small", "batch_size": 2, "seq_len_cap": 2048, "optimizer": "muon",
         "model": {"activation": "relu2", "n_kv_head": 8}},
        {"preset": "small", "batch_size": 4, "seq_len": 512, "optimizer": "adamw8bit",
         "model": {"d_model": 512, "n_layer": 8}},
        {"preset": "base", "batch_size": 2, "seq_len": 256, "optimizer": "adamw", "ema": 0.99,
         "model": {"n_layer": 6, **TERNARY_OFF}},
    ],
    "cuda": [
        {"preset": "small", "batch_size": 8, "seq_len": 2048, "optimizer": "adamw", **NONE},
        {"preset": "base", "batch_size": 8, "seq_len": 1024, "optimizer": "muon", **NONE},
        {"preset": "base", "batch_size": 8, "seq_len": 2048, "optimizer": "muon"},
        {"preset": "base", "batch_size": 16, "seq_len": 1024, "optimizer": "adamw", "model": TERNARY_OFF},
        {"preset": "base", "batch_size": 16, "seq_len": 2048, "optimizer": "muon", "micro_batch": 4},
        {"preset": "12gb", "batch_size": 1, "grad_accum": 2, "seq_len": 1024, "optimizer": "muon"},
        {"preset": "12gb", "batch_size": 1, "grad_accum": 2, "seq_len": 1024, "optimizer": "adamw8bit"},
    ],
}  # fmt: skip


def compare(configuration: dict[str, Any], device: str) -> tuple[int, int]:
    """The bytes planned, and the bytes measured, of a run in this process."""
    from bbyte.device import peak_memory
    from bbyte.training.planning.memory import estimate
    from bbyte.training.request import Request
    from bbyte.training.settings import check
    from bbyte.training.start import start

    training = {**COMMON, **configuration}
    preset, model = training.pop("preset"), training.pop("model", {})
    runtime = {"device": device, "compile": False}
    if "grad_checkpoint" in training:
        runtime["grad_checkpoint"] = training.pop("grad_checkpoint")
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        (folder / "bytes").write_bytes(os.urandom(4_000_000))
        request = Request(
            family="ar", preset=preset, model=model, training=training, runtime=runtime,
            data=folder / "bytes", out=folder / "run",
        )  # fmt: skip
        settings = check(request)
        planned = estimate(settings, settings.micro_batch).total
        for _ in start(request).run():
            pass
        return planned, peak_memory(settings.placement.device)


def described(configuration: dict[str, Any]) -> str:
    """The configuration in a few words."""
    words = dict(configuration)
    head = [words.pop("preset"), *(f"{key} {value}" for key, value in words.pop("model", {}).items())]
    return ", ".join([*head, *(f"{key} {value}" for key, value in words.items())])


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--device", default="cpu", choices=list(CONFIGURATIONS))
    parser.add_argument("--one", help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.one:
        print(json.dumps(compare(json.loads(args.one), args.device)))
        return
    rows, worst = [], 0.0
    for configuration in CONFIGURATIONS[args.device]:
        command = [sys.executable, __file__, "--device", args.device, "--one", json.dumps(configuration)]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
        planned, measured = json.loads(done.stdout.splitlines()[-1])
        error = planned / measured - 1
        worst = max(worst, abs(error))
        figures = (f"{planned / 1e6:,.0f}", f"{measured / 1e6:,.0f}", f"{error:+.1%}")
        rows.append((*figures, described(configuration)))
        print(*rows[-1], file=sys.stderr)
    print(aligned(f"peak memory on {args.device}, MB", ("planned", "measured", "error", "run"), rows), end="")
    print(f"worst error {worst:.1%}")


if __name__ == "__main__":
    main()
