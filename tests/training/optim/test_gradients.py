"""Clipping is torch's to the bit, and the loss scale is that of torch's GradScaler, all without the host."""

import math
import random

import pytest
import torch
from torch import nn

from bbyte.training.optim import gradients
from bbyte.training.optim.gradients import LossScale, clip

NONE, FP16 = LossScale("fp32", "cpu"), LossScale("fp16", "cpu")


def parameters(size=1.0, seed=0):
    generator = torch.Generator().manual_seed(seed)
    made = [nn.Parameter(torch.zeros(shape)) for shape in ((7, 5), (300,), (1,), (64, 64))]
    for parameter in made:
        parameter.grad = size * torch.randn(parameter.shape, generator=generator)
    return [*made, nn.Parameter(torch.zeros(3))]  # the last one has no gradient


def held(made):
    return torch.cat([parameter.grad.flatten() for parameter in made if parameter.grad is not None])


@pytest.mark.parametrize("size", [1e-9, 1e-3, 1.0, 1e6])
@pytest.mark.parametrize("largest", [1e-12, 0.1, 1.0, 1e9])
def test_clipping_is_torchs_to_the_bit(size, largest):
    ours, theirs = parameters(size), parameters(size)
    norm, found_inf = clip(iter(ours), largest, NONE)
    assert torch.equal(norm, nn.utils.clip_grad_norm_(theirs, largest))
    assert torch.equal(held(ours), held(theirs))
    assert found_inf == 0 and found_inf.dtype == torch.float32 and found_inf.shape == ()


@pytest.mark.parametrize("largest", [0.1, 1e9])
def test_the_loss_scale_is_taken_out_of_gradients_and_norm(largest):
    scaled, plain = parameters(65536.0), parameters(1.0)
    norm, found_inf = clip(scaled, largest, FP16)
    expected, _ = clip(plain, largest, NONE)
    assert torch.equal(norm, expected) and found_inf == 0
    assert torch.equal(held(scaled), held(plain))


def test_the_norm_is_that_of_all_gradients_together():
    made = [nn.Parameter(torch.zeros(2)), nn.Parameter(torch.zeros(1))]
    made[0].grad, made[1].grad = torch.tensor([2.0, 3.0]), torch.tensor([6.0])
    norm, _ = clip(made, 3.5, NONE)
    assert norm == 7.0
    torch.testing.assert_close(held(made), torch.tensor([1.0, 1.5, 3.0]))


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
@pytest.mark.parametrize("which", range(4))
def test_one_number_that_is_not_finite_is_found(bad, which):
    made = parameters()
    made[which].grad.view(-1)[-1] = bad
    norm, found_inf = clip(made, 1.0, NONE)
    assert found_inf == 1 and found_inf.dtype == torch.float32
    assert not norm.isfinite()


def test_the_scale_moves_as_that_of_torchs_gradscaler(monkeypatch):
    monkeypatch.setattr(gradients, "GOOD_STEPS", 3)
    ours, dice = LossScale("fp16", "cpu"), random.Random(0)
    theirs = torch.amp.GradScaler("cpu", init_scale=65536.0, growth_interval=3)
    seen = set()
    for _ in range(200):
        parameter = nn.Parameter(torch.zeros(1))
        theirs.scale(torch.zeros(1))
        overflow = dice.random() < 0.2
        parameter.grad = torch.full((1,), math.inf if overflow else 1.0)
        sgd = torch.optim.SGD([parameter], lr=0.1)
        theirs.step(sgd)
        theirs.update()
        ours.update(torch.tensor(float(overflow)))
        assert float(ours.value) == theirs.get_scale() >= 1
        seen.add(float(ours.value))
    assert len(seen) > 5


def test_only_an_overflow_at_a_scale_of_1_is_a_fault():
    scale, overflow = LossScale("fp16", "cpu"), torch.tensor(1.0)
    for halvings in range(16):
        assert scale.value == 65536 / 2**halvings
        assert scale.update(overflow) == 0
    for _ in range(3):
        assert scale.value == 1
        assert scale.update(overflow) == 1
        assert scale.update(torch.tensor(0.0)) == 0


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_without_fp16_the_scale_stays_1_and_what_is_not_finite_is_a_fault(precision):
    scale = LossScale(precision, "cpu")
    for flag in (1.0, 0.0, 1.0):
        assert scale.update(torch.tensor(flag)) == flag
    assert scale.value == 1 and not scale.moves


def test_its_state_is_the_tensors_themselves(monkeypatch):
    monkeypatch.setattr(gradients, "GOOD_STEPS", 2)
    scale, other = LossScale("fp16", "cpu"), LossScale("fp16", "cpu")
    for flag in (1.0, 0.0):
        scale.update(torch.tensor(flag))
    for name, value in other.state().items():
        value.copy_(scale.state()[name])
    assert other.value == 32768 and other.good_steps == 1
    other.update(torch.tensor(0.0))
    assert other.value == 65536 and scale.value == 32768
