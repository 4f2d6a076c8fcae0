"""The block that transformers over bytes are made of, and how its matrices start."""

import math

from torch import Tensor, nn

from bbyte.layers import Attention, FeedForward, KVCache, Linear, LinearFactory, RMSNorm
from bbyte.models.transformer_config import TransformerConfig
from bbyte.quantization.bitlinear import BitLinear


class Block(nn.Module):
    """Attention, then feed-forward, each normalised before and added to the residual stream."""

    def __init__(self, config: TransformerConfig, *, causal: bool) -> None:
        super().__init__()
        linear: LinearFactory = BitLinear if config.ternary else Linear
        act_quant = config.ternary and config.act_quant
        sub_norm, eps = bool(config.sub_norm), config.norm_eps
        self.input_layernorm = RMSNorm(config.d_model, eps)
        self.self_attn = Attention(
            config.d_model, config.n_head, config.kv_heads, linear,
            causal=causal, qk_norm=config.qk_norm, sub_norm=sub_norm, act_quant=act_quant, eps=eps,
        )  # fmt: skip
        self.post_attention_layernorm = RMSNorm(config.d_model, eps)
        self.mlp = FeedForward(
            config.d_model, config.d_ff, linear,
            activation=config.activation, sub_norm=sub_norm, act_quant=act_quant, eps=eps,
        )  # fmt: skip

    def forward(
        self,
        x: Tensor,
        table: tuple[Tensor, Tensor],
        cache: KVCache | None = None,
        layer: int = 0,
        seen: Tensor | None = None,
    ) -> Tensor:
        """`x` (B, T, C) to (B, T, C), as `Attention` takes the rest."""
        x = x + self.self_attn(self.input_layernorm(x), table, cache, layer, seen)
        out: Tensor = x + self.mlp(self.post_attention_layernorm(x))
        return out


def initialise(embedding: nn.Embedding, blocks: nn.ModuleList, head: nn.Linear | None) -> None:
    """Fresh weights, from torch's global generator.

    Matrices start uniform with the variance of 1/fan-in; what writes to the residual stream starts at zero,
    so that a fresh model is the identity around its embedding and learns fastest at first.
    """
    nn.init.normal_(embedding.weight, std=0.02)
    for module in blocks.modules():
        if isinstance(module, nn.Linear):
            bound = math.sqrt(3 / module.in_features)
            nn.init.uniform_(module.weight, -bound, bound)
    for block in blocks:
        assert isinstance(block, Block)  # noqa: S101
        nn.init.zeros_(block.self_attn.o_proj.weight)
        nn.init.zeros_(block.mlp.down_proj.weight)
    if head is not None:
        nn.init.zeros_(head.weight)
