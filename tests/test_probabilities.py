"""What logits say: known distributions have their known figures, whatever the shape and the offset."""

import math

import numpy as np
import pytest

from bbyte.probabilities import entropy_of, log_probabilities, nats_of


def test_entropy_of_known_distributions():
    halves = np.full(256, -np.inf)
    halves[[3, 200]] = 5.0
    assert entropy_of(log_probabilities(halves)) == pytest.approx(1)
    assert entropy_of(log_probabilities(np.zeros(256))) == pytest.approx(8)


def test_nats_are_minus_the_logarithm_of_the_probability():
    logits = np.log(np.array([[0.5, 0.25, 0.25], [0.1, 0.2, 0.7]], np.float32)) + 90
    found = nats_of(log_probabilities(logits), np.array([1, 2], np.uint8))
    assert found == pytest.approx([math.log(4), -math.log(0.7)], rel=1e-5)


def test_every_position_is_a_distribution_of_its_own():
    dice = np.random.default_rng(0)
    logits = (5 * dice.normal(size=(2, 7, 256))).astype(np.float32)
    data = dice.integers(0, 256, (2, 7)).astype(np.uint8)
    logs = log_probabilities(logits)
    assert np.exp(logs).sum(axis=-1) == pytest.approx(np.ones((2, 7)))
    for lane, place in np.ndindex(2, 7):
        one = log_probabilities(logits[lane, place])
        assert nats_of(logs, data)[lane, place] == -one[data[lane, place]]
        assert entropy_of(logs)[lane, place] == entropy_of(one)
