"""Small, quick runs for the tests of training."""

import dataclasses
import json
import random

from bbyte.training.events import Finished, Stepped
from bbyte.training.request import Request
from bbyte.training.start import start

MODEL = {"n_layer": 1, "d_model": 32, "n_head": 2, "d_ff": 64}
TRAINING = {
    "steps": 12, "batch_size": 4, "seq_len": 16, "log_every": 1, "eval_every": 0, "save_every": 0,
    "cooldown": 0.0,
}  # fmt: skip
WORDS = ("the", "of", "and", "to", "in", "that", "was", "his", "it", "with", "is", "for", "as", "had", "you")


def text(size, seed=0):
    """`size` bytes of words that a model can learn something from."""
    dice = random.Random(seed)
    return " ".join(dice.choice(WORDS) for _ in range(size // 2)).encode()[:size]


def corpus(folder, size=6000, seed=0):
    path = folder / f"corpus-{seed}.txt"
    path.write_bytes(text(size, seed))
    return path


def request(out, data, *, model=MODEL, resume=None, **training):
    """A request for a small run in the folder `out`; `training` changes its settings."""
    runtime = {"device": "cpu", "threads": 1}
    if resume is not None:
        return Request(family="ar", resume=resume, training=training)
    settings = {key: value for key, value in {**TRAINING, **training}.items() if value is not None}
    return Request(family="ar", data=data, model=model, training=settings, runtime=runtime, out=out)


def events(asked, **changes):
    """Everything that happens in a run."""
    return list(start(dataclasses.replace(asked, **changes)).run())


def only(kind, happened):
    return [event for event in happened if isinstance(event, kind)]


def interrupted(asked, after):
    """Run until `after` steps were logged, then stop dead, as if killed. Needs log_every 1."""
    happening = start(asked).run()
    for event in happening:
        if isinstance(event, Stepped) and event.step == after:
            break
    else:
        raise AssertionError("the run ended before it was interrupted")
    happening.close()


def losses(out):
    """{step: loss} of a run's log, exactly; each step once."""
    rows = [json.loads(line) for line in (out / "metrics.jsonl").read_text().splitlines()]
    found = [(row["step"], row["loss"]) for row in rows if "loss" in row]
    assert len(dict(found)) == len(found) and found == sorted(found)
    return dict(found)


def validations(out):
    rows = [json.loads(line) for line in (out / "metrics.jsonl").read_text().splitlines()]
    return {row["step"]: row["val_bpb"] for row in rows if "val_bpb" in row}


def finished(happened):
    assert isinstance(happened[-1], Finished)
    return happened[-1]
