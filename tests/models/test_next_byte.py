"""NextByte: cross-entropy in nats, and a z-loss that pulls without being counted."""

import math

import pytest
import torch
from torch import nn

from bbyte.models.next_byte import NextByte


class Table(nn.Module):
    """Logits looked up by the byte before: a model whose costs are known."""

    def __init__(self, scale=1.0):
        super().__init__()
        self.logits = nn.Parameter(scale * torch.randn(256, 256, generator=torch.Generator().manual_seed(0)))

    def forward(self, tokens):
        return self.logits[tokens.int()]


def windows():
    return torch.randint(0, 256, (3, 12), dtype=torch.uint8, generator=torch.Generator().manual_seed(1))


def by_hand(model, window, skip=0):
    logp = torch.log_softmax(model.logits.detach().double(), -1)
    return -sum(
        float(logp[int(row[t]), int(row[t + 1])]) for row in window for t in range(skip, len(row) - 1)
    )


def test_nats_are_minus_the_log_probabilities_of_the_next_bytes():
    model = Table()
    cost = NextByte(model)(windows())
    assert cost.count == 33
    assert cost.nats.item() == pytest.approx(by_hand(model, windows()), rel=1e-6)


@pytest.mark.parametrize("skip", [0, 1, 7, 10])
def test_measure_leaves_out_the_first_positions(skip):
    model = Table()
    cost = NextByte(model).measure(windows(), skip)
    assert cost.count == 3 * (11 - skip)
    assert float(cost.nats) == pytest.approx(by_hand(model, windows(), skip), rel=1e-12)


def test_the_z_loss_is_not_counted_but_pulls_on_the_gradient():
    plain, pulled = Table(3.0), Table(3.0)
    cost, with_z = NextByte(plain)(windows()), NextByte(pulled, z_loss=0.01)(windows())
    assert float(cost.nats) == float(with_z.nats)
    cost.nats.backward()
    with_z.nats.backward()
    difference = pulled.logits.grad - plain.logits.grad
    logits = Table(3.0)
    penalty = 0.01 * logits(windows()[:, :-1]).logsumexp(-1).square().sum()
    penalty.backward()
    torch.testing.assert_close(difference, logits.logits.grad, rtol=1e-5, atol=1e-6)
    measured = NextByte(pulled, z_loss=0.01).measure(windows())
    assert float(measured.nats) == pytest.approx(by_hand(pulled, windows()), rel=1e-12)


def test_large_logits_are_measured_in_double_precision():
    model = Table()
    with torch.no_grad():
        model.logits.zero_()
    cost = NextByte(model).measure(torch.zeros(64, 1025, dtype=torch.uint8))
    assert float(cost.nats) == pytest.approx(65536 * math.log(256), rel=1e-14)
