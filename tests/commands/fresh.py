"""A checkpoint with random weights, made in a moment, for the tests of commands that need one."""

import torch

from bbyte.checkpoint import store
from bbyte.checkpoint.meta import CheckpointMeta
from bbyte.config import to_dict
from bbyte.models.ar.config import ARConfig
from bbyte.models.families import family


def checkpoint(run, *, step=1, context=32, corpus=None):
    """Save an untrained BitByteLM as step `step` of the run folder `run`, as if trained on `corpus`."""
    torch.manual_seed(step)
    config = ARConfig(n_layer=1, d_model=32, n_head=2, d_ff=64)
    run.mkdir(parents=True, exist_ok=True)
    meta = CheckpointMeta(
        kind="resume",
        family="ar",
        variant="",
        config=to_dict(config),
        step=step,
        bytes_seen=1000 * step,
        context=context,
        quantized=True,
        corpus=corpus or {"path": "gone", "size": 10, "fingerprint": "0"},
        metrics={},
        environment={},
    )
    return store.save(run, meta, family("ar").build(config).state_dict(), None)
