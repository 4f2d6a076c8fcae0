"""The rotary table against arithmetic of many digits."""

import mpmath
import numpy as np
import pytest
from blake3 import blake3

from bbyte.engine import tables

NEARLY_HALF = 0.5000001
PINNED = "9acb214d00ea5c29daf4e17e55e5b572ec82524e7fa154aa8936a86a5606b96b"


def error(found, exact):
    """How far a binary32 is from a number, in units of its last place."""
    return abs(mpmath.mpf(float(found)) - exact) / mpmath.mpf(float(np.spacing(np.abs(found))))


@pytest.mark.parametrize(
    ("base", "width"), [(10000.0, 64), (1.0001, 6), (500000.0, 128), (2.0, 2), (1e300, 4)]
)
def test_every_number_is_the_nearest(base, width):
    positions = 300
    cos, sin = tables.rotary(base, width, positions)
    assert cos.shape == sin.shape == (positions, width // 2)
    assert cos.dtype == sin.dtype == np.float32
    with mpmath.workprec(200):
        frequencies = [mpmath.mpf(base) ** (mpmath.mpf(-2 * i) / width) for i in range(width // 2)]
        for t in (0, 1, 2, 7, 150, 299):
            for i, frequency in enumerate(frequencies):
                angle = mpmath.mpf(float(np.float32(t) * np.float32(float(frequency))))
                assert error(cos[t, i], mpmath.cos(angle)) <= NEARLY_HALF
                assert error(sin[t, i], mpmath.sin(angle)) <= NEARLY_HALF


def test_far_positions():
    rng = np.random.default_rng(3)
    angles = np.exp(rng.uniform(np.log(1e-3), np.log(2**24), 1000)).astype(np.float32)
    angles = np.concatenate([angles, nearest_to_quarters()])
    cos, sin = (part.astype(np.float32) for part in tables._cos_sin(angles.astype(np.float64)))
    with mpmath.workprec(200):
        for angle, c, s in zip(angles, cos, sin, strict=True):
            exact = mpmath.mpf(float(angle))
            assert error(c, mpmath.cos(exact)) <= NEARLY_HALF
            assert error(s, mpmath.sin(exact)) <= NEARLY_HALF


def nearest_to_quarters():
    """Angles with a cosine or sine near 0, where most digits cancel."""
    quarters = np.unique(np.exp(np.linspace(0, np.log(2**24 / 1.6), 400)).astype(int))
    return np.array([np.float32(float(mpmath.pi / 2 * int(k))) for k in quarters])


def test_the_frequencies_are_the_nearest():
    exponents = -2 * np.arange(64) / 128
    for base in (1.00001, 1.5, 3.0, 10000.0, 123456.789, 1e300):
        found = tables.powers(base, exponents)
        with mpmath.workprec(200):
            exact = [mpmath.mpf(base) ** mpmath.mpf(float(e)) for e in exponents]
            assert max(abs(mpmath.mpf(float(f)) / e - 1) for f, e in zip(found, exact, strict=True)) < 1e-13


def test_a_longer_table_begins_with_the_shorter_one():
    short, long = tables.rotary(10000.0, 64, 100), tables.rotary(10000.0, 64, 5000)
    assert all((a == b[:100]).all() for a, b in zip(short, long, strict=True))


def test_the_table_is_pinned():
    cos, sin = tables.rotary(10000.0, 64, 2048)
    assert blake3(cos.astype("<f4").tobytes() + sin.astype("<f4").tobytes()).hexdigest() == PINNED
