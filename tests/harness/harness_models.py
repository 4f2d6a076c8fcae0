"""Untrained models as `store.load` gives them, without a checkpoint; and one that knows nothing."""

from pathlib import Path
from types import SimpleNamespace

import torch

from bbyte.checkpoint.store import Loaded
from bbyte.device import Placement
from bbyte.models.ar.config import ARConfig
from bbyte.models.diffusion.config import DiffusionConfig
from bbyte.models.families import families
from bbyte.models.mamba.config import MambaConfig

CPU = Placement("cpu", "fp32", 1, ())
CONTEXT = 32
CONFIGS = {
    "ar": ARConfig(n_layer=1, d_model=32, n_head=2, d_ff=64, ternary=False),
    "mamba": MambaConfig(n_layer=2, d_model=32, headdim=16, d_state=8),
    "diffusion": DiffusionConfig(n_layer=1, d_model=32, n_head=2, d_ff=64),
}


def loaded(name, *, config=None, sharp=4.0):
    """A model of the family; `sharp` times the usual embedding, so that bytes differ in likelihood."""
    torch.manual_seed(7)
    family = families()[name]
    model = family.build(config or CONFIGS[name]).eval()
    with torch.no_grad():
        next(iter(model.parameters())).mul_(sharp)
    meta = SimpleNamespace(context=CONTEXT, family=name)
    return Loaded(model, meta, family, SimpleNamespace(path=Path("small")))
