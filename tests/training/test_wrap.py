"""Activation checkpointing and compilation: the same gradients, other costs."""

import copy
from functools import partial

import numpy as np
import pytest
import torch
from torch import nn

from bbyte.device import Placement, Runtime
from bbyte.errors import BbyteError, UsageError
from bbyte.layers import FeedForward
from bbyte.models.families import families, family
from bbyte.training import wrap as wrapping
from bbyte.training.noise import noise
from bbyte.training.wrap import recomputed, wrap

CPU, GPU = Placement("cpu", "fp32", 1, ()), Placement("cuda", "bf16", 1, ())
SHAPE = (3, 17)


def objective_of(name="ar"):
    """The smallest preset of a family, with weights that are nowhere zero."""
    kind = family(name)
    torch.manual_seed(0)
    model = kind.build(next(iter(kind.presets.values())))
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(0.02 * torch.randn_like(parameter))
    return kind.objective(model, kind.objective_config())


def wrapped(objective, placement=CPU, **runtime):
    return wrap(objective, Runtime(**{"compile": False, **runtime}), placement, SHAPE)


def gradients(objective, forward):
    torch.manual_seed(1)
    window = torch.randint(256, SHAPE, dtype=torch.uint8)
    cost = forward(window, *noise(objective, np.arange(SHAPE[0]), SHAPE[1] - 1, "cpu"))
    (cost.nats / cost.count).backward()
    return {name: parameter.grad for name, parameter in objective.named_parameters()}


def kept(objective, forward):
    """Bytes that the forward pass keeps for the backward pass."""
    storages = {}

    def keep(tensor):
        storages[tensor.untyped_storage()._cdata] = tensor.untyped_storage().nbytes()
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        forward(torch.zeros(SHAPE, dtype=torch.uint8))
    return sum(storages.values())


def has_feed_forward(objective):
    return any(isinstance(module, FeedForward) for module in objective.model.blocks.modules())


@pytest.mark.parametrize("name", families())
@pytest.mark.parametrize("what", ["mlp", "block"])
def test_gradients_are_those_without_it_bit_for_bit(name, what):
    plain, checkpointed = objective_of(name), objective_of(name)
    if what == "mlp" and not has_feed_forward(plain):
        with pytest.raises(UsageError, match="no feed-forward") as caught:
            wrapped(checkpointed, grad_checkpoint=what)
        assert caught.value.hint == "--grad-checkpoint block"
        return
    forward, said = wrapped(checkpointed, grad_checkpoint=what)
    assert said == ()
    expected, found = gradients(plain, plain), gradients(checkpointed, forward)
    assert list(found) == list(expected) == [name for name, _ in plain.named_parameters()]
    assert all(torch.equal(found[name], gradient) for name, gradient in expected.items())
    assert any(gradient.abs().sum() > 0 for gradient in expected.values())


def test_less_is_kept_for_the_backward_pass():
    sizes = []
    for what in ("none", "mlp", "block"):
        objective = objective_of()
        forward, _ = wrapped(objective, grad_checkpoint=what)
        sizes.append(kept(objective, forward))
    assert sizes[0] > 1.3 * sizes[1] and sizes[1] > 1.5 * sizes[2]


def test_names_types_and_evaluation_stay_as_they_were(monkeypatch):
    plain, checkpointed = objective_of(), objective_of()
    kinds = [type(module).__name__ for module in plain.modules()]
    wrapped(checkpointed, grad_checkpoint="block")
    assert [type(module).__name__ for module in checkpointed.modules()] == kinds
    assert list(checkpointed.state_dict()) == list(plain.state_dict())
    monkeypatch.setattr(wrapping, "checkpoint", None)  # what is not trained must not come here
    window = torch.randint(256, SHAPE, dtype=torch.uint8)
    with torch.inference_mode():
        assert checkpointed.measure(window).nats == plain.measure(window).nats


def test_a_copy_computes_with_its_own_weights():
    objective = objective_of()
    wrapped(objective, grad_checkpoint="block")
    twin = copy.deepcopy(objective)
    with torch.no_grad():
        for parameter in objective.parameters():
            parameter.zero_()
    expected = objective_of()
    found = gradients(twin, twin)
    assert all(torch.equal(found[n], g) for n, g in gradients(expected, expected).items())


@pytest.mark.parametrize(
    ("device", "asked", "taken"),
    [("cuda:1", "auto", "block"), ("cpu", "auto", "none"), ("mps", "auto", "none"), ("cpu", "mlp", "mlp")],
)
def test_auto_recomputes_blocks_on_a_gpu(device, asked, taken):
    placement = Placement(device, "fp32", 1, ())
    assert recomputed(Runtime(grad_checkpoint=asked), placement) == taken


def test_what_was_chosen_is_said(monkeypatch):
    monkeypatch.setattr(wrapping, "_try", lambda *_: None)
    _, said = wrap(objective_of(), Runtime(), GPU, SHAPE)
    assert (
        len(said) == 2 and said[0].startswith("grad_checkpoint block: ") and said[1].startswith("compiled: ")
    )
    assert wrap(objective_of(), Runtime(compile=False, grad_checkpoint="block"), GPU, SHAPE)[1] == ()
    objective = objective_of()
    assert wrap(objective, Runtime(), CPU, SHAPE) == (objective, ())


@pytest.mark.parametrize("what", ["none", "block"])
def test_compiled_it_gives_the_same_gradients_and_trying_it_leaves_nothing_behind(monkeypatch, what):
    monkeypatch.setattr(torch, "compile", partial(torch.compile, backend="aot_eager"))
    plain, objective = objective_of(), objective_of()
    state = torch.get_rng_state()
    forward, said = wrapped(objective, compile=True, grad_checkpoint=what)
    assert forward is not objective and said == ()
    assert torch.equal(torch.get_rng_state(), state)
    assert all(parameter.grad is None for parameter in objective.parameters())
    expected, found = gradients(plain, plain), gradients(objective, forward)
    for name, gradient in expected.items():
        torch.testing.assert_close(found[name], gradient, rtol=1e-3, atol=1e-5)


class _Unfit(nn.Module):
    """An objective that no compiler takes as one graph."""

    is_random = False

    def __init__(self):
        super().__init__()
        self.model = objective_of().model

    def forward(self, window):
        torch._dynamo.graph_break()
        return objective_of()(window)


def test_what_cannot_be_compiled_is_an_error_where_it_was_asked_for():
    with pytest.raises(BbyteError, match=r"cannot be compiled here: \w+") as caught:
        wrapped(_Unfit(), compile=True)
    assert caught.value.hint == "--no-compile" and "\n" not in caught.value.message


def test_under_auto_it_runs_as_it_is_and_says_so(monkeypatch):
    def fails(*_):
        raise RuntimeError("no compiler found\nand much more")

    monkeypatch.setattr(wrapping, "_try", fails)
    objective = objective_of()
    forward, said = wrap(objective, Runtime(grad_checkpoint="none"), GPU, SHAPE)
    assert forward is objective
    assert said == ("not compiled, because that fails here: no compiler found",)


def test_running_out_of_memory_is_not_taken_for_a_failure_to_compile(monkeypatch):
    def fails(*_):
        raise torch.OutOfMemoryError("no room")

    monkeypatch.setattr(wrapping, "_try", fails)
    with pytest.raises(torch.OutOfMemoryError):
        wrap(objective_of(), Runtime(), GPU, SHAPE)


@pytest.mark.slow
@pytest.mark.parametrize("what", ["none", "block"])
def test_compiled_for_real(what):
    plain, objective = objective_of(), objective_of()
    forward, _ = wrapped(objective, compile=True, grad_checkpoint=what)
    expected, found = gradients(plain, plain), gradients(objective, forward)
    for name, gradient in expected.items():
        torch.testing.assert_close(found[name], gradient, rtol=2e-2, atol=2e-3)
