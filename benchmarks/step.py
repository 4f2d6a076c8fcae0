"""Where the time of a training step goes: data, forward, backward, optimizer, and all the rest.

    python benchmarks/step.py --preset small --seq-len 256 --batch-size 16

A real run of `bbyte train` on random bytes, logged every ten steps as usual, with a clock around each part.
Medians over the steps, and shares of the whole.
"""

import argparse
import statistics
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from bbyte.models.families import families
from bbyte.training.events import Stepped
from bbyte.training.request import Request
from bbyte.training.start import start


class Clocks:
    """Adds up the time spent in functions, by part."""

    def __init__(self, device: str) -> None:
        self.spent: dict[str, float] = defaultdict(float)
        self._cuda = device.startswith("cuda")

    def now(self) -> float:
        if self._cuda:
            torch.cuda.synchronize()
        return time.perf_counter()

    def around(self, part: str, function: Callable[..., Any]) -> Callable[..., Any]:
        def timed(*args: Any, **settings: Any) -> Any:
            began = self.now()
            result = function(*args, **settings)
            self.spent[part] += self.now() - began
            return result

        return timed


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--family", default="ar", choices=list(families()))
    parser.add_argument("--preset", default="small")
    parser.add_argument("--seq-len", type=int, default=256)
    parser.add_argument("--batch-size", type=int, default=16)
    parser.add_argument("--optimizer", default="muon")
    parser.add_argument("--device", default="auto")
    parser.add_argument("--steps", type=int, default=40)
    parser.add_argument("--skip", type=int, default=10, help="first steps, which are not counted")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        data = Path(scratch) / "random.bin"
        data.write_bytes(torch.randint(256, (4 << 20,), dtype=torch.uint8).numpy().tobytes())
        training = {
            "steps": args.steps, "seq_len": args.seq_len, "batch_size": args.batch_size,
            "optimizer": args.optimizer, "eval_every": 0, "save_every": 0, "val_fraction": 0.0,
        }  # fmt: skip
        trainer = start(
            Request(
                family=args.family, data=data, preset=args.preset, training=training,
                runtime={"device": args.device}, out=Path(scratch) / "run",
            )
        )  # fmt: skip
        report(args, trainer, *measured(trainer, args.skip))


def measured(trainer: Any, skip: int) -> tuple[list[float], list[dict[str, float]]]:
    """Seconds of each step, and of its parts."""
    clocks, update = Clocks(trainer.placement.device), trainer.update
    update.feed.windows = clocks.around("data", update.feed.windows)
    update.forward = clocks.around("forward", update.forward)
    update.optimizers.step = clocks.around("optimizer", update.optimizers.step)
    torch.Tensor.backward = clocks.around("backward", torch.Tensor.backward)  # type: ignore[method-assign]
    advance, wholes, parts = trainer._advance, [], []
    before = clocks.now()

    def step() -> Any:
        nonlocal before
        clocks.spent.clear()
        outcome = yield from advance()
        now = clocks.now()
        wholes.append(now - before)  # from the end of one step to that of the next: the loop's own time too
        parts.append(dict(clocks.spent))
        before = now
        return outcome

    trainer._advance = step
    for event in trainer.run():
        if isinstance(event, Stepped) and event.step == event.steps:
            break
    return wholes[skip:], parts[skip:]


def report(
    args: argparse.Namespace, trainer: Any, wholes: list[float], parts: list[dict[str, float]]
) -> None:
    whole = statistics.median(wholes)
    shape = f"{args.preset}, batch {args.batch_size} x {args.seq_len}, {args.optimizer}"
    print(
        f"{shape}, {trainer.placement.device}, {trainer.placement.threads} threads, torch {torch.__version__}"
    )
    known = 0.0
    for part in ("forward", "backward", "optimizer", "data"):
        seconds = statistics.median(step[part] for step in parts)
        known += seconds
        print(f"{part:10s} {seconds * 1000:9.2f} ms  {seconds / whole:6.1%}")
    print(f"{'rest':10s} {(whole - known) * 1000:9.2f} ms  {1 - known / whole:6.1%}")
    print(f"{'step':10s} {whole * 1000:9.2f} ms")


if __name__ == "__main__":
    main()
