"""A BitByteLM as the engine computes it. Imports no torch."""

from bbyte.models.ar.config import ARConfig
from bbyte.models.blueprint import Blueprint, Roles


def blueprint(config: ARConfig) -> Blueprint:
    """Sizes, and the names of the tensors."""
    embedding = "embed_tokens.weight"
    return Blueprint(
        kind="transformer",
        d_model=config.d_model,
        norm_eps=config.norm_eps,
        int8_activations=config.ternary and config.act_quant,
        embedding=embedding,
        head=embedding if config.tied else "lm_head.weight",
        final_norm="norm.weight",
        layers=tuple(_roles(config, f"layers.{index}.") for index in range(config.n_layer)),
        n_head=config.n_head,
        n_kv_head=config.kv_heads,
        d_ff=config.d_ff,
        relu2=config.activation == "relu2",
        rope_base=config.rope_base,
    )


def _roles(config: ARConfig, layer: str) -> Roles:
    attention, mlp = f"{layer}self_attn.", f"{layer}mlp."
    names = {
        "norm": f"{layer}input_layernorm",
        "feed_forward_norm": f"{layer}post_attention_layernorm",
        "out": f"{attention}o_proj",
        "down": f"{mlp}down_proj",
    }
    if config.qk_norm:
        names |= {"q_norm": f"{attention}q_norm", "k_norm": f"{attention}k_norm"}
    if config.sub_norm:
        names |= {
            "attention_sub_norm": f"{attention}attn_sub_norm",
            "feed_forward_sub_norm": f"{mlp}ffn_sub_norm",
        }
    stacked = {
        "qkv": tuple(f"{attention}{part}_proj.weight" for part in "qkv"),
        "gate_up": (f"{mlp}gate_proj.weight", f"{mlp}up_proj.weight"),
    }
    return {role: (f"{name}.weight",) for role, name in names.items()} | stacked
