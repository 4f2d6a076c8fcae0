"""Checkpoints with random weights, no matrix of them zero, for the tests of GGUF files."""

import torch
from small import described

from bbyte.checkpoint import store
from bbyte.checkpoint.find import find
from bbyte.config import to_dict
from bbyte.models.ar.config import ARConfig
from bbyte.models.families import family as find_family
from bbyte.models.mamba.config import MambaConfig

SIZES = {"n_layer": 2, "d_model": 64, "n_head": 4, "n_kv_head": 2, "d_ff": 96}
FULL = {**SIZES, "ternary": False, "sub_norm": False}
TERNARY = {**SIZES, "d_model": 256, "d_ff": 512, "ternary": True}
STATE = {"n_layer": 2, "d_model": 64, "d_state": 16}
MODELS = {
    "full": ("ar", ARConfig(**FULL)),
    "untied": ("ar", ARConfig(**FULL, tied=False, rope_base=500.0, norm_eps=1e-6)),
    "qk_norm": ("ar", ARConfig(**FULL, qk_norm=True)),
    "sub_norm": ("ar", ARConfig(**FULL | {"sub_norm": True})),
    "ternary": ("ar", ARConfig(**TERNARY)),
    "ternary_without_sub_norms": ("ar", ARConfig(**TERNARY, sub_norm=False, tied=False)),
    "ternary_qk_norm": ("ar", ARConfig(**TERNARY, sub_norm=False, qk_norm=True)),
    "mamba2": ("mamba", MambaConfig(**STATE, headdim=16, n_groups=2, tied=False)),
    "mamba1": ("mamba", MambaConfig(**STATE, ssm="mamba1")),
    "ternary_mamba2": ("mamba", MambaConfig(**STATE | {"d_model": 256}, ternary=True)),
}  # fmt: skip


def random_model(family, config, seed=0):
    """A model whose every weight is random: norms around 1, matrices such that signals keep their size."""
    torch.manual_seed(seed)
    model = find_family(family).build(config)
    with torch.no_grad():
        for name, value in model.named_parameters():
            if value.ndim == 1 and name.endswith(("norm.weight", "norm_f.weight")):
                value.copy_(torch.rand_like(value) + 0.5)
            elif value.ndim == 2 and "A_log" not in name and "dt_proj" not in name:
                value.normal_(std=value.shape[1] ** -0.5)
    return model


def saved(run, family, config, **changes):
    """A found checkpoint of such a model, in the folder `run`."""
    return stored(run, family, config, random_model(family, config), **changes)


def stored(run, family, config, model, **changes):
    """A found checkpoint of `model`."""
    run.mkdir(parents=True)
    about = {"family": family, "config": to_dict(config), "context": 64, "metrics": {"val_bpb": 2.5}}
    return find(store.save(run, described(**about | changes), model.state_dict(), None))
