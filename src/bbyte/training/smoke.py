"""Whether training works here at all: ten steps of a family on made-up bytes, and a look at each part."""

import dataclasses
import math
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import torch

from bbyte.checkpoint import store
from bbyte.errors import BbyteError
from bbyte.models.families import family
from bbyte.training.events import Evaluated, Event, Saved, Stepped
from bbyte.training.request import Request
from bbyte.training.start import start

STEPS = 10
SETTINGS = {
    "steps": STEPS, "batch_size": 4, "seq_len": 64, "log_every": 1, "eval_every": 5, "save_every": 5,
    "keep": 0, "val_fraction": 0.1, "eval_bytes": 1024, "full_precision_start": 0.2,
}  # fmt: skip


def smoke_test(name: str, on_event: Callable[[Event], None] = lambda event: None) -> str:
    """Train the family's smallest preset for ten steps on the CPU, on made-up bytes; leaves nothing behind.

    Checks that the losses are finite and fall, that the validation agrees with the checkpoint, and that a run
    stopped halfway and resumed is the same to the last bit. Returns what was checked, in a sentence; raises
    BbyteError saying which check failed.
    """
    with tempfile.TemporaryDirectory(prefix="bbyte-smoke-") as scratch:
        folder = Path(scratch)
        data = folder / "made-up.bin"
        data.write_bytes(made_up(20_000))
        asked = Request(
            family=name, data=data, preset=next(iter(family(name).presets)), training=SETTINGS,
            runtime={"device": "cpu"}, out=folder / "whole",
        )  # fmt: skip
        whole = _watched(start(asked).run(), on_event)
        losses = [event.loss for event in whole if isinstance(event, Stepped)]
        _check(len(losses) == STEPS and all(map(math.isfinite, losses)), f"the losses are {losses}")
        _check(
            losses[-1] < losses[0], f"the loss did not fall: {losses[0]:.3f} to {losses[-1]:.3f} nats a byte"
        )
        scored = [event for event in whole if isinstance(event, Evaluated)]
        _check(all(math.isfinite(event.bpb) for event in scored), "a validation gave no number")
        other = dataclasses.replace(asked, out=folder / "stopped")
        stopped = start(other)
        for event in stopped.run():
            if isinstance(event, Saved):
                break
        stopped.log.close()
        _watched(start(Request(family=name, resume=folder / "stopped")).run(), on_event)
        ours, theirs = (store.load(folder / run).model.state_dict() for run in ("whole", "stopped"))
        same = all(torch.equal(value, theirs[key]) for key, value in ours.items())
        _check(same, "a resumed run ends with other weights than one that was never stopped")
    return (
        f"{name}: {STEPS} steps, loss {losses[0]:.3f} to {losses[-1]:.3f} nats a byte, "
        f"val {scored[-1].bpb:.3f} bpb, resumed bit for bit"
    )


def made_up(size: int) -> bytes:
    """Bytes with some order in them: short words, over and over, in a fixed irregular order."""
    words = [b"byte ", b"bit ", b"a ", b"model ", b"of ", b"learns ", b"order "]
    state, parts, length = 1, [], 0
    while length < size:
        state = (state * 1103515245 + 12345) % 2**31
        parts.append(words[state // 65536 % len(words)])
        length += len(parts[-1])
    return b"".join(parts)[:size]


def _watched(events: Iterator[Event], on_event: Callable[[Event], None]) -> list[Event]:
    happened = []
    for event in events:
        on_event(event)
        happened.append(event)
    return happened


def _check(holds: bool, problem: str) -> None:
    if not holds:
        raise BbyteError(f"the smoke test failed: {problem}", "please report it with `bbyte --version`")
