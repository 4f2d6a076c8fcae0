"""BitByteLM: a transformer that predicts the next byte from the bytes before it.

With ternary weights and sub-norms each block is module for module that of BitNetForCausalLM in transformers;
in full precision that of LlamaForCausalLM, with `qk_norm` that of Qwen3ForCausalLM. Parameter names are
theirs without the leading "model.".
"""

import torch
from torch import Tensor, nn

from bbyte.layers import KVCache, Linear, RMSNorm, rotary_table
from bbyte.models.ar.config import ARConfig
from bbyte.models.transformer import Block, initialise
from bbyte.operations import linear


class BitByteLM(nn.Module):
    """A byte transformer; `config` says which. Fresh weights come from torch's global generator."""

    def __init__(self, config: ARConfig) -> None:
        super().__init__()
        self.config = config
        self.embed_tokens = nn.Embedding(config.vocab_size, config.d_model)
        self.layers = nn.ModuleList(Block(config, causal=True) for _ in range(config.n_layer))
        self.norm = RMSNorm(config.d_model, config.norm_eps)
        self.lm_head = None if config.tied else Linear(config.d_model, config.vocab_size)
        initialise(self.embed_tokens, self.layers, self.lm_head)

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
