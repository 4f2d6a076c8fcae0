"""A MambaLM as the engine computes it. Imports no torch."""

from bbyte.models.blueprint import Blueprint
from bbyte.models.mamba.config import MambaConfig
from bbyte.models.mamba.names import EMBEDDING, HEAD

_ROLES = {
    "mamba2": {
        "in": "in_proj.weight", "conv": "conv1d.weight", "conv_bias": "conv1d.bias", "dt_bias": "dt_bias",
        "A_log": "A_log", "D": "D", "gated_norm": "norm.weight", "out": "out_proj.weight",
    },
    "mamba1": {
        "in": "in_proj.weight", "conv": "conv1d.weight", "conv_bias": "conv1d.bias",
        "select": "x_proj.weight", "steps": "dt_proj.weight", "dt_bias": "dt_proj.bias", "A_log": "A_log",
        "D": "D", "out": "out_proj.weight",
    },
}  # fmt: skip


def blueprint(config: MambaConfig) -> Blueprint:
    """Sizes, and the names of the tensors."""
    is_second = config.ssm == "mamba2"
    return Blueprint(
        kind=config.ssm,
        d_model=config.d_model,
        norm_eps=config.norm_eps,
        int8_activations=config.ternary and config.act_quant,
        embedding=EMBEDDING,
        head=EMBEDDING if config.tied else HEAD,
        final_norm="backbone.norm_f.weight",
        layers=tuple(
            {"norm": (f"backbone.layers.{index}.norm.weight",)}
            | {role: (f"backbone.layers.{index}.mixer.{name}",) for role, name in _ROLES[config.ssm].items()}
            for index in range(config.n_layer)
        ),
        n_head=config.n_head if is_second else 0,
        d_inner=config.d_inner,
        d_state=config.state_width,
        d_conv=config.d_conv,
        n_groups=config.n_groups if is_second else 0,
        dt_rank=0 if is_second else config.rank,
    )
