"""Generation metrics: the figures are those of the distribution the model gave."""

import math

import numpy as np
import pytest
from toy import ContinuingOrderTwo, OrderTwo

from bbyte.generation.metrics import Meter
from bbyte.generation.sampling import Sampling
from bbyte.generation.stream import generate


class Fixed(OrderTwo):
    """Two bytes of probability 3/4 and 1/4, no others."""

    def logits(self):
        row = np.full((self.lanes, 256), -np.inf, np.float32)
        row[:, 65], row[:, 66] = math.log(3), 0
        return row


def test_a_known_distribution_has_its_entropy():
    meter = Meter(Fixed(2))
    text = np.concatenate(list(generate(meter, b"abc", 50, Sampling(temperature=1, seed=3))))
    metrics = meter.metrics()
    assert metrics.entropy == pytest.approx(0.75 * math.log2(4 / 3) + 0.25 * 2)
    likely = (text == 65).mean()
    assert metrics.surprisal == pytest.approx(likely * math.log2(4 / 3) + (1 - likely) * 2)
    assert (metrics.prompt_bytes, metrics.bytes) == (3, 100)


def test_greedy_text_is_less_surprising_than_expected():
    meter = Meter(OrderTwo())
    list(generate(meter, b"", 60, Sampling(temperature=0)))
    metrics = meter.metrics()
    assert 0 < metrics.surprisal < metrics.entropy < 8


def test_times_are_in_order_and_metering_changes_no_byte():
    meter = Meter(ContinuingOrderTwo())
    metered = list(generate(meter, b"x", 20, Sampling()))
    assert np.array_equal(metered, list(generate(OrderTwo(), b"x", 20, Sampling())))
    metrics = meter.metrics()
    assert 0 < metrics.first_byte_seconds <= metrics.seconds
    assert metrics.bytes_per_second == pytest.approx(20 / metrics.seconds)
    assert set(metrics.to_dict()) >= {"bytes", "seconds", "surprisal", "entropy"}


def test_nothing_generated_gives_zeros():
    metrics = Meter(OrderTwo()).metrics()
    assert (metrics.bytes, metrics.surprisal, metrics.entropy, metrics.seconds) == (0, 0, 0, 0)


def test_only_the_bytes_kept_of_each_lane_count():
    meter = Meter(OrderTwo(2))
    text = np.array(list(generate(meter, b"ab", 30, Sampling(temperature=1, seed=3))), np.uint8).T
    surprisals = []
    for lane, length in enumerate((30, 7)):
        alone = OrderTwo()
        alone.prime(b"ab")
        for byte in text[lane, :length]:
            logits = alone.logits()[0].astype(float)
            surprisals.append(math.log2(np.exp(logits).sum()) - logits[byte] / math.log(2))
            alone.feed(np.array([byte], np.uint8))
    metrics = meter.metrics([30, 7])
    assert (metrics.lanes, metrics.bytes) == (2, 37)
    assert metrics.surprisal == pytest.approx(np.mean(surprisals))
    assert meter.lane(1, 7).surprisal == pytest.approx(np.mean(surprisals[30:]))
    assert meter.lane(0).bytes == 30
