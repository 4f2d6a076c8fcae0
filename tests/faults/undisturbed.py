"""Small runs of `bbyte train`, and whether one that was disturbed became the same as one that was not."""

import json

import torch

from bbyte.checkpoint import find, store

TEXT = (b"the quick brown fox jumps over the lazy dog. " * 200)[:8000]
MODELS = {
    "ar": ("--n-layer", "1", "--d-model", "32", "--n-head", "2", "--d-ff", "64"),
    "diffusion": ("--n-layer", "1", "--d-model", "32", "--n-head", "2", "--d-ff", "64"),
    "mamba": ("--n-layer", "1", "--d-model", "32", "--headdim", "16", "--d-state", "8"),
}


def small(family):
    """The words that train a small model of a family."""
    return [
        "train", family, *MODELS[family], "--data", "book.txt", "--batch-size", "2", "--seq-len", "16",
        "--device", "cpu", "--threads", "1", "--log-every", "1", "--eval-bytes", "80",
    ]  # fmt: skip


SMALL = small("ar")


def rows(run):
    """The rows of a run's log that say what was computed: (step, loss or bits per byte)."""
    lines = (run / "metrics.jsonl").read_text().splitlines()
    return [(row["step"], row.get("loss", row.get("val_bpb"))) for row in map(json.loads, lines)]


def assert_same(run, whole):
    """The logs and the last weights are equal, bit for bit, and nothing is left over."""
    assert rows(run) == rows(whole)
    states = [store.load(folder).model.state_dict() for folder in (run, whole)]
    assert all(torch.equal(value, states[1][name]) for name, value in states[0].items())
    names = [sorted(path.name for path in folder.iterdir()) for folder in (run, whole)]
    assert names[0] == names[1], names


def newest(run):
    """The step of the run's newest checkpoint, 0 where it has none. None was passed over."""
    if not run.exists() or not find.steps(run):
        return 0
    found = find.find(run)
    assert found.skipped == ()
    return found.meta.step
