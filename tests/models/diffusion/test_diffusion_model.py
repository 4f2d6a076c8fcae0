"""A DiffusionLM sees both sides of a hole: a published transformer without its causal mask."""

import numpy as np
import pytest
import torch
from transformers import LlamaConfig, LlamaForCausalLM, Qwen3Config, Qwen3ForCausalLM

from bbyte.models.diffusion.config import MASK, DiffusionConfig
from bbyte.models.diffusion.model import DiffusionLM
from bbyte.quantization.bitlinear import BitLinear, set_quantized

SHAPE = {"n_layer": 2, "d_model": 48, "n_head": 6, "n_kv_head": 2, "d_ff": 80}
CLOSE = {"rtol": 0, "atol": 1e-5}


def random_model(**settings):
    """Every parameter random and of a size that matters: fresh weights are zero where it counts."""
    model = DiffusionLM(DiffusionConfig(**{**SHAPE, **settings}))
    generator = torch.Generator().manual_seed(5)
    for name, parameter in model.named_parameters():
        values = torch.randn(parameter.shape, generator=generator)
        parameter.data = 1 + 0.2 * values if "norm" in name else values * parameter.shape[-1] ** -0.5
    return model.eval()


def tokens(rows=2, length=24, seed=0, hidden=0.5):
    dice = np.random.default_rng(seed)
    drawn = dice.integers(0, 256, (rows, length))
    return torch.from_numpy(np.where(dice.random((rows, length)) < hidden, MASK, drawn)).int()


def logits(model, shown, there=None):
    with torch.no_grad():
        return model(shown, there)


def ended(lengths, length):
    return torch.arange(length)[None, :] < torch.tensor(lengths)[:, None]


@pytest.fixture(params=[False, True], ids=["full", "ternary"])
def model(request):
    return random_model(ternary=request.param)


@pytest.mark.parametrize("tied", [True, False])
def test_it_predicts_bytes_alone(tied):
    model = random_model(tied=tied)
    found = logits(model, tokens())
    assert found.shape == (2, 24, 256) and found.isfinite().all()
    assert model.embed_tokens.weight.shape == (257, 48)
    assert (model.lm_head is None) == tied


def test_a_seen_byte_matters_on_both_of_its_sides(model):
    shown = tokens()
    shown[:, 12] = 65
    other = shown.clone()
    other[:, 12] = 66
    change = (logits(model, shown) - logits(model, other)).abs().amax((0, 2))
    assert (change > 1e-4).all()


def test_where_a_byte_stands_matters(model):
    shown = tokens()
    shown[:, 5], shown[:, 12], shown[:, 18] = 65, MASK, 66
    other = shown.clone()
    other[:, 5], other[:, 18] = 66, 65
    assert (logits(model, shown) - logits(model, other))[:, 12].abs().max() > 1e-3


def test_rows_of_a_batch_do_not_meet(model):
    shown = tokens(5)
    together = logits(model, shown)
    for row in range(5):
        torch.testing.assert_close(together[row : row + 1], logits(model, shown[row : row + 1]), **CLOSE)


def test_a_cut_row_is_what_it_is_alone(model):
    lengths = [24, 1, 7, 23, 2]
    shown = tokens(5)
    found = logits(model, shown, ended(lengths, 24))
    assert found.isfinite().all()
    for row, length in enumerate(lengths):
        alone = logits(model, shown[row : row + 1, :length])
        torch.testing.assert_close(found[row : row + 1, :length], alone, **CLOSE)


def test_what_stands_behind_the_end_does_not_matter(model):
    shown, there = tokens(3), ended([5, 9, 24], 24)
    other = torch.where(there, shown, tokens(3, seed=9))
    found = [logits(model, one, there)[there] for one in (shown, other)]
    assert torch.equal(*found)
    assert not torch.equal(logits(model, shown)[there], found[0])  # without being told, it looks


def test_a_place_that_has_ended_gives_no_gradient_to_what_stands_there():
    model = random_model(tied=False)
    there = ended([6], 12)
    model(torch.arange(12, dtype=torch.int32)[None], there)[there].square().sum().backward()
    touched = model.embed_tokens.weight.grad.any(1).nonzero().flatten()
    assert touched.tolist() == list(range(6))


def test_the_row_for_hidden_bytes_is_read_for_them_alone():
    model = random_model()
    seen, holed = tokens(hidden=0), tokens(hidden=0.5)
    before = [logits(model, shown) for shown in (seen, holed)]
    with torch.no_grad():
        model.embed_tokens.weight[MASK] += 1
    assert torch.equal(logits(model, seen), before[0])  # nor does a tied head have it
    assert (logits(model, holed) - before[1]).abs().max() > 1e-2


def test_a_tied_head_gives_no_gradient_to_the_row_for_hidden_bytes():
    model = random_model()
    model(tokens(hidden=0)).square().sum().backward()
    assert not model.embed_tokens.weight.grad[MASK].any()
    model.zero_grad()
    model(tokens(hidden=0.5)).square().sum().backward()
    assert model.embed_tokens.weight.grad.any(1).all()


def test_ternary_weights_are_ternary_and_can_be_switched_off():
    model = random_model(ternary=True)
    layers = [module for module in model.modules() if isinstance(module, BitLinear)]
    assert len(layers) == 7 * SHAPE["n_layer"]
    assert all(len(layer.effective_weight().unique()) == 3 for layer in layers)
    assert model.layers[0].self_attn.attn_sub_norm is not None
    shown = tokens()
    quantized = logits(model, shown)
    set_quantized(model, False)
    assert (logits(model, shown) - quantized).abs().max() > 0.01
    model.train()
    set_quantized(model, True)
    model(shown).square().sum().backward()
    assert all(layer.weight.grad.abs().sum() > 0 for layer in layers)


def test_no_ternary_weight_in_full_precision():
    assert not any(isinstance(module, BitLinear) for module in random_model().modules())


def theirs_of(ours, kind, config_kind):
    """transformers' model of the same weights, with one more symbol, and plain attention."""
    config = ours.config
    theirs = kind(
        config_kind(
            vocab_size=257, hidden_size=config.d_model, intermediate_size=config.d_ff,
            num_hidden_layers=config.n_layer, num_attention_heads=config.n_head,
            num_key_value_heads=config.n_kv_head, head_dim=config.d_model // config.n_head,
            max_position_embeddings=256, rms_norm_eps=config.norm_eps, tie_word_embeddings=False,
            rope_parameters={"rope_type": "default", "rope_theta": config.rope_base},
            attention_bias=False, attn_implementation="eager", hidden_act="silu",
        )
    ).eval()  # fmt: skip
    weights = ours.state_dict()
    head = weights.pop("lm_head.weight", weights["embed_tokens.weight"])
    if len(head) == 256:
        head = torch.cat([head, torch.zeros(1, config.d_model)])
    weights = {f"model.{name}": value for name, value in weights.items()} | {"lm_head.weight": head}
    theirs.load_state_dict(weights, strict=True)
    return theirs


@pytest.mark.parametrize("lengths", [None, (40, 13, 1)], ids=["whole", "cut"])
@pytest.mark.parametrize(
    ("settings", "kind", "config_kind"),
    [
        ({}, LlamaForCausalLM, LlamaConfig),
        ({"tied": False, "n_kv_head": 6}, LlamaForCausalLM, LlamaConfig),
        ({"qk_norm": True}, Qwen3ForCausalLM, Qwen3Config),
    ],
    ids=["llama", "llama-untied", "qwen3"],
)
def test_it_is_a_published_transformer_without_its_causal_mask(settings, kind, config_kind, lengths):
    ours = random_model(**settings)
    theirs = theirs_of(ours, kind, config_kind)
    shown = tokens(3, 40)
    there = None if lengths is None else ended(lengths, 40)
    added = torch.zeros(3, 1, 40, 40)
    if there is not None:
        added.masked_fill_(~there[:, None, None, :], torch.finfo(torch.float32).min)
    with torch.no_grad():
        expected = theirs(shown.long(), attention_mask=added).logits[..., :256]
        causal = theirs(shown.long()).logits[..., :256]
    counted = torch.ones(3, 40, dtype=torch.bool) if there is None else there
    found = logits(ours, shown, there)
    torch.testing.assert_close(found[counted], expected[counted], rtol=0, atol=1e-4)
    assert (found - causal)[0].abs().max() > 0.1  # the two kinds of attention can be told apart
