"""A checkpoint with random weights, made in a moment, for the tests of commands that need one."""

import torch

from bbyte.checkpoint import store
from bbyte.checkpoint.meta import CheckpointMeta
from bbyte.config import to_dict
from bbyte.models.ar.config import ARConfig
from bbyte.models.diffusion.config import DiffusionConfig
from bbyte.models.families import family as find_family
from bbyte.models.mamba.config import MambaConfig

SMALL = {
    "ar": ARConfig(n_layer=1, d_model=32, n_head=2, d_ff=64),
    "mamba": MambaConfig(n_layer=2, d_model=32, headdim=16, d_state=8),
    "diffusion": DiffusionConfig(n_layer=1, d_model=32, n_head=2, d_ff=64),
}


def checkpoint(run, *, step=1, context=32, corpus=None, family="ar"):
    """Save an untrained model as step `step` of the run folder `run`, as if trained on `corpus`."""
    torch.manual_seed(step)
    config = SMALL[family]
    run.mkdir(parents=True, exist_ok=True)
    meta = CheckpointMeta(
        kind="resume",
        family=family,
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
    return store.save(run, meta, find_family(family).build(config).state_dict(), None)
