"""Checkpoints of small models of every family, with the statistics that training stores."""

import torch
from small import described

from bbyte.checkpoint import store
from bbyte.config import to_dict
from bbyte.models.families import families
from bbyte.quantization.statistics import ternary_statistics

SETTINGS = {
    "ar": {"n_layer": 2, "d_model": 32, "n_head": 2, "d_ff": 48, "tied": False},
    "mamba": {"n_layer": 2, "d_model": 32, "headdim": 16, "d_state": 8, "ternary": True},
    "diffusion": {"n_layer": 2, "d_model": 32, "n_head": 2, "d_ff": 48},
}


def model_of(name, seed=0):
    torch.manual_seed(seed)
    family = families()[name]
    return family.build(family.config(**SETTINGS.get(name, {})))


def saved(run, name, step=1, *, state=None, **changes):
    """Save a model of the family as step `step` of a run; `state` instead of its own weights."""
    run.mkdir(parents=True, exist_ok=True)
    model = model_of(name)
    weights = state or model.state_dict()
    ternary = ternary_statistics(model, weights)
    values = {"family": name, "variant": "ternary" if ternary else "full", "quantized": bool(ternary)}
    about = described(step, config=to_dict(model.config), ternary=ternary, **{**values, **changes})
    return store.save(run, about, weights, None)
