"""A MambaLM computes what transformers' models compute: at once, byte by byte, and the gradients."""

from dataclasses import replace

import pytest
import torch
from transformers import Mamba2Config, Mamba2ForCausalLM
from transformers import MambaConfig as TransformersMambaConfig
from transformers import MambaForCausalLM as TransformersMamba

from bbyte.models.mamba.config import MambaConfig
from bbyte.models.mamba.config_names import transformers_config
from bbyte.models.mamba.model import MambaLM
from bbyte.models.mamba.names import from_transformers, to_transformers
from bbyte.quantization.bitlinear import BitLinear

CLOSE = 1e-4
SHAPE = {"n_layer": 2, "d_model": 32, "norm_eps": 1e-5}
CONFIGS = {
    "mamba2": MambaConfig(**SHAPE, headdim=16, d_state=16, tied=False),
    "mamba2, 2 groups": MambaConfig(**SHAPE, headdim=8, d_state=12, n_groups=2),
    "mamba1": MambaConfig(**SHAPE, ssm="mamba1", d_state=8),
    "mamba1, untied": MambaConfig(**SHAPE, ssm="mamba1", d_state=5, d_conv=3, dt_rank=3, tied=False),
}
LENGTHS = (1, 7, 64, 100, 200)
"""Most are no multiple of a chunk, ours (64) or theirs (256)."""


def perturbed(config):
    """Every parameter of a size that matters: fresh ones are 0 or 1 where it counts."""
    torch.manual_seed(3)
    model = MambaLM(config)
    for name, parameter in model.named_parameters():
        values = torch.randn(parameter.shape)
        if parameter.dim() < 2 or "A_log" in name:
            parameter.data += 0.2 * values
        else:
            parameter.data = values * parameter.shape[-1] ** -0.5
    return model.eval()


def transformers_model(ours):
    """Theirs, with our weights."""
    values = transformers_config(ours.config)
    if ours.config.ssm == "mamba2":
        theirs = Mamba2ForCausalLM(Mamba2Config.from_dict(values))
    else:
        theirs = TransformersMamba(TransformersMambaConfig.from_dict(values))
    theirs.load_state_dict(to_transformers(ours.state_dict(), ours.config), strict=True)
    return theirs.eval()


@pytest.fixture(scope="module", params=CONFIGS)
def models(request):
    ours = perturbed(CONFIGS[request.param])
    return ours, transformers_model(ours)


def text(length, rows=2):
    return torch.randint(0, 256, (rows, length), generator=torch.Generator().manual_seed(length))


@pytest.mark.parametrize("length", LENGTHS)
@torch.no_grad()
def test_logits_are_those_of_transformers(models, length):
    ours, theirs = models
    tokens = text(length)
    found, expected = ours(tokens.to(torch.uint8)), theirs(tokens, use_cache=False).logits
    assert expected.std() > 0.1
    assert (found - expected).abs().max() <= CLOSE


@torch.no_grad()
def test_byte_by_byte_they_are_those_of_transformers(models):
    ours, theirs = models
    tokens = text(40)
    state, cache = ours.new_state(2), None
    for step in tokens.split(1, dim=1):
        answer = theirs(step, cache_params=cache, use_cache=True)
        cache = answer.cache_params
        assert (ours(step, state) - answer.logits).abs().max() <= CLOSE


@pytest.mark.parametrize("prompt", [2, 33, 70])
@torch.no_grad()
def test_bytes_after_a_prompt_are_those_of_transformers(models, prompt):
    ours, theirs = models
    tokens, state = text(prompt + 5), ours.new_state(2)
    answer = theirs(tokens[:, :prompt], use_cache=True)
    assert (ours(tokens[:, :prompt], state) - answer.logits).abs().max() <= CLOSE
    for step in tokens[:, prompt:].split(1, dim=1):
        answer = theirs(step, cache_params=answer.cache_params, use_cache=True)
        assert (ours(step, state) - answer.logits).abs().max() <= CLOSE


@pytest.mark.parametrize("length", [7, 100])
def test_gradients_are_those_of_transformers(models, length):
    ours, theirs = models
    tokens = text(length + 1)
    inputs, targets = tokens[:, :-1], tokens[:, 1:]
    gradients = []
    for model, logits in ((ours, ours(inputs)), (theirs, theirs(inputs, use_cache=False).logits)):
        model.zero_grad()
        torch.nn.functional.cross_entropy(logits.flatten(0, 1), targets.flatten()).backward()
        gradients.append({name: value.grad for name, value in model.named_parameters()})
    found, expected = gradients[0], gradients[1]
    if ours.config.tied:
        expected["lm_head.weight"] = expected["backbone.embeddings.weight"]
    expected = from_transformers(expected, ours.config)
    assert found.keys() == expected.keys()
    for name, value in expected.items():
        assert value.abs().max() > 0, name
        torch.testing.assert_close(
            found[name],
            value,
            rtol=0,
            atol=1e-3 * float(value.abs().max()),
            msg=lambda text, n=name: n + text,
        )


@pytest.mark.parametrize("ssm", ["mamba2", "mamba1"])
@torch.no_grad()
def test_ternary_weights_given_as_their_values_are_those_of_transformers(ssm):
    """With activations left alone a ternary model is one of full precision with three values a matrix."""
    config = MambaConfig(**SHAPE, ssm=ssm, headdim=16, d_state=8, ternary=True, act_quant=False)
    ours = perturbed(config)
    weights = ours.state_dict() | {
        f"{name}.weight": module.effective_weight()
        for name, module in ours.named_modules()
        if isinstance(module, BitLinear)
    }
    plain = MambaLM(replace(config, ternary=False)).eval()
    plain.load_state_dict(weights)
    tokens = text(70)
    found, expected = ours(tokens), transformers_model(plain)(tokens, use_cache=False).logits
    assert (found - expected).abs().max() <= CLOSE
