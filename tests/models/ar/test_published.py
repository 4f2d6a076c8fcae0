"""A BitByteLM computes what the published models compute: on copied random weights, and on trained ones."""

import math
import re
from pathlib import Path

import numpy as np
import pytest
import torch
from transformers import (
    BitNetConfig,
    BitNetForCausalLM,
    LlamaConfig,
    LlamaForCausalLM,
    Qwen3Config,
    Qwen3ForCausalLM,
)
from transformers.integrations.bitnet import AutoBitLinear

from bbyte.models.ar.config import ARConfig
from bbyte.models.ar.model import BitByteLM

SHAPE = {"n_layer": 3, "d_model": 96, "n_head": 6, "d_ff": 160}
BABYLLAMA = Path(__file__).parents[4] / "shared" / "data" / "babyllama-tok105"
UNKNOWN, BOS, SPACE = 0, 1, 3  # symbols of its vocabulary


def randomise(model: torch.nn.Module) -> None:
    """Every parameter random and of a size that matters: fresh weights are zero where it counts."""
    generator = torch.Generator().manual_seed(5)
    for name, parameter in model.named_parameters():
        values = torch.randn(parameter.shape, generator=generator)
        parameter.data = 1 + 0.2 * values if "norm" in name else values * parameter.shape[-1] ** -0.5


def copied(ours: BitByteLM, theirs: torch.nn.Module) -> None:
    """Give `theirs` our weights, by name: theirs lead with "model.", nothing else differs."""
    weights = {
        f"model.{name}": value for name, value in ours.state_dict().items() if name != "lm_head.weight"
    }
    weights["lm_head.weight"] = ours.state_dict().get("lm_head.weight", ours.embed_tokens.weight)
    theirs.load_state_dict(weights, strict=True)


def their_config(kind: type, config: ARConfig, **more: object):
    return kind(
        vocab_size=config.vocab_size, hidden_size=config.d_model, intermediate_size=config.d_ff,
        num_hidden_layers=config.n_layer, num_attention_heads=config.n_head,
        num_key_value_heads=config.n_kv_head, head_dim=config.d_model // config.n_head,
        max_position_embeddings=256, rms_norm_eps=config.norm_eps, tie_word_embeddings=config.tied,
        rope_parameters={"rope_type": "default", "rope_theta": config.rope_base},
        attention_bias=False, bos_token_id=0, eos_token_id=0, **more,
    )  # fmt: skip


def largest_difference(ours: BitByteLM, theirs: torch.nn.Module) -> float:
    tokens = torch.randint(0, 256, (2, 70), generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        return float((ours(tokens.to(torch.uint8)) - theirs(tokens).logits).abs().max())


@pytest.mark.parametrize("n_kv_head", [6, 2])
@pytest.mark.parametrize("tied", [True, False])
def test_full_precision_is_llama(n_kv_head: int, tied: bool) -> None:
    config = ARConfig(**SHAPE, n_kv_head=n_kv_head, tied=tied, ternary=False)
    ours = BitByteLM(config)
    randomise(ours)
    theirs = LlamaForCausalLM(their_config(LlamaConfig, config, hidden_act="silu", mlp_bias=False)).eval()
    copied(ours, theirs)
    assert largest_difference(ours, theirs) <= 1e-4


def test_full_precision_with_qk_norm_is_qwen3() -> None:
    config = ARConfig(**SHAPE, n_kv_head=3, ternary=False, qk_norm=True)
    ours = BitByteLM(config)
    randomise(ours)
    theirs = Qwen3ForCausalLM(their_config(Qwen3Config, config, hidden_act="silu")).eval()
    copied(ours, theirs)
    assert largest_difference(ours, theirs) <= 1e-4


class ReferenceBitLinear(torch.nn.Linear):
    """transformers' online BitNet layer, its two quantizers run without compilation."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        weight_scale = 1.0 / self.weight.abs().mean().clamp(min=1e-5)
        weight = (self.weight * weight_scale).round().clamp(-1, 1) / weight_scale
        scale = 127 / x.abs().max(dim=-1, keepdim=True).values.clamp(min=1e-5)
        return torch.nn.functional.linear((x * scale).round().clamp(-128, 127) / scale, weight)


@pytest.mark.parametrize("activation", ["swiglu", "relu2"])
@pytest.mark.parametrize("n_kv_head", [6, 2])
def test_ternary_is_bitnet(activation: str, n_kv_head: int) -> None:
    config = ARConfig(**SHAPE, n_kv_head=n_kv_head, activation=activation)
    ours = BitByteLM(config)
    randomise(ours)
    hidden_act = {"swiglu": "silu", "relu2": "relu2"}[activation]
    theirs = BitNetForCausalLM(their_config(BitNetConfig, config, hidden_act=hidden_act)).eval()
    for name, module in list(theirs.named_modules()):
        if isinstance(module, torch.nn.Linear) and name != "lm_head":
            theirs.set_submodule(
                name, ReferenceBitLinear(module.in_features, module.out_features, bias=False), strict=True
            )
    copied(ours, theirs)
    assert largest_difference(ours, theirs) <= 1e-4


def test_the_reference_layer_is_theirs() -> None:
    torch.manual_seed(0)
    theirs = AutoBitLinear(48, 32, bias=False, online_quant=True)
    reference = ReferenceBitLinear(48, 32, bias=False)
    reference.load_state_dict(theirs.state_dict())
    x = torch.randn(7, 48)
    with torch.compiler.set_stance("force_eager"):
        assert torch.equal(theirs(x), reference(x))


def to_rotate_half(rows: torch.Tensor, heads: int) -> torch.Tensor:
    """Rows of a projection for interleaved rotary pairs, reordered for the rotate-half layout."""
    out, width = rows.shape
    return rows.view(heads, out // heads // 2, 2, width).transpose(1, 2).reshape(out, width)


def babyllama() -> BitByteLM:
    """The pretrained character Llama, read from llama2.c's layout."""
    raw = (BABYLLAMA / "model5000.bin").read_bytes()
    dim, hidden, layers, heads, kv_heads, vocab, _ = np.frombuffer(raw[:28], "<i4").tolist()
    numbers = torch.from_numpy(np.frombuffer(raw[28:], "<f4").copy())
    position = 0

    def take(*shape: int) -> torch.Tensor:
        nonlocal position
        position += math.prod(shape)
        return numbers[position - math.prod(shape) : position].view(shape)

    kv = kv_heads * dim // heads
    model = BitByteLM(
        ARConfig(
            n_layer=layers, d_model=dim, n_head=heads, n_kv_head=kv_heads, d_ff=hidden,
            vocab_size=vocab, ternary=False,
        )
    )  # fmt: skip
    embedding, attention_norm = take(vocab, dim), take(layers, dim)
    wq, wk, wv = take(layers, dim, dim), take(layers, kv, dim), take(layers, kv, dim)
    wo, ffn_norm = take(layers, dim, dim), take(layers, dim)
    w1, w2, w3 = take(layers, hidden, dim), take(layers, dim, hidden), take(layers, hidden, dim)
    weights = {"embed_tokens.weight": embedding, "norm.weight": take(dim)}
    for n in range(layers):
        weights |= {
            f"layers.{n}.input_layernorm.weight": attention_norm[n],
            f"layers.{n}.self_attn.q_proj.weight": to_rotate_half(wq[n], heads),
            f"layers.{n}.self_attn.k_proj.weight": to_rotate_half(wk[n], kv_heads),
            f"layers.{n}.self_attn.v_proj.weight": wv[n],
            f"layers.{n}.self_attn.o_proj.weight": wo[n],
            f"layers.{n}.post_attention_layernorm.weight": ffn_norm[n],
            f"layers.{n}.mlp.gate_proj.weight": w1[n],
            f"layers.{n}.mlp.down_proj.weight": w2[n],
            f"layers.{n}.mlp.up_proj.weight": w3[n],
        }
    model.load_state_dict(weights, strict=True)
    return model


@pytest.mark.skipif(not BABYLLAMA.is_dir(), reason="needs ../shared/data/babyllama-tok105")
def test_the_pretrained_character_llama_scores_what_its_source_says() -> None:
    model = babyllama()
    lines = (BABYLLAMA / "tok105.vocab").read_text("utf-8").split("\n")
    ids = {line.split("\t")[0]: n for n, line in enumerate(lines) if line}
    text = (BABYLLAMA.parent / "tinystories" / "stories_a.txt").read_text("utf-8")
    # Stories are joined by one newline, paragraphs by two; a newline is unknown to this vocabulary.
    stories = re.split(r"(?<!\n)\n(?!\n)", text)[:60]
    nats, characters = 0.0, 0
    for story in stories:
        tokens = torch.tensor([BOS, SPACE] + [ids.get(c.replace(" ", "▁"), UNKNOWN) for c in story[:255]])
        with torch.no_grad():
            logits = model(tokens[None, :-1])[0].double()
        costs = torch.nn.functional.cross_entropy(logits, tokens[1:], reduction="none")
        counted = tokens[1:] != UNKNOWN
        counted[0] = False  # the space that every story starts with
        nats += float(costs[counted].sum())
        characters += int(counted.sum())
    assert nats / characters / math.log(2) == pytest.approx(0.894, abs=0.004)
