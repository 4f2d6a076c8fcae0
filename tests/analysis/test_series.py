"""Smoothing, thinning, limits and round numbers."""

import math

import pytest

from bbyte.analysis.series import limits, nice, smoothed, thinned, ticks


def test_smoothing_does_not_lag():
    line = [(step, 10.0 - step / 100) for step in range(1000)]
    assert smoothed(line)[500] == pytest.approx(line[500])
    assert smoothed([(0, 1.0)]) == [(0, 1.0)]
    assert smoothed([]) == []


def test_smoothing_is_the_mean_of_the_neighbours():
    line = smoothed([(n, float(n % 3)) for n in range(9)])
    assert line[4] == (4, pytest.approx((2 + 0 + 1 + 2 + 0) / 5))
    assert line[0] == (0, 0.0)


@pytest.mark.parametrize(("size", "most"), [(0, 5), (1, 5), (5, 5), (100, 7), (1000, 10)])
def test_thinning_keeps_both_ends_and_not_too_many(size, most):
    points = [(float(n), 1.0) for n in range(size)]
    kept = thinned(points, most)
    assert len(kept) <= most + 1
    assert kept[:1] == points[:1] and kept[-1:] == points[-1:]


def test_limits_leave_out_the_first_fall():
    line = [(0.0, 8.0)] + [(float(n), 3 - n / 100) for n in range(1, 101)]
    low, high = limits([line, [(50.0, math.nan)]])
    assert low < 2.0 < 2.95 < high < 3.2
    assert limits([]) == limits([[(0.0, math.nan)]])
    flat = limits([[(0.0, 2.0), (1.0, 2.0)]])
    assert flat[0] < 2.0 < flat[1]


@pytest.mark.parametrize(
    ("rough", "expected"), [(0.003, 0.005), (1, 1), (1.1, 2), (2.2, 2.5), (3, 5), (7, 10), (12000, 20000)]
)
def test_nice_steps(rough, expected):
    assert nice(rough) == pytest.approx(expected)


def test_ticks_are_round_and_inside():
    assert ticks(0, 300, 5) == [0, 100, 200, 300]
    assert ticks(1.93, 2.61, 4) == pytest.approx([2.0, 2.2, 2.4, 2.6])
