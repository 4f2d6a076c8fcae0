"""MambaLM: a state-space model that predicts the next byte; its cost a byte never grows with the text.

Parameter names are those of mamba_ssm's MambaLMHeadModel, so that its checkpoints and ours fit each other.
"""

from torch import Tensor, nn

from bbyte.layers import Linear, RMSNorm
from bbyte.models.mamba.config import MambaConfig
from bbyte.models.mamba.mamba1 import Mamba1
from bbyte.models.mamba.mamba2 import Mamba2
from bbyte.models.mamba.state import LayerState, MambaState
from bbyte.operations import linear


class Block(nn.Module):
    """A mixer, its input normalised, added to the residual stream."""

    def __init__(self, config: MambaConfig) -> None:
        super().__init__()
        self.norm = RMSNorm(config.d_model, config.norm_eps)
        self.mixer = Mamba2(config) if config.ssm == "mamba2" else Mamba1(config)

    def forward(self, x: Tensor, state: LayerState | None = None) -> Tensor:
        """`x` (B, T, C) to (B, T, C)."""
        out: Tensor = x + self.mixer(self.norm(x), state)
        return out


class Backbone(nn.Module):
    """All but the output head."""

    def __init__(self, config: MambaConfig) -> None:
        super().__init__()
        self.embedding = nn.Embedding(config.vocab_size, config.d_model)
        self.layers = nn.ModuleList(Block(config) for _ in range(config.n_layer))
        self.norm_f = RMSNorm(config.d_model, config.norm_eps)

    def forward(self, tokens: Tensor, state: MambaState | None = None) -> Tensor:
        """`tokens` (B, T) to normalised features (B, T, C)."""
        x = self.embedding(tokens.int())
        for index, block in enumerate(self.layers):
            x = block(x, state.layers[index] if state is not None else None)
        out: Tensor = self.norm_f(x)
        return out


class MambaLM(nn.Module):
    """A byte model of Mamba blocks; `config` says which. Fresh weights come from torch's global generator."""

    def __init__(self, config: MambaConfig) -> None:
        super().__init__()
        self.config = config
        self.backbone = Backbone(config)
        self.lm_head = None if config.tied else Linear(config.d_model, config.vocab_size)
        self._initialise()

    @property
    def blocks(self) -> nn.ModuleList:
        """What may be wrapped from outside (activation checkpointing, sharding)."""
        return self.backbone.layers

    def forward(self, tokens: Tensor, state: MambaState | None = None) -> Tensor:
        """Logits (B, T, vocab) of the symbol after each of `tokens` (B, T, any integer dtype).

        With a `state` the tokens follow those it knows of, and it moves on by T.
        """
        head = self.backbone.embedding if self.lm_head is None else self.lm_head
        return linear(self.backbone(tokens, state), head.weight)

    def new_state(self, lanes: int) -> MambaState:
        """What is known before the first byte, for `lanes` streams."""
        return MambaState([block.mixer.new_state(lanes) for block in self._blocks()])

    def _blocks(self) -> list[Block]:
        return [block for block in self.backbone.layers if isinstance(block, Block)]

    def _initialise(self) -> None:
        # Matrices start as in mamba_ssm, uniform within 1/sqrt(fan-in); but what writes to the residual
        # stream at zero, so that a fresh model is the identity around its embedding and learns fastest.
        nn.init.normal_(self.backbone.embedding.weight, std=0.02)
        for module in self.modules():
            if isinstance(module, nn.Linear):
                bound = module.in_features**-0.5
                nn.init.uniform_(module.weight, -bound, bound)
        for block in self._blocks():
            if isinstance(block.mixer, Mamba1):
                block.mixer.reset_parameters()
            nn.init.zeros_(block.mixer.out_proj.weight)
        if self.lm_head is not None:
            nn.init.zeros_(self.lm_head.weight)
