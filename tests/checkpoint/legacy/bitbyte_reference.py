"""BitByte's models once more, in plain formulas: what a converted checkpoint is compared with."""

import torch
from torch.nn.functional import silu, softmax


def logits(weights, tokens, *, n_head, act_quant=True, causal=True):
    """Logits (B, T, 256) of BitByte's transformer for `tokens` (B, T), from its own state dict."""
    n_layer = 1 + max(int(name.split(".")[1]) for name in weights if name.startswith("blocks."))
    x = weights["tok_emb.weight"][tokens]
    for index in range(n_layer):
        part = {
            name.removeprefix(f"blocks.{index}."): value
            for name, value in weights.items()
            if name.startswith(f"blocks.{index}.")
        }
        x = x + attention(normed(x, part["n1.weight"]), part, n_head, act_quant, causal)
        gate_up = bit_product(normed(x, part["n2.weight"]), part["mlp.gate_up.weight"], act_quant)
        gate, up = gate_up.chunk(2, dim=-1)
        x = x + bit_product(silu(gate) * up, part["mlp.down.weight"], act_quant)
    return normed(x, weights["norm_f.weight"]) @ weights["lm_head.weight"].T


def normed(x, weight):
    return x / (x.pow(2).mean(-1, keepdim=True) + 1e-6).sqrt() * weight


def bit_product(x, weight, act_quant):
    if act_quant:
        step = (x.abs().amax(-1, keepdim=True) / 127).clamp(min=1e-8)
        x = (x / step).round() * step
    gamma = weight.abs().mean().clamp(min=1e-8)
    return x @ ((weight / gamma).clamp(-1, 1).round() * gamma).T


def attention(x, part, n_head, act_quant, causal):
    B, T, C = x.shape
    width = C // n_head
    q, k, v = (
        bit_product(x, part[f"attn.{name}_proj.weight"], act_quant).view(B, T, -1, width).transpose(1, 2)
        for name in "qkv"
    )
    q, k = turned(q), turned(k)
    shared = n_head // k.shape[1]
    k, v = k.repeat_interleave(shared, 1), v.repeat_interleave(shared, 1)
    scores = q @ k.transpose(-1, -2) / width**0.5
    if causal:
        scores = scores.masked_fill(torch.ones(T, T, dtype=torch.bool).triu(1), float("-inf"))
    heads = (softmax(scores, -1) @ v).transpose(1, 2).reshape(B, T, C)
    return bit_product(heads, part["attn.o_proj.weight"], act_quant)


def turned(x):
    """Rotary positions: the first half of a head turns with the second."""
    T, width = x.shape[-2:]
    frequencies = 10000.0 ** (-torch.arange(0, width, 2) / width)
    angles = torch.arange(T)[:, None] * frequencies
    first, second = x.chunk(2, -1)
    return torch.cat(
        (first * angles.cos() - second * angles.sin(), second * angles.cos() + first * angles.sin()), -1
    )
