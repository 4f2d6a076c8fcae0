"""When a step is skipped, when a run goes back, and which data it then passes over."""

import itertools
import math
import random

import pytest

from bbyte.errors import BbyteError
from bbyte.training.guard import (
    MOST_RETURNS,
    SETTLED,
    SPIKE_STEPS,
    TOO_MANY,
    WITHIN,
    GoBack,
    Guard,
    Skipped,
    data_step,
    skip,
)


def settled(loss=1.5, steps=200, seed=0):
    """A guard that has seen losses around `loss`, and the number of the next step."""
    guard, dice = Guard(), random.Random(seed)
    for step in range(steps):
        assert guard.judge(step, loss + dice.gauss(0, 0.05), False) is None
    return guard, steps


def test_a_gradient_that_is_not_finite_is_skipped_and_the_third_within_a_hundred_steps_sends_back():
    guard = Guard()
    assert guard.judge(10, 1.0, True) == Skipped(10)
    assert guard.judge(11, 1.0, False) is None
    assert guard.judge(10 + WITHIN - 2, math.nan, True) == Skipped(10 + WITHIN - 2)
    verdict = guard.judge(10 + WITHIN - 1, 1.0, True)
    assert isinstance(verdict, GoBack)
    assert (verdict.first, verdict.last) == (10, 10 + WITHIN - 1)


def test_skips_far_apart_never_send_back():
    guard = Guard()
    for step in range(0, 20 * WITHIN, WITHIN // (TOO_MANY - 1)):
        assert guard.judge(step, 1.0, True) == Skipped(step)


@pytest.mark.parametrize("loss", [math.nan, math.inf])
def test_a_loss_that_is_not_finite_counts_even_with_a_finite_gradient(loss):
    assert Guard().judge(3, loss, False) == Skipped(3)


def test_a_loss_that_stays_high_sends_back_to_before_it_rose():
    guard, step = settled()
    verdicts = [guard.judge(step + n, 4.0, False) for n in range(SPIKE_STEPS)]
    assert verdicts[:-1] == [None] * (SPIKE_STEPS - 1)
    assert isinstance(verdicts[-1], GoBack)
    assert (verdicts[-1].first, verdicts[-1].last) == (step, step + SPIKE_STEPS - 1)


def test_a_passing_spike_is_left_alone():
    guard, step = settled()
    mean = guard.mean
    for n in range(SPIKE_STEPS - 1):
        assert guard.judge(step + n, 4.0, False) is None
    assert guard.mean == mean  # what is too high does not raise the limit
    assert guard.judge(step + SPIKE_STEPS, 1.5, False) is None
    assert guard.too_high == []
    assert all(guard.judge(step + 100 + n, 4.0, False) is None for n in range(SPIKE_STEPS - 1))


def test_data_of_mixed_difficulty_is_no_spike():
    """Batches of text and of random bytes in turn: 1.5 and 5.5 nats."""
    guard, dice = Guard(), random.Random(0)
    for step in range(3000):
        assert guard.judge(step, dice.choice((1.5, 5.5)) + dice.gauss(0, 0.1), False) is None


def test_the_first_losses_are_never_too_high():
    guard = Guard()
    for step in range(SETTLED):
        assert guard.judge(step, 1.0 if step < 20 else 9.0, False) is None


def test_a_new_kind_of_loss_is_learnt_anew():
    guard, step = settled()
    guard.forget_losses()
    assert all(guard.judge(step + n, 4.0, False) is None for n in range(3 * SPIKE_STEPS))
    assert guard.mean == pytest.approx(4.0)


def test_the_mean_is_at_once_near_the_truth():
    guard, _ = settled(loss=2.0, steps=5)
    assert guard.mean == pytest.approx(2.0, abs=0.1)


def test_going_back_too_often_ends_the_run():
    guard = Guard()
    for _ in range(MOST_RETURNS):
        guard.count_return("it spiked")
    with pytest.raises(BbyteError, match="it spiked, again after going back 3 times") as caught:
        guard.count_return("it spiked")
    assert caught.value.exit_code == 1 and "--lr" in caught.value.hint


def test_a_checkpoint_of_good_steps_begins_a_new_count_and_one_amid_skipped_ones_does_not():
    guard = Guard()
    guard.count_return("it spiked")
    guard.judge(7, 1.0, True)
    guard.note_save()
    assert guard.returns == 1
    guard.count_return("it spiked")
    guard.note_save()
    assert guard.returns == 0


def reference(ranges, step):
    """The data of `step`, by counting: the step-th number that is in none of the ranges."""
    numbers = (n for n in range(10_000) if not any(a <= n < b for a, b in ranges))
    return next(n for i, n in enumerate(numbers) if i == step)


@pytest.mark.parametrize("seed", range(20))
def test_skipped_data_is_passed_over_and_nothing_else(seed):
    dice = random.Random(seed)
    ranges, taken = [], set()
    for _ in range(dice.randrange(1, 8)):
        first = dice.randrange(200)
        end = first + dice.randrange(1, 30)
        ranges = skip(ranges, first, end)
        taken |= set(range(first, end))
    assert {n for a, b in ranges for n in range(a, b)} == taken
    assert ranges == sorted(ranges)
    assert all(b < c for (_, b), (c, _) in itertools.pairwise(ranges))
    for step in range(0, 250, 7):
        assert data_step(ranges, step) == reference(ranges, step)


def test_without_skips_a_step_reads_its_own_data():
    assert [data_step([], step) for step in range(5)] == list(range(5))
