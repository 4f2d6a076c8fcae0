"""The parts that transformer families share: RMSNorm, rotary positions, attention, feed-forward, KV cache.

Shapes: B batch, T positions, C d_model, H heads, D head width. Module names are those of Llama and BitNet in
transformers, so that a checkpoint loads there without custom code.
"""

from collections.abc import Callable
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from bbyte.operations import linear, relu2, rms_norm, rotate, swiglu
from bbyte.quantization.activations import Int8Activations
from bbyte.quantization.bitlinear import fused_linear

Activation = Literal["swiglu", "relu2"]
LinearFactory = Callable[[int, int], nn.Linear]


class Linear(nn.Linear):
    """`nn.Linear` without bias, by `operations.linear`."""

    def __init__(self, in_features: int, out_features: int) -> None:
        super().__init__(in_features, out_features, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """`x` (..., in) to (..., out)."""
        return linear(x, self.weight)


class RMSNorm(nn.Module):
    """x / sqrt(mean(x²) + eps) * weight over the last dimension, in float32 (arXiv 1910.07467)."""

    def __init__(self, width: int, eps: float) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(width))
        self.eps = eps

    def forward(self, x: Tensor) -> Tensor:
        """(..., width) to (..., width), in the dtype of `x`."""
        return rms_norm(x, self.weight, self.eps)


def rotary_table(positions: Tensor, heads: int, head_width: int, base: float) -> tuple[Tensor, Tensor]:
    """cos and signed sin of the angles at `positions`, for `operations.rotate` (arXiv 2104.09864).

    Each is (T, heads, D) float32 on a CPU, where short inner loops would cost more than the memory, and
    (T, 1, D) elsewhere.
    """
    exponents = torch.arange(0, head_width, 2, dtype=torch.float32, device=positions.device) / head_width
    angles = (positions.float()[:, None] * (1.0 / base**exponents)).unsqueeze(1)
    cos, sin = torch.cat((angles.cos(),) * 2, dim=-1), torch.cat((-angles.sin(), angles.sin()), dim=-1)
    rows = heads if positions.device.type == "cpu" else 1
    return cos.expand(-1, rows, -1).contiguous(), sin.expand(-1, rows, -1).contiguous()


class KVCache:
    """Keys and values of the positions seen so far: (B, H_kv, capacity, D) a layer, written in place."""

    def __init__(self, n_layer: int, shape: tuple[int, int, int, int], like: Tensor) -> None:
        self.keys = [like.new_zeros(shape) for _ in range(n_layer)]
        self.values = [like.new_zeros(shape) for _ in range(n_layer)]
        self.length = 0
        self.capacity = shape[2]

    def extend(self, layer: int, keys: Tensor, values: Tensor) -> tuple[Tensor, Tensor]:
        """Write T new positions of one layer after the `length` kept ones; returns all of them."""
        end = self.length + keys.shape[2]
        self.keys[layer][:, :, self.length : end] = keys
        self.values[layer][:, :, self.length : end] = values
        return self.keys[layer][:, :, :end], self.values[layer][:, :, :end]


class Attention(nn.Module):
    """Grouped-query attention with rotary positions, through torch's scaled_dot_product_attention.

    `qk_norm` normalises queries and keys per head (as Qwen3); `sub_norm` normalises the heads' output before
    o_proj (as BitNet). `act_quant` rounds what each projection reads to 8 bits.
    """

    def __init__(
        self,
        d_model: int,
        n_head: int,
        n_kv_head: int,
        linear: LinearFactory,
        *,
        causal: bool = True,
        qk_norm: bool = False,
        sub_norm: bool = False,
        act_quant: bool = False,
        eps: float = 1e-5,
    ) -> None:
        super().__init__()
        self.n_head, self.n_kv_head, self.head_width = n_head, n_kv_head, d_model // n_head
        self.causal = causal
        self.q_proj = linear(d_model, n_head * self.head_width)
        self.k_proj = linear(d_model, n_kv_head * self.head_width)
        self.v_proj = linear(d_model, n_kv_head * self.head_width)
        self.o_proj = linear(n_head * self.head_width, d_model)
        self.q_norm = RMSNorm(self.head_width, eps) if qk_norm else None
        self.k_norm = RMSNorm(self.head_width, eps) if qk_norm else None
        self.attn_sub_norm = RMSNorm(n_head * self.head_width, eps) if sub_norm else None
        self.quantize = Int8Activations(act_quant)

    def forward(
        self,
        x: Tensor,
        table: tuple[Tensor, Tensor],
        cache: KVCache | None = None,
        layer: int = 0,
        seen: Tensor | None = None,
    ) -> Tensor:
        """`x` (B, T, C) to (B, T, C); `table` from `rotary_table` for these T positions.

        `seen` (B, 1, 1, T) is false where no position looks; for attention that is not causal.
        """
        B, T, _ = x.shape
        qkv = fused_linear(self.quantize(x), (self.q_proj, self.k_proj, self.v_proj))
        qk, v = torch.split(
            qkv.view(B, T, -1, self.head_width), [self.n_head + self.n_kv_head, self.n_kv_head], 2
        )
        if self.q_norm is not None and self.k_norm is not None:
            q, k = torch.split(qk, [self.n_head, self.n_kv_head], 2)
            qk = torch.cat((self.q_norm(q), self.k_norm(k)), 2)
        qk = rotate(qk, *(part.to(qk.dtype) for part in table))
        q, k = torch.split(qk.transpose(1, 2), [self.n_head, self.n_kv_head], 1)
        v = v.transpose(1, 2)
        mask = seen
        if cache is not None:
            k, v = cache.extend(layer, k, v)
            if (
                1 < T < k.shape[2]
            ):  # new positions after kept ones: each sees all kept and the new ones before it
                mask = torch.ones(T, k.shape[2], dtype=torch.bool, device=x.device).tril(k.shape[2] - T)
        if self.n_kv_head != self.n_head:
            k, v = (part.repeat_interleave(self.n_head // self.n_kv_head, dim=1) for part in (k, v))
        is_causal = self.causal and T > 1 and mask is None
        y = F.scaled_dot_product_attention(q, k, v, attn_mask=mask, is_causal=is_causal)
        y = y.transpose(1, 2).reshape(B, T, -1)
        if self.attn_sub_norm is not None:
            y = self.attn_sub_norm(y)
        out: Tensor = self.o_proj(self.quantize(y))
        return out


class FeedForward(nn.Module):
    """down(act(gate(x)) * up(x)), with SiLU (SwiGLU, arXiv 2002.05202) or squared ReLU as act."""

    def __init__(
        self,
        d_model: int,
        d_ff: int,
        linear: LinearFactory,
        *,
        activation: Activation = "swiglu",
        sub_norm: bool = False,
        act_quant: bool = False,
        eps: float = 1e-5,
    ) -> None:
        super().__init__()
        self.gate_proj = linear(d_model, d_ff)
        self.up_proj = linear(d_model, d_ff)
        self.down_proj = linear(d_ff, d_model)
        self.activation = activation
        self.ffn_sub_norm = RMSNorm(d_ff, eps) if sub_norm else None
        self.quantize = Int8Activations(act_quant)

    def forward(self, x: Tensor) -> Tensor:
        """`x` (B, T, C) to (B, T, C)."""
        gate_up = fused_linear(self.quantize(x), (self.gate_proj, self.up_proj))
        y = swiglu(gate_up) if self.activation == "swiglu" else relu2(gate_up)
        if self.ffn_sub_norm is not None:
            y = self.ffn_sub_norm(y)
        out: Tensor = self.down_proj(self.quantize(y))
        return out
