"""The functions against exact ones over all they take, the sums against loops over single numbers."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bbyte.engine import arithmetic

F = np.float32
ZERO = F(0)
PINNED_EXP = ["1b0d6cfa", "3ebc5ab2", "3f7fbe7f", "3fb504f2", "402df854", "4e1486bc"]


def some(seed, *shape):
    """Numbers of many magnitudes, so that another order of a sum gives other bits."""
    rng = np.random.default_rng(seed)
    return (rng.normal(size=shape) * 10 ** rng.uniform(-3, 3, shape)).astype(F)


def striped(terms, width):
    """The partial sums of single numbers, filled up with +0."""
    terms = [*terms, *[ZERO] * (-len(terms) % width)]
    sums = terms[:width]
    for place, term in enumerate(terms[width:]):
        sums[place % width] = F(sums[place % width] + term)
    return sums


def s16_reference(terms):
    p = striped(terms, 16)
    q = [p[j] + p[j + 8] for j in range(8)]
    r = [q[j] + q[j + 4] for j in range(4)]
    s = [r[j] + r[j + 2] for j in range(2)]
    return s[0] + s[1]


def s4_reference(terms):
    p = striped(terms, 4)
    return (p[0] + p[1]) + (p[2] + p[3])


def bits(x):
    return np.asarray(x, F).view(np.uint32).tolist()


@given(st.integers(0, 2**32), st.integers(1, 70))
def test_sums_are_those_of_a_loop(seed, n):
    x = some(seed, 3, n)
    assert bits(arithmetic.s16(x)) == bits([s16_reference(row) for row in x])
    total = x[:, 0]
    for k in range(1, n):
        total = total + x[:, k]
    assert bits(arithmetic.ordered_sum(x, 1)) == bits(total)
    assert bits(arithmetic.ordered_sum(x.T, 0)) == bits(total)


@given(st.integers(0, 2**32), st.integers(1, 40))
def test_a_product_sums_by_four(seed, n):
    x, matrix = some(seed, 2, n), some(seed + 1, 5, n)
    expected = [[s4_reference(list(row * one)) for row in matrix] for one in x]
    assert bits(arithmetic.s4_product(x, arithmetic.in_stripes(matrix))) == bits(expected)


def error(found, expected):
    """The largest relative one."""
    return np.max(np.abs(found.astype(np.float64) / expected - 1))


def test_exp():
    x = np.linspace(-87, 88, 1_000_003).astype(F)
    x = np.concatenate([x, (np.random.default_rng(0).normal(size=100_000) / 100).astype(F)])
    assert error(arithmetic.exp(x), np.exp(x.astype(np.float64))) < 2.6e-7
    ends = arithmetic.exp(np.array([-1e30, -87, 0, 88, 1e30], F))
    assert ends[0] == ends[1] > 0
    assert ends[2] == 1
    assert ends[3] == ends[4] < np.inf


def test_exp_is_pinned():
    x = np.array([-50.5, -1, -1e-3, 0.34657359, 1, 20.25], F)
    assert [f"{b:08x}" for b in bits(arithmetic.exp(x))] == PINNED_EXP


def test_log():
    x = np.exp(np.random.default_rng(0).uniform(0, 88, 300_000)).astype(F)
    x = np.concatenate([x, np.linspace(1, 4, 300_001).astype(F)])[None]
    expected = np.log(x.astype(np.float64))
    found = arithmetic.log(x)
    assert np.max(np.abs(found - expected) / np.maximum(np.abs(expected), 1e-30)) < 2e-7
    assert found[x == 1].tolist() == [0.0] * int((x == 1).sum())


def test_softplus():
    x = np.concatenate([np.linspace(-85, 85, 400_001), [20, np.nextafter(F(20), F(21))]]).astype(F)
    expected = np.logaddexp(0, x.astype(np.float64))
    expected[x < -30] = np.exp(x[x < -30].astype(np.float64))
    assert error(arithmetic.softplus(x), expected) < 3.6e-7
    assert (arithmetic.softplus(x)[x > 20] == x[x > 20]).all()


def test_silu():
    x = np.linspace(-80, 80, 400_000).astype(F)
    wide = x.astype(np.float64)
    assert error(arithmetic.silu(x), wide / (1 + np.exp(-wide))) < 4e-7
    assert arithmetic.silu(np.array([-1e4, 0, 1e4], F)).tolist() == [pytest.approx(0, abs=1e-30), 0, 1e4]


@given(st.integers(0, 2**32), st.integers(1, 50))
def test_norm_is_that_of_a_loop(seed, n):
    x, gain, eps = some(seed, 2, n), some(seed + 1, n), F(1e-5)
    expected = []
    for row in x:
        r = F(1) / np.sqrt(F(s16_reference([F(v * v) for v in row]) / F(n) + eps))
        expected.append([F(v * r) * g for v, g in zip(row, gain, strict=True)])
    assert bits(arithmetic.norm(x, gain, eps)) == bits(expected)


def test_codes_are_whole_numbers_with_ties_to_even():
    whole, step = arithmetic.codes(np.array([[127, -2.5, 1.5, 0.5, 0], [0, 0, 0, 0, -0.0]], F))
    assert whole.tolist() == [[127, -2, 2, 0, 0], [0, 0, 0, 0, 0]]
    assert bits(step[0]) == bits([1])
    assert step[1] == pytest.approx(1e-5 / 127)


@given(st.integers(0, 2**32))
def test_codes_stay_within_eight_bits(seed):
    x = some(seed, 40, 7)
    whole, step = arithmetic.codes(x)
    assert (np.abs(whole).max(axis=1) == 127).all()
    assert (np.abs(whole * step - x) <= step * 0.5001).all()


@given(st.integers(0, 0x7F7FFFFF), st.booleans())
def test_bf16_is_the_nearest_with_ties_to_even(pattern, negative):
    x = np.array([pattern], np.uint32).view(F) * F(-1 if negative else 1)
    found = arithmetic.bf16(x)
    _, power = math.frexp(float(x[0]))
    unit = 2.0 ** (max(power, -125) - 8)
    assert float(found[0]) == round(float(x[0]) / unit) * unit or abs(x[0]) > 3.3e38
    assert np.signbit(found[0]) == np.signbit(x[0])


def test_rotating_keeps_lengths_and_turns_halves():
    x = np.array([[3, 5, 4, 12]], F)
    turned = arithmetic.rotate(x, np.array([[0, 1]], F), np.array([[1, 0]], F))
    assert turned.tolist() == [[-4, 5, 3, 12]]
