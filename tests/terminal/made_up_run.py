"""A made-up but realistic run: a falling curve, a switch to ternary weights, scores, checkpoints."""

import math
import random
from collections.abc import Iterator

from bbyte.training.events import Evaluated, Event, Finished, Saved, Started, Stepped, Warned

RUN = "artifacts/checkpoints/20250101-120000-tiny"


def events(
    steps: int = 3000, *, ternary_from: int = 1200, is_bound: bool = False, bad_step: int = 0
) -> Iterator[Event]:
    dice = random.Random(0)
    best = math.inf
    yield Started("20250101-120000-tiny", "ar", 463_104, 1, steps, ("data: Python's own documentation",))
    for step in range(1, steps + 1):
        level = 1.9 + 6.1 * math.exp(-step / 25) + 1.6 * math.exp(-step / 350)
        level += 0.35 * math.exp(-(step - ternary_from) / 180) if step >= ternary_from else 0.0
        bpb = math.nan if step == bad_step else level + dice.gauss(0, 0.09)
        rate = 2e-3 * min(1.0, step / 100, 2 - 2 * step / steps)
        yield Stepped(
            step=step, steps=steps, loss=bpb * math.log(2), bpb=bpb, learning_rate=rate,
            gradient_norm=0.5, seq_len=64, quantized=step >= ternary_from, bytes_seen=step * 2048,
            bytes_per_second=1.83e6, seconds_left=(steps - step) * 0.037, memory=312_000_000,
        )  # fmt: skip
        if step == bad_step:
            yield Warned(f"step {step} was not a number and was skipped \x1b[31m")
        if step % 250 == 0:
            best = min(best, level + 0.07)
            yield Evaluated(step, level + 0.07, best, is_bound, 64, 32, 190_464)
        if step % 1000 == 0:
            yield Saved(step, f"{RUN}/step-{step:07d}")
    yield Finished(steps, best, best, is_bound, 112.4, f"{RUN}/step-{steps:07d}")
