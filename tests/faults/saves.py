"""Saves whose every outcome is known beforehand, and what must hold after one that went wrong."""

from functools import cache

import torch
from small import CONFIG, described, weights

from bbyte.checkpoint import find, store
from bbyte.config import to_dict
from bbyte.models.ar.config import ARConfig

SHAPE = ARConfig(**{**to_dict(CONFIG), "d_model": 32, "d_ff": 32})


@cache
def model(version):
    """The weights of a version."""
    return weights(version, SHAPE)


def save(run, step, version):
    """Save step `step` of a run; the weights and the optimizer's state tell the version."""
    if not run.exists():
        run.mkdir()
    state = {"exp_avg.norm.weight": torch.full((3000,), float(version))}
    meta = described(step, config=to_dict(SHAPE), metrics={"val_bpb": float(version), "best_bpb": None})
    return store.save(run, meta, model(version), state)


def content(folder):
    """{name: bytes} of the files in a folder."""
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def complete(root, step, version):
    """What a save that nothing disturbs leaves: {name: bytes}."""
    return content(save(root / f"whole-{step}-{version}", step, version))


def check(run, allowed):
    """The run's checkpoint is, bit for bit, one of those allowed, {step: [contents]}; none was skipped."""
    found = find.find(run)
    assert found.skipped == ()
    assert content(found.path) in allowed[found.meta.step]
    loaded = store.load(found)
    assert loaded.meta.step == found.meta.step
    return found


def check_next_save(run, steps):
    """The next save succeeds, and leaves nothing in the run's folder but whole checkpoints of `steps`."""
    save(run, max(steps), 7)
    assert sorted(path.name for path in run.iterdir()) == [f"step-{step:07d}" for step in sorted(steps)]
    for step in steps:
        find.verify(store.step_folder(run, step))
        assert len(content(store.step_folder(run, step))) == 3
