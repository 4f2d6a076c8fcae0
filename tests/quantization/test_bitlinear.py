"""BitLinear, and above all its cache: the ternary values must never be those of an older weight."""

import copy
import io

import pytest
import torch
from torch import nn

from bbyte.models.ar.config import ARConfig
from bbyte.models.ar.model import BitByteLM
from bbyte.models.next_byte import NextByte
from bbyte.quantization.bitlinear import BitLinear, fused_linear, is_ternary, set_quantized
from bbyte.quantization.ternary import ternary_values
from bbyte.training.optim.muon import Muon


def random(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


@pytest.fixture
def layer():
    torch.manual_seed(0)
    layer = BitLinear(12, 8)
    layer(random(3, 12))  # so that there is something in the cache to be stale
    return layer


def assert_fresh(layer):
    x = random(5, 12, seed=8)
    expected = x @ ternary_values(layer.weight.detach()).T
    torch.testing.assert_close(layer(x), expected, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("kind", ["adamw", "fused", "foreach", "sgd", "muon"])
def test_the_cache_follows_every_optimizer(layer, kind):
    optimizer = {
        "adamw": lambda p: torch.optim.AdamW(p, lr=1.0, foreach=False),
        "fused": lambda p: torch.optim.AdamW(p, lr=1.0, fused=True),
        "foreach": lambda p: torch.optim.AdamW(p, lr=1.0, foreach=True),
        "sgd": lambda p: torch.optim.SGD(p, lr=1.0),
        "muon": lambda p: Muon(p, lr=1.0),
    }[kind](layer.parameters())
    for _ in range(3):
        before = ternary_values(layer.weight.detach())
        layer(random(5, 12)).square().sum().backward()
        optimizer.step()
        assert not torch.equal(before, ternary_values(layer.weight.detach()))
        assert_fresh(layer)


def other_weights():
    return {"weight": random(8, 12, seed=5)}


def by_data(layer):
    layer.weight.data = random(8, 12, seed=5)


def by_copy(layer):
    with torch.no_grad():
        layer.weight.copy_(random(8, 12, seed=5))


def by_copy_in_inference_mode(layer):
    with torch.inference_mode():
        layer.weight.copy_(random(8, 12, seed=5))


def by_a_new_parameter(layer):
    layer.weight = nn.Parameter(random(8, 12, seed=5))


def by_assignment_of_a_parameter_as_old(layer):
    """A new tensor that was written to exactly as often as the one it replaces."""
    new = nn.Parameter(torch.zeros(8, 12))
    with torch.no_grad():
        while new._version < layer.weight._version:
            new.copy_(random(8, 12, seed=5))
    assert new._version == layer.weight._version
    layer.weight = new


WRITES = {
    "load_state_dict": lambda layer: layer.load_state_dict(other_weights()),
    "load_state_dict by assignment": lambda layer: layer.load_state_dict(other_weights(), assign=True),
    "copy_": by_copy,
    "copy_ in inference mode": by_copy_in_inference_mode,
    "data": by_data,
    "a new parameter": by_a_new_parameter,
    "a new parameter of the same version": by_assignment_of_a_parameter_as_old,
    "to another type and back": lambda layer: layer.to(torch.bfloat16).to(torch.float32),
    "double": lambda layer: layer.to(torch.float32),
    "apply": lambda layer: layer._apply(lambda t: t * -1),
}


@pytest.mark.parametrize("name", WRITES)
def test_the_cache_follows_every_way_to_write_a_weight(layer, name):
    WRITES[name](layer)
    assert_fresh(layer)


@pytest.mark.parametrize("name", ["load_state_dict", "copy_", "load_state_dict by assignment"])
def test_the_cache_follows_a_write_after_an_evaluation_in_between(layer, name):
    with torch.inference_mode():
        layer(random(3, 12))
    WRITES[name](layer)
    with torch.inference_mode():
        assert_fresh(layer)
    assert_fresh(layer)


def test_training_may_use_what_an_evaluation_cached():
    layer = BitLinear(12, 8)
    with torch.inference_mode():
        layer(random(3, 12))
    layer(random(3, 12)).sum().backward()
    assert layer.weight.grad.any()


def test_weights_made_in_inference_mode_are_never_stale():
    with torch.inference_mode():
        layer = BitLinear(12, 8)
        assert_fresh(layer)
        layer.weight.copy_(random(8, 12, seed=5))
        assert_fresh(layer)


def test_the_cache_follows_switching_off_training_and_switching_on(layer):
    set_quantized(layer, False)
    layer(random(3, 12))
    by_copy(layer)
    set_quantized(layer, True)
    assert_fresh(layer)


@pytest.mark.parametrize("how", ["deepcopy", "saved and loaded"])
def test_a_copy_counts_its_versions_anew(layer, how):
    with torch.no_grad():
        for seed in range(5):
            layer.weight.copy_(random(8, 12, seed=seed))
    layer(random(3, 12))
    if how == "deepcopy":
        twin = copy.deepcopy(layer)
    else:
        file = io.BytesIO()
        torch.save(layer, file)
        file.seek(0)
        twin = torch.load(file, weights_only=False)
    assert twin._cached is None
    with torch.no_grad():
        for seed in range(10, 20):
            twin.weight.copy_(random(8, 12, seed=seed))
            assert_fresh(twin)
    assert_fresh(layer)


def test_the_weight_is_quantized_once_an_update_not_once_a_batch(layer, monkeypatch):
    from bbyte.quantization import bitlinear

    calls = []
    monkeypatch.setattr(bitlinear, "ternary_values", lambda w: calls.append(1) or ternary_values(w))
    by_copy(layer)
    for _ in range(4):
        layer(random(3, 12)).sum().backward()
    assert len(calls) == 1


def test_nothing_but_the_weight_is_saved(layer):
    assert layer.state_dict().keys() == {"weight"}
    assert torch.equal(layer.state_dict()["weight"], layer.weight)


def test_every_weight_of_a_layer_gets_the_full_gradient(layer):
    x, towards = random(6, 12), random(6, 8, seed=3)
    (layer(x) * towards).sum().backward()
    torch.testing.assert_close(layer.weight.grad, towards.T @ x, rtol=1e-5, atol=1e-6)


def test_fused_layers_give_what_they_give_alone():
    torch.manual_seed(0)
    layers = (BitLinear(12, 8), BitLinear(12, 4), nn.Linear(12, 5, bias=False))
    x = random(2, 7, 12)
    together = fused_linear(x, layers)
    torch.testing.assert_close(together, torch.cat([layer(x) for layer in layers], -1), rtol=1e-5, atol=1e-6)


def model_of(**settings):
    model = BitByteLM(ARConfig(n_layer=2, d_model=32, n_head=4, n_kv_head=2, d_ff=64, **settings))
    for number, (name, parameter) in enumerate(model.named_parameters()):
        values = random(*parameter.shape, seed=number)
        parameter.data = 1 + 0.2 * values if "norm" in name else values / parameter.shape[-1] ** 0.5
    return model


def windows():
    return torch.randint(0, 256, (3, 33), dtype=torch.uint8, generator=torch.Generator().manual_seed(1))


def test_switched_off_a_ternary_model_is_the_full_precision_one_with_sub_norms():
    ternary, full = model_of(), model_of(ternary=False, sub_norm=True)
    assert is_ternary(ternary) and not is_ternary(full)
    full.load_state_dict(ternary.state_dict(), strict=True)
    with torch.no_grad():
        assert not torch.allclose(ternary(windows()), full(windows()), atol=0.1)
        set_quantized(ternary, False)
        assert torch.equal(ternary(windows()), full(windows()))
        set_quantized(full, True)  # switches nothing on: there is nothing ternary in it
        assert torch.equal(ternary(windows()), full(windows()))


def test_the_gradient_of_a_whole_ternary_model_points_where_the_true_one_does():
    """And it reaches most parameters, where that of the old trainer reached hardly any."""
    gradients = {}
    for quantized in (True, False):
        model = model_of()
        set_quantized(model, quantized)
        NextByte(model)(windows()).nats.backward()
        gradients[quantized] = torch.cat([p.grad.flatten() for p in model.parameters()])
        assert all(p.grad.count_nonzero() > 0.5 * p.grad.numel() for p in model.layers.parameters())
    assert torch.cosine_similarity(gradients[True], gradients[False], dim=0) > 0.2


@pytest.mark.slow
@pytest.mark.parametrize(
    "settings", [{}, {"ternary": False}, {"qk_norm": True, "activation": "relu2"}], ids=str
)
def test_compiled_the_objective_gives_the_same_loss_and_gradients(settings):
    torch._dynamo.reset()
    results = []
    for compiled in (False, True):
        objective = NextByte(model_of(**settings), z_loss=1e-4)
        forward = torch.compile(objective) if compiled else objective
        cost = forward(windows())
        cost.nats.backward()
        assert cost.count == 3 * 32
        results.append((cost.nats.detach(), [p.grad for p in objective.parameters()]))
    (eager, eager_grads), (fast, fast_grads) = results
    torch.testing.assert_close(fast, eager, rtol=2e-4, atol=0)
    for one, other in zip(fast_grads, eager_grads, strict=True):
        assert torch.cosine_similarity(one.flatten(), other.flatten(), dim=0) > 0.999
