"""BitByteLM: causal, the same with and without a cache, and what a fresh one is."""

import numpy as np
import pytest
import torch

from bbyte.models.ar.config import ARConfig
from bbyte.models.ar.model import BitByteLM

SHAPE = {"n_layer": 2, "d_model": 32, "n_head": 4, "n_kv_head": 2, "d_ff": 64}
KINDS = {
    "ternary": {},
    "weights only": {"act_quant": False},
    "full": {"ternary": False},
    "untied": {"tied": False},
    "qk_norm": {"ternary": False, "qk_norm": True, "activation": "relu2"},
}


def randomised(**settings):
    model = BitByteLM(ARConfig(**SHAPE, **settings))
    generator = torch.Generator().manual_seed(3)
    for name, parameter in model.named_parameters():
        values = torch.randn(parameter.shape, generator=generator)
        parameter.data = 1 + 0.2 * values if "norm" in name else values / parameter.shape[-1] ** 0.5
    return model.eval()


def tokens(rows, length):
    return torch.from_numpy(np.random.default_rng(0).integers(0, 256, (rows, length), np.uint8))


@pytest.mark.parametrize("kind", KINDS)
def test_a_later_byte_changes_no_earlier_logit(kind):
    model, data = randomised(**KINDS[kind]), tokens(2, 40)
    with torch.no_grad():
        before = model(data)
        for position in (1, 17, 39):
            changed = data.clone()
            changed[0, position] ^= 0x55
            after = model(changed)
            assert torch.equal(after[1], before[1])  # nor anything in another row
            torch.testing.assert_close(after[0, :position], before[0, :position], rtol=1e-5, atol=1e-5)
            assert not torch.allclose(after[0, position], before[0, position], atol=1e-3)


@pytest.mark.parametrize("kind", ["weights only", "full", "untied", "qk_norm"])
@pytest.mark.parametrize("size", [1, 7, 40])
def test_a_cache_changes_no_logit(kind, size):
    model, data = randomised(**KINDS[kind]), tokens(3, 40)
    with torch.no_grad():
        whole, cache = model(data), model.new_cache(3, 41)
        parts = [model(data[:, begin : begin + size], cache) for begin in range(0, 40, size)]
    assert cache.length == 40
    torch.testing.assert_close(torch.cat(parts, 1), whole, rtol=1e-5, atol=1e-4)


def test_with_8_bit_activations_a_cache_changes_logits_by_a_rounding_step_at_most():
    # Sums in another order can fall on the other side of a rounding border, now and then.
    model, data = randomised(), tokens(3, 40)
    with torch.no_grad():
        whole, cache = model(data), model.new_cache(3, 41)
        parts = torch.cat([model(data[:, n : n + 1], cache) for n in range(40)], 1)
    assert (parts - whole).abs().median() < 1e-4
    assert (parts - whole).abs().max() < 0.2


@pytest.mark.parametrize("tied", [True, False])
def test_a_fresh_model_is_the_identity_around_its_embedding(tied):
    model = BitByteLM(ARConfig(**SHAPE, tied=tied))
    data = tokens(1, 10)
    embedded = model.embed_tokens(data.int())
    head = model.embed_tokens.weight if tied else model.lm_head.weight
    torch.testing.assert_close(model(data), model.norm(embedded) @ head.T, rtol=1e-4, atol=1e-5)
    assert model(data).any() == tied


def test_tokens_of_any_integer_type_mean_the_same():
    model, data = randomised(), tokens(1, 12)
    with torch.no_grad():
        assert torch.equal(model(data), model(data.long()))


@pytest.mark.parametrize("act_quant", [True, False])
def test_act_quant_decides_whether_activations_are_rounded(act_quant):
    from bbyte.quantization.bitlinear import set_quantized

    model, data = randomised(act_quant=act_quant), tokens(1, 30)
    with torch.no_grad():
        before = model(data)
        set_quantized(model, False)
        set_quantized(model, True)  # what training and loading do
        assert torch.equal(model(data), before)
        plain = randomised(act_quant=not act_quant)
        assert not torch.allclose(plain(data), before, atol=1e-4)
