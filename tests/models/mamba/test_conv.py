"""The short convolution at once against one position at a time: results, states and gradients."""

import pytest
import torch
from torch._subclasses.fake_tensor import FakeTensorMode

from bbyte.models.mamba.conv import CausalConv, causal_conv, causal_conv_reference, causal_conv_step

LENGTHS = (1, 2, 3, 4, 5, 63, 64, 65, 130, 200)


def inputs(length, *, batch=2, channels=5, taps=4, kind=torch.float64):
    """x, weight and bias, and a state."""
    generator = torch.Generator().manual_seed(length)

    def normal(*shape):
        return torch.randn(shape, generator=generator, dtype=torch.float64).to(kind)

    parts = [normal(batch, length, channels), normal(channels, 1, taps), normal(channels)]
    return parts, normal(batch, taps - 1, channels)


def gradients(function, parts, state=None):
    """Those of a random sum of the outputs."""
    given = [part.detach().requires_grad_() for part in parts]
    y, _ = function(*given, state)
    weights = torch.randn(y.shape, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    (y * weights.to(y.dtype)).sum().backward()
    return [part.grad for part in given]


@pytest.mark.parametrize("length", LENGTHS)
@pytest.mark.parametrize("taps", [1, 2, 4, 7])
@pytest.mark.parametrize("begun", [False, True])
def test_at_once_it_is_what_it_is_one_by_one(length, taps, begun):
    parts, state = inputs(length, taps=taps)
    given = state.clone() if begun else None
    for found, expected in zip(causal_conv(*parts, given), causal_conv_reference(*parts, given), strict=True):
        torch.testing.assert_close(found, expected, rtol=0, atol=1e-9)
    if begun:
        assert torch.equal(given, state)  # what was given stays


def test_known_answers():
    x = torch.tensor([1.0, 2.0, 3.0, 4.0], dtype=torch.float64).view(1, 4, 1)
    weight = torch.tensor([[[100.0, 10.0, 1.0]]], dtype=torch.float64)
    bias = torch.tensor([0.5], dtype=torch.float64)
    found, state = causal_conv(x, weight, bias)
    # The last tap is that of the position itself.
    expected = torch.nn.functional.silu(torch.tensor([1.5, 12.5, 123.5, 234.5], dtype=torch.float64))
    torch.testing.assert_close(found.flatten(), expected, rtol=0, atol=1e-12)
    assert state.flatten().tolist() == [3.0, 4.0]


@pytest.mark.parametrize("taps", [1, 2, 4])
def test_steps_are_the_convolution(taps):
    (x, weight, bias), state = inputs(20, taps=taps)
    expected, last = causal_conv(x, weight, bias, state)
    for t in range(20):
        y = causal_conv_step(x[:, t], weight, bias, state)
        torch.testing.assert_close(y, expected[:, t], rtol=0, atol=1e-9)
    torch.testing.assert_close(state, last, rtol=0, atol=0)


@pytest.mark.parametrize("cut", [1, 2, 3, 4, 64, 99])
def test_in_two_pieces_it_is_the_whole(cut):
    (x, weight, bias), state = inputs(100)
    whole, last = causal_conv(x, weight, bias, state)
    first, state = causal_conv(x[:, :cut], weight, bias, state)
    second, state = causal_conv(x[:, cut:], weight, bias, state)
    torch.testing.assert_close(torch.cat((first, second), dim=1), whole, rtol=0, atol=1e-9)
    assert torch.equal(state, last)


@pytest.mark.parametrize("length", [1, 3, 64])
def test_what_would_come_after_is_not_read(length):
    (x, weight, bias), _ = inputs(70)
    longer, _ = causal_conv(x, weight, bias)
    found, _ = causal_conv(x[:, :length], weight, bias)
    torch.testing.assert_close(found, longer[:, :length], rtol=0, atol=1e-9)


@pytest.mark.parametrize("length", [1, 2, 6])
@pytest.mark.parametrize("begun", [False, True])
def test_gradients_are_those_of_differences(length, begun):
    parts, state = inputs(length, channels=3)
    parts = [part.requires_grad_() for part in parts]
    assert torch.autograd.gradcheck(
        lambda *given: causal_conv(*given, state if begun else None)[0], parts, check_undefined_grad=False
    )


@pytest.mark.parametrize("begun", [False, True])
def test_float32_comes_close_to_float64(begun):
    parts, state = inputs(256, channels=96, kind=torch.float32)
    state = state if begun else None
    exact = [part.double() for part in parts]
    begin = state.double() if begun else None
    found = [causal_conv(*parts, state)[0], *gradients(causal_conv, parts, state)]
    expected = [
        causal_conv_reference(*exact, begin)[0],
        *gradients(causal_conv_reference, exact, begin),
    ]
    for one, other in zip(found, expected, strict=True):
        assert one.dtype == torch.float32
        torch.testing.assert_close(one.double(), other, rtol=0, atol=1e-5 * float(other.abs().max()))


def test_bfloat16_comes_close_to_float32():
    parts, state = inputs(130, channels=96, kind=torch.float32)
    expected, last = causal_conv(*parts, state)
    with torch.autocast("cpu", torch.bfloat16):
        x = parts[0].bfloat16()
        found, found_last = causal_conv(x, *parts[1:], state)
        torch.testing.assert_close(found.float(), expected, rtol=0, atol=2e-2 * float(expected.abs().max()))
        torch.testing.assert_close(found_last.float(), last, rtol=2e-2, atol=2e-2)
        given = [x, *parts[1:]]
        for part, one, other in zip(
            given, gradients(causal_conv, given), gradients(causal_conv, parts), strict=True
        ):
            assert one.dtype == part.dtype
            torch.testing.assert_close(one.float(), other, rtol=0, atol=2e-2 * float(other.abs().max()))


def test_the_state_carries_no_gradient():
    parts, state = inputs(10)
    _, last = causal_conv(*(part.requires_grad_() for part in parts), state)
    assert not last.requires_grad


def test_it_is_planned_without_numbers():
    with FakeTensorMode():
        parts = [torch.zeros(2, 9, 5), torch.zeros(5, 1, 4), torch.zeros(5)]
        parts = [part.requires_grad_() for part in parts]
        y, state = causal_conv(*parts)
        y.sum().backward()
        assert y.shape == (2, 9, 5) and state.shape == (2, 3, 5)
        assert all(part.grad.shape == part.shape for part in parts)


def test_the_plain_formula_is_the_same(monkeypatch):
    """What a compiler gets."""
    parts, state = inputs(66)
    expected = [*causal_conv(*parts, state), *gradients(causal_conv, parts, state)]
    monkeypatch.setattr(torch.compiler, "is_compiling", lambda: True)
    found = [*causal_conv(*parts, state), *gradients(causal_conv, parts, state)]
    for one, other in zip(found, expected, strict=True):
        torch.testing.assert_close(one, other, rtol=0, atol=1e-9)


@pytest.mark.slow
def test_compiled_it_is_the_same():
    parts, state = inputs(66, kind=torch.float32)
    compiled = torch.compile(causal_conv, fullgraph=True)
    found = [*compiled(*parts, state), *gradients(compiled, parts)]
    expected = [*causal_conv(*parts, state), *gradients(causal_conv, parts)]
    for one, other in zip(found, expected, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-4)


def test_a_module_has_the_parameters_of_torchs_own_and_computes_the_same():
    ours, theirs = CausalConv(6, 4), torch.nn.Conv1d(6, 6, 4, groups=6, padding=3)
    theirs.load_state_dict(ours.state_dict(), strict=True)
    x = torch.randn(2, 11, 6)
    expected = torch.nn.functional.silu(theirs(x.mT)[..., :11].mT)
    torch.testing.assert_close(causal_conv(x, ours.weight, ours.bias)[0], expected)
    assert ours.new_state(3).shape == (3, 3, 6) and not ours.new_state(3).any()
    assert ours.weight.abs().max() <= 0.5 and ours.bias.abs().max() <= 0.5
