"""Shares of 2^24 from logits: exact, of the same bits by the core and in numpy."""

import mpmath
import numpy as np
import pytest
from coder_models import MODELS, by_core, by_twin
from native_models import native

from bbyte.compression import model_coder, twin
from bbyte.errors import DataError

TOTAL = 1 << 24
PROBES = {
    "tiny": "5970f782471127ee",
    "grouped": "29ec3090a7ceff10",
    "full": "15b7b1f3ba866610",
    "mamba2": "8588a7e124b09694",
    "mamba1": "2d266d4e4980367b",
}
EXTREMES = {
    "equal": np.zeros(256),
    "negative zeros": np.where(np.arange(256) % 2, 0.0, -0.0),
    "one huge": np.where(np.arange(256) == 77, 1e30, -1e30),
    "one tiny": np.where(np.arange(256) == 77, -1e30, 1e30),
    "at the end of numbers": np.where(np.arange(256) % 2, 3.4e38, -3.4e38),
    "none of one": np.where(np.arange(256) == 3, -np.inf, 0),
    "steep": -np.arange(256.0),
    "gentle": np.arange(256) / 1e6,
    "last": np.where(np.arange(256) == 255, 10, 0),
}


def both(logits):
    logits = np.asarray(logits, np.float32)
    ours = model_coder.frequencies(logits)
    assert ours.tolist() == twin.frequencies(logits).tolist()
    assert ours.sum(dtype=np.int64) == TOTAL and ours.min() >= 1
    return ours


@native
@pytest.mark.parametrize("name", EXTREMES)
def test_extremes(name):
    both(EXTREMES[name])


@native
def test_known_answers():
    assert both(EXTREMES["equal"]).tolist() == [1 << 16] * 256
    assert both(EXTREMES["one huge"])[77] == TOTAL - 255
    # Each of 255 has 2^24 - 256 over 255 without its fraction, and 1; the first has the rest as well.
    expected = [(TOTAL - 256) // 255 + 1] * 256
    expected[77] = 1
    expected[0] += TOTAL - sum(expected)
    assert both(EXTREMES["one tiny"]).tolist() == expected
    two = np.full(256, -100.0)
    two[[5, 9]] = 0  # half each of what is left when each has 1
    assert both(two)[[5, 9]].tolist() == [TOTAL // 2 - 127] * 2


@native
def test_many_rows():
    dice = np.random.default_rng(0)
    for _ in range(3000):
        row = dice.normal(size=256) * 10 ** dice.uniform(-4, 4)
        both(np.round(row, int(dice.integers(0, 7))))


@native
def test_they_are_the_softmax():
    dice = np.random.default_rng(1)
    for scale in (0.1, 1, 4):
        row = (dice.normal(size=256) * scale).astype(np.float32)
        e = [mpmath.exp(mpmath.mpf(float(x))) for x in row]
        exact = np.array([float(x / mpmath.fsum(e) * TOTAL) for x in e])
        off = both(row) - exact * (TOTAL - 256) / TOTAL
        assert 0 <= off[row.argmax()] <= 257  # which has what is missing
        others = np.delete(np.arange(256), row.argmax())
        assert (np.abs(off[others]) <= 1 + 1e-5 * exact[others]).all()


@pytest.mark.parametrize("value", [np.nan, np.inf])
@pytest.mark.parametrize("place", [0, 3, 130, 255])
def test_logits_that_are_no_numbers(value, place):
    logits = np.zeros(256, np.float32)
    logits[place] = value
    with pytest.raises(DataError, match="no distribution"):
        twin.frequencies(logits)


def test_a_shift_of_all_changes_nothing():
    """As long as sums with it are exact."""
    row = np.round(np.random.default_rng(2).normal(size=256) * 16).astype(np.float32) / 16
    assert twin.frequencies(row).tolist() == twin.frequencies(row + 4096).tolist()


@pytest.mark.parametrize("name", MODELS)
def test_the_probe_is_pinned(name):
    assert by_twin(name, 0).probe().hex()[:16] == PROBES[name]


@native
@pytest.mark.parametrize("name", MODELS)
def test_the_probe_of_the_core_is_that_of_the_twin(name):
    assert by_core(name, 0).probe() == by_twin(name, 0).probe()
