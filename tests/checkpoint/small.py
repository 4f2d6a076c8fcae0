"""A checkpoint of a very small model, for tests that damage it."""

import torch

from bbyte.checkpoint import store
from bbyte.checkpoint.meta import CheckpointMeta
from bbyte.config import to_dict
from bbyte.models.ar.config import ARConfig
from bbyte.models.families import family

CONFIG = ARConfig(n_layer=1, d_model=8, n_head=2, d_ff=8, vocab_size=4)


def described(step=1, **changes):
    values = {
        "kind": "resume", "family": "ar", "variant": "ternary", "config": to_dict(CONFIG), "step": step,
        "bytes_seen": 10 * step, "context": 16, "quantized": True,
        "corpus": {"path": "somewhere", "size": 1000, "fingerprint": "ab", "train_size": 900},
        "metrics": {"val_bpb": 2.5, "best_bpb": None}, "environment": {"threads": 1},
        "tags": {"note": "é\ud800"},
    }  # fmt: skip
    return CheckpointMeta(**values | changes)


def weights(step=1, config=CONFIG):
    torch.manual_seed(step)
    return family("ar").build(config).state_dict()


def saved(run, step=1, *, optimizer=True, **changes):
    """Save step `step` of a run, whose weights tell the step."""
    run.mkdir(parents=True, exist_ok=True)
    state = {"exp_avg.norm.weight": torch.full((8,), float(step))} if optimizer else None
    return store.save(run, described(step, **changes), weights(step), state)
