"""BitByteLM: a transformer that predicts the next byte from the bytes before it.

With ternary weights and sub-norms each block is module for module that of BitNetForCausalLM in transformers;
in full precision that of LlamaForCausalLM, with `qk_norm` that of Qwen3ForCausalLM. Parameter names are
theirs without the leading "model.".
"""

import math

import torch
from torch import Tensor, nn

from bbyte.layers import Attention, FeedForward, KVCache, Linear, LinearFactory, RMSNorm, rotary_table
from bbyte.models.ar.config import ARConfig
from bbyte.operations import linear
from bbyte.quantization.bitlinear import BitLinear


class Block(nn.Module):
    """Attention, then feed-forward, each normalised before and added to the residual stream."""

    def __init__(self, config: ARConfig) -> None:
        super().__init__()
        linear: LinearFactory = BitLinear if config.ternary else Linear
        act_quant = config.ternary and config.act_quant
        sub_norm, eps = bool(config.sub_norm), config.norm_eps
        self.input_layernorm = RMSNorm(config.d_model, eps)
        self.self_attn = Attention(
            config.d_model, config.n_head, config.kv_heads, linear,
            qk_norm=config.qk_norm, sub_norm=sub_norm, act_quant=act_quant, eps=eps,
        )  # fmt: skip
        self.post_attention_layernorm = RMSNorm(config.d_model, eps)
        self.mlp = FeedForward(
            config.d_model, config.d_ff, linear,
            activation=config.activation, sub_norm=sub_norm, act_quant=act_quant, eps=eps,
        )  # fmt: skip

    def forward(
        self, x: Tensor, table: tuple[Tensor, Tensor], cache: KVCache | None = None, layer: int = 0
    ) -> Tensor:
        """`x` (B, T, C) to (B, T, C)."""
        x = x + self.self_attn(self.input_layernorm(x), table, cache, layer)
        out: Tensor = x + self.mlp(self.post_attention_layernorm(x))
        return out


class BitByteLM(nn.Module):
    """A byte transformer; `config` says which. Fresh weights come from torch's global generator."""

    def __init__(self, config: ARConfig) -> None:
        super().__init__()
        self.config = config
        self.embed_tokens = nn.Embedding(config.vocab_size, config.d_model)
        self.layers = nn.ModuleList(Block(config) for _ in range(config.n_layer))
        self.norm = RMSNorm(config.d_model, config.norm_eps)
        self.lm_head = None if config.tied else Linear(config.d_model, config.vocab_size)
        self._initialise()

    @property
    def blocks(self) -> nn.ModuleList:
        """What may be wrapped from outside (activation checkpointing, sharding)."""
        return self.layers

    def forward(self, tokens: Tensor, cache: KVCache | None = None) -> Tensor:
        """Logits (B, T, vocab) of the symbol after each of `tokens` (B, T, any integer dtype).

        With a `cache` the tokens follow those it holds, and it grows by T.
        """
        config, start = self.config, cache.length if cache is not None else 0
        positions = torch.arange(start, start + tokens.shape[1], device=tokens.device)
        turned_heads, width = config.n_head + config.kv_heads, config.d_model // config.n_head
        table = rotary_table(positions, turned_heads, width, config.rope_base)
        x = self.embed_tokens(tokens.int())
        for index, block in enumerate(self.layers):
            x = block(x, table, cache, index)
        if cache is not None:
            cache.length += tokens.shape[1]
        return linear(self.norm(x), self._head())

    def new_cache(self, lanes: int, capacity: int) -> KVCache:
        """An empty cache for `lanes` streams of up to `capacity` positions."""
        weight = self.embed_tokens.weight
        shape = (lanes, self.config.kv_heads, capacity, self.config.d_model // self.config.n_head)
        return KVCache(self.config.n_layer, shape, weight)

    def _head(self) -> Tensor:
        return self.embed_tokens.weight if self.lm_head is None else self.lm_head.weight

    def _initialise(self) -> None:
        # Matrices start uniform with the variance of 1/fan-in; what writes to the residual stream starts at
        # zero, so that a fresh model is the identity around its embedding and learns fastest at first.
        nn.init.normal_(self.embed_tokens.weight, std=0.02)
        for module in self.modules():
            if isinstance(module, nn.Linear):
                bound = math.sqrt(3 / module.in_features)
                nn.init.uniform_(module.weight, -bound, bound)
        for block in self.layers:
            assert isinstance(block, Block)  # noqa: S101
            nn.init.zeros_(block.self_attn.o_proj.weight)
            nn.init.zeros_(block.mlp.down_proj.weight)
        if self.lm_head is not None:
            nn.init.zeros_(self.lm_head.weight)
