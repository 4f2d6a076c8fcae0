"""What a model computes and where its weights lie, told to the engine without torch."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

Roles = Mapping[str, tuple[str, ...]]
"""What a block needs, each with the tensors it is stacked of by rows: {"qkv": ("…q_proj.weight", …)}."""


@dataclass(frozen=True, kw_only=True)
class Blueprint:
    """A model as the engine computes it (docs/engine.md).

    embedding, head, final_norm: names of tensors; layers: the roles of each block's. int8_activations:
    whether what a ternary matrix reads is rounded to 8 bits. The sizes that a kind does not have are 0.
    """

    kind: Literal["transformer", "mamba2", "mamba1"]
    d_model: int
    norm_eps: float
    int8_activations: bool
    embedding: str
    head: str
    final_norm: str
    layers: tuple[Roles, ...]
    n_head: int = 0
    n_kv_head: int = 0
    d_ff: int = 0
    relu2: bool = False
    rope_base: float = 0.0
    d_inner: int = 0
    d_state: int = 0
    d_conv: int = 0
    n_groups: int = 0
    dt_rank: int = 0

    @property
    def head_width(self) -> int:
        """Numbers a head has; 0 for a model without heads."""
        width = self.d_inner if self.kind == "mamba2" else self.d_model
        return width // self.n_head if self.n_head else 0

    def matrices(self) -> dict[str, tuple[tuple[int, int], ...]]:
        """The roles that are products, with the shapes (rows, columns) of what they are stacked of."""
        if self.kind == "transformer":
            keys = (self.n_kv_head * self.head_width, self.d_model)
            return {
                "qkv": ((self.d_model, self.d_model), keys, keys),
                "out": ((self.d_model, self.d_model),),
                "gate_up": ((self.d_ff, self.d_model),) * 2,
                "down": ((self.d_model, self.d_ff),),
            }
        if self.kind == "mamba2":
            rows = self.d_inner + self.channels + self.n_head
            return {"in": ((rows, self.d_model),), "out": ((self.d_model, self.d_inner),)}
        return {
            "in": ((2 * self.d_inner, self.d_model),),
            "select": ((self.dt_rank + 2 * self.d_state, self.d_inner),),
            "steps": ((self.d_inner, self.dt_rank),),
            "out": ((self.d_model, self.d_inner),),
        }

    def vectors(self) -> dict[str, tuple[int, ...]]:
        """The other roles, with the shapes of their tensors. Of a transformer's a block may lack some."""
        if self.kind == "transformer":
            return {
                "norm": (self.d_model,),
                "q_norm": (self.head_width,),
                "k_norm": (self.head_width,),
                "attention_sub_norm": (self.d_model,),
                "feed_forward_norm": (self.d_model,),
                "feed_forward_sub_norm": (self.d_ff,),
            }
        found = {
            "norm": (self.d_model,),
            "conv": (self.channels, 1, self.d_conv),
            "conv_bias": (self.channels,),
        }
        if self.kind == "mamba2":
            heads = (self.n_head,)
            return found | {"dt_bias": heads, "A_log": heads, "D": heads, "gated_norm": (self.d_inner,)}
        return found | {
            "dt_bias": (self.d_inner,),
            "A_log": (self.d_inner, self.d_state),
            "D": (self.d_inner,),
        }

    @property
    def channels(self) -> int:
        """Those of a Mamba's convolution."""
        return self.d_inner + 2 * self.n_groups * self.d_state
