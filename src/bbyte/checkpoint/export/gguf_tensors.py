"""The weights of a model under llama.cpp's names, in its order and in the precision each part needs there."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

from torch import Tensor, nn

from bbyte.quantization.bitlinear import BitLinear, ternary_layers

Role = Literal["ternary", "matrix", "half", "exact"]
"""How much rounding a part bears: a ternary matrix takes any type without loss but its scale's; any other
matrix takes 8 bits; some take 16 at least; what is exact stays in float32."""

AROUND_BLOCKS = {
    "embed_tokens.weight": "token_embd.weight", "backbone.embedding.weight": "token_embd.weight",
    "norm.weight": "output_norm.weight", "backbone.norm_f.weight": "output_norm.weight",
    "lm_head.weight": "output.weight",
}  # fmt: skip
IN_A_BLOCK = {
    "input_layernorm.weight": "attn_norm.weight",
    "self_attn.q_proj.weight": "attn_q.weight", "self_attn.k_proj.weight": "attn_k.weight",
    "self_attn.v_proj.weight": "attn_v.weight", "self_attn.o_proj.weight": "attn_output.weight",
    "self_attn.q_norm.weight": "attn_q_norm.weight", "self_attn.k_norm.weight": "attn_k_norm.weight",
    "self_attn.attn_sub_norm.weight": "attn_sub_norm.weight",
    "post_attention_layernorm.weight": "ffn_norm.weight",
    "mlp.gate_proj.weight": "ffn_gate.weight", "mlp.up_proj.weight": "ffn_up.weight",
    "mlp.down_proj.weight": "ffn_down.weight", "mlp.ffn_sub_norm.weight": "ffn_sub_norm.weight",
    "norm.weight": "attn_norm.weight",
    "mixer.in_proj.weight": "ssm_in.weight", "mixer.out_proj.weight": "ssm_out.weight",
    "mixer.conv1d.weight": "ssm_conv1d.weight", "mixer.conv1d.bias": "ssm_conv1d.bias",
    "mixer.x_proj.weight": "ssm_x.weight", "mixer.dt_proj.weight": "ssm_dt.weight",
    "mixer.dt_proj.bias": "ssm_dt.bias", "mixer.dt_bias": "ssm_dt.bias",
    "mixer.A_log": "ssm_a", "mixer.D": "ssm_d", "mixer.norm.weight": "ssm_norm.weight",
}  # fmt: skip
EXACT = ("ssm_conv1d.weight", "ssm_a", "ssm_d", "ssm_norm.weight")
HALF = ("ssm_x.weight", "ssm_dt.weight")
"""Small, and they decide the step sizes, on which everything else depends."""
_BLOCK = re.compile(r"(?:backbone\.)?layers\.(\d+)\.(.+)")


@dataclass(frozen=True)
class Part:
    """One tensor of the file: `read` gives its values, of this shape, in any floating type."""

    name: str
    shape: tuple[int, ...]
    role: Role
    read: Callable[[], Tensor]


def parts(model: nn.Module, architecture: str) -> list[Part]:
    """Every weight of `model` as llama.cpp's `architecture` wants it, ternary ones as they compute."""
    ternary = ternary_layers(model)
    result = []
    for name, value in model.state_dict().items():
        block = _BLOCK.fullmatch(name)
        theirs = IN_A_BLOCK[block[2]] if block else AROUND_BLOCKS[name]
        layer = ternary.get(name.removesuffix(".weight"))
        read = _reader(layer or value, theirs, model.config, architecture)
        shape = tuple(read().shape) if layer is None else tuple(value.shape)
        role: Role = "ternary" if layer is not None else _role(theirs, shape)
        result.append(Part(f"blk.{block[1]}.{theirs}" if block else theirs, shape, role, read))
    return result


def _role(theirs: str, shape: tuple[int, ...]) -> Role:
    if len(shape) == 1 or theirs in EXACT:
        return "exact"
    return "half" if theirs in HALF else "matrix"


def _reader(source: Tensor | BitLinear, theirs: str, config: Any, architecture: str) -> Callable[[], Tensor]:
    def read() -> Tensor:
        value = source.effective_weight() if isinstance(source, BitLinear) else source
        value = value.detach().float() + 0.0  # quantizing gives negative zeros, which unpacking does not
        if architecture == "llama" and theirs == "attn_q.weight":
            return interleaved(value, config.n_head)
        if architecture == "llama" and theirs == "attn_k.weight":
            return interleaved(value, config.kv_heads)
        if theirs == "ssm_a":
            value = -value.exp()
        if theirs in ("ssm_a", "ssm_d") and architecture == "mamba2":
            return value.unsqueeze(1)
        if theirs == "ssm_norm.weight":
            return value.view(config.n_groups, -1)
        return value.squeeze(1) if theirs == "ssm_conv1d.weight" else value

    return read


def interleaved(weight: Tensor, heads: int) -> Tensor:
    """The rows of a query or key matrix, for rotations that pair neighbours instead of halves of a head."""
    halves = weight.view(heads, 2, -1, weight.shape[1])
    return halves.transpose(1, 2).reshape(weight.shape)
