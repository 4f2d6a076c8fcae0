"""Attention against an explicit softmax, and the key/value cache against reading everything again."""

import math
from pathlib import Path

import numpy as np
import pytest
import torch

from bbyte.layers import Attention, FeedForward, KVCache, Linear, RMSNorm, rotary_table
from bbyte.operations import rotate

SNAPSHOTS = Path(__file__).parents[2] / "shared" / "data" / "cs336-snapshots"


def random(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def attention(**settings):
    """An Attention of width 24 with four heads, every parameter random."""
    settings = {"n_head": 4, "n_kv_head": 4} | settings
    module = Attention(24, settings.pop("n_head"), settings.pop("n_kv_head"), Linear, **settings)
    for number, (name, parameter) in enumerate(module.named_parameters()):
        values = random(*parameter.shape, seed=number)
        parameter.data = 1 + 0.3 * values if "norm" in name else values / 4
    return module.eval()


def table_of(module, positions):
    return rotary_table(positions, module.n_head + module.n_kv_head, module.head_width, 10000.0)


def softmax_attention(q, k, v, visible):
    """softmax(q k^T / sqrt(D)) v over what is visible, one query at a time, in double precision."""
    q, k, v = q.double(), k.double(), v.double()
    result = torch.zeros(*q.shape[:-1], v.shape[-1], dtype=torch.float64)
    for index in np.ndindex(*q.shape[:-1]):
        keys, values, seen = k[index[:-1]], v[index[:-1]], visible[index]
        scores = (keys[seen] @ q[index]) / math.sqrt(q.shape[-1])
        weights = (scores - scores.max()).exp()
        result[index] = (weights / weights.sum()) @ values[seen]
    return result


def slow_attention(module, x):
    """What Attention should compute, from its parameters, head by head."""
    B, T, _ = x.shape
    table = table_of(module, torch.arange(T))
    cos, sin = table[0][:, :1], table[1][:, :1]

    def heads(projection, norm, n, turned=True):
        part = (x @ projection.weight.T).view(B, T, n, module.head_width)
        part = norm(part) if norm is not None else part
        return (rotate(part, cos, sin) if turned else part).transpose(1, 2)

    group = module.n_head // module.n_kv_head
    q = heads(module.q_proj, module.q_norm, module.n_head)
    k = heads(module.k_proj, module.k_norm, module.n_kv_head)
    v = heads(module.v_proj, None, module.n_kv_head, turned=False)
    k, v = (torch.stack([part[:, head // group] for head in range(module.n_head)], 1) for part in (k, v))
    before = torch.ones(T, T, dtype=torch.bool)
    visible = (before.tril() if module.causal else before).expand(B, module.n_head, T, T)
    y = softmax_attention(q, k, v, visible).float().transpose(1, 2).reshape(B, T, -1)
    y = module.attn_sub_norm(y) if module.attn_sub_norm is not None else y
    return y @ module.o_proj.weight.T


@pytest.mark.parametrize("n_kv_head", [4, 2, 1])
@pytest.mark.parametrize(
    "settings", [{}, {"causal": False}, {"qk_norm": True}, {"sub_norm": True}], ids=lambda s: "".join(s)
)
def test_attention_is_an_explicit_softmax(n_kv_head, settings):
    module, x = attention(n_kv_head=n_kv_head, **settings), random(2, 9, 24, seed=50)
    with torch.no_grad():
        found = module(x, table_of(module, torch.arange(9)))
        torch.testing.assert_close(found, slow_attention(module, x), rtol=1e-4, atol=1e-5)


@pytest.mark.skipif(not SNAPSHOTS.is_dir(), reason="needs ../shared/data/cs336-snapshots")
@pytest.mark.parametrize("name", ["scaled_dot_product_attention", "4d_scaled_dot_product_attention"])
def test_the_explicit_softmax_is_the_published_one(name):
    q, k, v = random(4, 12, 64, seed=1), random(4, 16, 64, seed=2), random(4, 16, 64, seed=3)
    visible = random(4, 12, 16, seed=5) > 0.5
    if name.startswith("4d"):
        q, k, v, visible = (part.view(2, 2, *part.shape[1:]) for part in (q, k, v, visible))
    expected = torch.from_numpy(np.load(SNAPSHOTS / f"test_{name}.npz")["array"])
    torch.testing.assert_close(softmax_attention(q, k, v, visible).float(), expected, rtol=0, atol=1e-6)


@pytest.mark.parametrize("n_kv_head", [4, 2])
@pytest.mark.parametrize("pieces", [[1] * 20, [7, 7, 6], [20], [1, 19], [5, 1, 1, 13]], ids=str)
def test_attention_over_a_cache_is_attention_over_all(n_kv_head, pieces):
    module, x = attention(n_kv_head=n_kv_head), random(3, 20, 24, seed=50)
    cache, outputs, begin = KVCache(1, (3, n_kv_head, 24, module.head_width), x), [], 0
    with torch.no_grad():
        whole = module(x, table_of(module, torch.arange(20)))
        for length in pieces:
            positions = torch.arange(begin, begin + length)
            outputs.append(module(x[:, begin : begin + length], table_of(module, positions), cache))
            cache.length = begin = begin + length
    torch.testing.assert_close(torch.cat(outputs, 1), whole, rtol=1e-5, atol=1e-5)


def test_a_cache_refuses_more_than_it_holds():
    cache = KVCache(1, (1, 1, 4, 2), torch.zeros(()))
    cache.length = 3
    with pytest.raises(RuntimeError):
        cache.extend(0, torch.zeros(1, 1, 2, 2), torch.zeros(1, 1, 2, 2))


@pytest.mark.parametrize("sub_norm", [False, True])
@pytest.mark.parametrize("activation", ["swiglu", "relu2"])
def test_feed_forward_is_its_formula(activation, sub_norm):
    torch.manual_seed(0)
    module, x = FeedForward(12, 20, Linear, activation=activation, sub_norm=sub_norm), random(2, 5, 12)
    gate, up = x @ module.gate_proj.weight.T, x @ module.up_proj.weight.T
    act = torch.nn.functional.silu(gate) if activation == "swiglu" else gate.clamp(min=0) ** 2
    inner = act * up
    if sub_norm:
        inner = inner / torch.sqrt(inner.square().mean(-1, keepdim=True) + 1e-5)
    torch.testing.assert_close(module(x), inner @ module.down_proj.weight.T, rtol=1e-4, atol=1e-5)


def test_what_reads_the_same_input_is_multiplied_at_once_and_stays_apart():
    """Gate and up, and q, k and v, share a product: a change of one must not reach another."""
    torch.manual_seed(0)
    module, x = FeedForward(12, 20, Linear), random(2, 5, 12)
    module(x).sum().backward()
    gate, up = module.gate_proj.weight.grad, module.up_proj.weight.grad
    module.zero_grad()
    y = torch.nn.functional.silu(x @ module.gate_proj.weight.T) * (x @ module.up_proj.weight.T)
    (y @ module.down_proj.weight.T).sum().backward()
    torch.testing.assert_close(module.gate_proj.weight.grad, gate, rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(module.up_proj.weight.grad, up, rtol=1e-4, atol=1e-5)


def test_a_norm_keeps_the_type_of_its_input():
    norm = RMSNorm(8, 1e-5)
    assert norm(random(2, 8).bfloat16()).dtype == torch.bfloat16
    assert norm(random(2, 8)).dtype == torch.float32


def test_a_rotary_table_depends_on_positions_alone():
    whole = rotary_table(torch.arange(10), 3, 8, 10000.0)
    later = rotary_table(torch.arange(6, 10), 3, 8, 10000.0)
    for one, other in zip(whole, later, strict=True):
        assert one.shape == (10, 3, 8)
        assert torch.equal(one[6:], other)
