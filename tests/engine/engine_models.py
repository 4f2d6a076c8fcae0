"""Small models of every shape that the engine computes, with random weights, as packed checkpoints."""

import torch
from small import described

from bbyte.checkpoint import store
from bbyte.checkpoint.export.packed import export_packed
from bbyte.checkpoint.find import find
from bbyte.config import to_dict
from bbyte.models.ar.config import ARConfig
from bbyte.models.families import family
from bbyte.models.mamba.config import MambaConfig
from bbyte.quantization.statistics import ternary_statistics

ODD = {"n_layer": 2, "d_model": 24, "n_head": 4, "n_kv_head": 1, "d_ff": 20}
NARROW = {"n_layer": 2, "d_model": 24, "expand": 2}
SHAPES = {
    "grouped": ARConfig(n_layer=2, d_model=64, n_head=4, n_kv_head=2, d_ff=96),
    "squared": ARConfig(n_layer=2, d_model=32, n_head=2, d_ff=48, activation="relu2", tied=False),
    "plain": ARConfig(n_layer=2, d_model=32, n_head=2, d_ff=64, sub_norm=False),
    "floats": ARConfig(n_layer=2, d_model=32, n_head=4, n_kv_head=2, d_ff=48, act_quant=False),
    "full": ARConfig(n_layer=2, d_model=32, n_head=4, n_kv_head=2, d_ff=48, ternary=False, qk_norm=True),
    "odd": ARConfig(**ODD, rope_base=500.0),
    "odd_full": ARConfig(**ODD, ternary=False, sub_norm=True, tied=False),
    "mamba2": MambaConfig(n_layer=2, d_model=32, headdim=16, d_state=8, n_groups=2, ternary=True),
    "mamba2_full": MambaConfig(**NARROW, headdim=6, d_state=10, d_conv=3, tied=False),
    "mamba1": MambaConfig(ssm="mamba1", n_layer=2, d_model=32, ternary=True),
    "mamba1_full": MambaConfig(**NARROW, ssm="mamba1", d_state=5, d_conv=1, dt_rank=3),
    "mamba1_floats": MambaConfig(**NARROW, ssm="mamba1", ternary=True, act_quant=False),
}
"""Every kind of matrix, gate and norm; "odd" ones have widths that fill no register."""


def built(config, seed=0):
    """A model none of whose parts is idle: fresh ones start with zeros where they write to the residual."""
    torch.manual_seed(seed)
    model = family(_family(config)).build(config)
    with torch.no_grad():
        for name, value in model.named_parameters():
            if name.endswith(("norm.weight", "norm_f.weight", ".D")):
                value.normal_(1, 0.3)
            elif "embed" in name or "lm_head" in name:
                value.normal_(0, 0.15)
            elif value.ndim == 2 and not name.endswith("A_log"):
                value.normal_(0, value.shape[1] ** -0.5)
    return model


def packed(folder, config, *, seed=0, **settings):
    """Such a model as the packed checkpoint `folder`, found; `settings` are those of `export_packed`."""
    model = built(config, seed)
    weights = model.state_dict()
    ternary = ternary_statistics(model, weights)
    about = described(
        family=_family(config), variant="ternary" if ternary else "full", config=to_dict(config),
        quantized=bool(ternary), ternary=ternary, context=64,
    )  # fmt: skip
    run = folder.with_name(f"{folder.name}-run")
    run.mkdir(parents=True)
    return find(export_packed(find(store.save(run, about, weights, None)), folder, **settings))


def _family(config):
    return "ar" if isinstance(config, ARConfig) else "mamba"
