"""8-bit activations are BitNet's, and their gradient passes."""

import pytest
import torch

from bbyte.quantization.activations import Int8Activations, int8_values


def random(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def bitnet(activation):
    """transformers' integrations/bitnet.py, ActQuant."""
    dtype, activation = activation.dtype, activation.float()
    scale = 127 / activation.abs().max(dim=-1, keepdim=True).values.clamp_(min=1e-5)
    return ((activation * scale).round().clamp(-128, 127) / scale).to(dtype)


INPUTS = {
    "normal": random(4, 6, 33),
    "zeros": torch.zeros(3, 8),
    "a zero row among others": torch.cat((torch.zeros(1, 16), random(2, 16))),
    "below the floor": random(3, 9) * 1e-7,
    "at the floor": torch.tensor([[1e-5, -1e-5, 5e-6]]),
    "subnormal": torch.full((2, 3), 1e-40),
    "huge": random(3, 9) * 1e37,
    "the largest float": torch.tensor([[3.4028e38, -3.4028e38, 1.0]]),
    "one large among small": torch.tensor([[1e4, 1e-4, -1e-4, 39.0, -40.0]]),
    "bfloat16": random(5, 12).bfloat16(),
    "negative extreme": torch.tensor([[-1.0, 0.3, 0.999]]),
}


@pytest.mark.parametrize("name", INPUTS)
def test_values_are_bitnets_bit_for_bit(name):
    x = INPUTS[name].clone()
    found = int8_values(x)
    assert found.dtype == x.dtype
    assert torch.equal(found, bitnet(x))
    assert found.isfinite().all()
    assert torch.equal(x, INPUTS[name])


def test_their_clamp_never_acts():
    x = random(20_000, 7) * torch.logspace(-4, 30, 20_000)[:, None]
    assert torch.equal(int8_values(x), bitnet(x))
    levels = x * (127 / x.abs().amax(-1, keepdim=True).clamp(min=1e-5))
    assert levels.round().abs().max() == 127


def test_each_position_is_rounded_by_its_own_largest_value():
    x = random(2, 3, 16)
    alone = torch.stack([torch.stack([int8_values(position) for position in row]) for row in x])
    assert torch.equal(int8_values(x), alone)
    step = x.abs().amax(-1, keepdim=True) / 127
    assert ((int8_values(x) - x).abs() <= step * 0.5001).all()


def test_the_gradient_passes_unchanged():
    """In the old trainer 0.2 % of the inputs got any: its cosine with the true gradient was 0.008."""
    x, weight = random(32, 64), random(16, 64, seed=1)
    gradients = []
    for active in (True, False):
        inputs = x.clone().requires_grad_()
        (Int8Activations(active)(inputs) @ weight.T).sin().sum().backward()
        gradients.append(inputs.grad.flatten())
    assert torch.cosine_similarity(*gradients, dim=0) > 0.99
    assert (gradients[0] != 0).all()
    inputs = x.clone().requires_grad_()
    Int8Activations(True)(inputs).backward(weight.repeat(2, 1))
    assert torch.equal(inputs.grad, weight.repeat(2, 1))


def test_rounding_acts_only_while_active_and_only_where_enabled():
    x, module = random(2, 8), Int8Activations(True)
    assert torch.equal(module(x), int8_values(x))
    module.active = False
    assert module(x) is x
    never = Int8Activations(False)
    never.active = True
    assert never(x) is x
