"""DiffusionLM: a transformer that sees both sides and says what the hidden bytes may be."""

import torch
from torch import Tensor, nn

from bbyte.layers import Linear, RMSNorm, rotary_table
from bbyte.models.diffusion.config import DiffusionConfig
from bbyte.models.transformer import Block, initialise
from bbyte.operations import linear


class DiffusionLM(nn.Module):
    """A bidirectional byte transformer; `config` says which. Fresh weights: from torch's global generator.

    Its symbols are the bytes and one for a hidden byte; it predicts bytes alone. It is not told how many are
    hidden: that can be seen (arXiv 2406.07524, 2406.03736).
    """

    def __init__(self, config: DiffusionConfig) -> None:
        super().__init__()
        self.config = config
        self.embed_tokens = nn.Embedding(config.vocab_size + 1, config.d_model)
        self.layers = nn.ModuleList(Block(config, causal=False) for _ in range(config.n_layer))
        self.norm = RMSNorm(config.d_model, config.norm_eps)
        self.lm_head = None if config.tied else Linear(config.d_model, config.vocab_size)
        initialise(self.embed_tokens, self.layers, self.lm_head)

    @property
    def blocks(self) -> nn.ModuleList:
        """What may be wrapped from outside (activation checkpointing, sharding)."""
        return self.layers

    def forward(self, tokens: Tensor, there: Tensor | None = None) -> Tensor:
        """Logits (B, T, 256) of the byte at each place of `tokens` (B, T), where 256 is a hidden one.

        `there` (B, T) is false where a shorter row has ended: nothing looks there.
        """
        config = self.config
        positions = torch.arange(tokens.shape[1], device=tokens.device)
        turned_heads, width = config.n_head + config.kv_heads, config.d_model // config.n_head
        table = rotary_table(positions, turned_heads, width, config.rope_base)
        seen = None if there is None else there[:, None, None, :]
        x = self.embed_tokens(tokens.int())
        for block in self.layers:
            x = block(x, table, seen=seen)
        head = self.embed_tokens.weight[: config.vocab_size] if self.lm_head is None else self.lm_head.weight
        return linear(self.norm(x), head)
