"""Which bytes are hidden: exactly so many, each set as likely, and a function of the key alone."""

import itertools
import math
import time

import numpy as np
import pytest

from bbyte.models.diffusion.config import MaskingConfig
from bbyte.models.diffusion.masks import counts, lengths, masks, points

ANY = MaskingConfig()
WHOLE = MaskingConfig(short_windows=0)


def keys(count, first=0):
    return np.arange(first, first + count, dtype=np.int64)


def drawn(count, length, hidden, first=0, span=1):
    """Masks (B, T) that hide `hidden` bytes each."""
    full = np.full(count, length)
    return masks(keys(count, first), np.full(count, hidden), full, length, span)


def check_even(observed, chances=None):
    """Chi-square: the counts are those of a draw from equal (or these) chances, to 5 standard deviations."""
    expected = observed.sum() * (1 / len(observed) if chances is None else np.asarray(chances))
    freedom = len(observed) - 1
    found = ((observed - expected) ** 2 / expected).sum()
    assert abs(found - freedom) < 5 * math.sqrt(2 * freedom) + 5


def chosen_counts(u, length, config):
    """What `counts` says where the point of a key is `u`."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("bbyte.models.diffusion.masks.points", lambda keys: np.full(len(keys), u))
        return int(counts(keys(1), np.array([length]), config)[0])


@pytest.mark.parametrize("span", [1, 3, 8, 100])
def test_exactly_so_many_are_hidden_and_none_behind_the_end(span):
    dice = np.random.default_rng(0)
    found = dice.integers(1, 41, 500)
    hide = dice.integers(1, found + 1)
    mask = masks(keys(500), hide, found, 40, span)
    assert mask.shape == (500, 40) and mask.dtype == bool
    np.testing.assert_array_equal(mask.sum(1), hide)
    for row, end in zip(mask, found, strict=True):
        assert not row[end:].any()


@pytest.mark.parametrize("first", [0, 7 << 40, (1 << 62) + 12345])
@pytest.mark.parametrize("hidden", [1, 2, 3, 4])
def test_every_set_of_so_many_of_five_is_as_likely(hidden, first):
    mask = drawn(20_000, 5, hidden, first)
    seen = np.bincount(mask @ (1 << np.arange(5)), minlength=32)
    sets = [sum(1 << i for i in held) for held in itertools.combinations(range(5), hidden)]
    assert seen[sets].sum() == 20_000
    check_even(seen[sets])


@pytest.mark.parametrize(("length", "hidden"), [(64, 1), (64, 20), (300, 7), (300, 290)])
def test_every_place_is_as_likely_and_so_is_every_pair(length, hidden):
    rows = 4000
    mask = drawn(rows, length, hidden)
    rate = hidden / length
    places = mask.sum(0)
    spread = (places - rows * rate) / math.sqrt(rows * rate * (1 - rate))
    assert np.abs(spread).max() < 5 and 0.7 < spread.var() * length / (length - 1) < 1.4
    both = mask.T.astype(float) @ mask
    pair = rate * (hidden - 1) / (length - 1)
    off = both[~np.eye(length, dtype=bool)]
    assert np.abs(off - rows * pair).max() < 6 * math.sqrt(rows * pair * (1 - pair)) + 1e-9


def test_masks_of_different_keys_have_nothing_to_do_with_each_other():
    mask = drawn(2000, 64, 32) - 0.5
    for apart in (1, 2, 3, 4, 64, 1000):
        agreement = (mask[apart:] * mask[:-apart]).sum(1) * 4 / 64  # a correlation, of variance 1/63
        assert abs(agreement.mean()) < 5 / math.sqrt(63 * len(agreement))
    shifted = (mask[1:, 1:] * mask[:-1, :-1]).mean() * 4  # nor is one the other, moved
    assert abs(shifted) < 5 / math.sqrt(1999 * 63)


def test_how_many_are_hidden_says_nothing_of_which():
    one = keys(20_000)
    hide = counts(one, np.full(20_000, 8), WHOLE)
    mask = masks(one, hide, np.full(20_000, 8), 8)
    for k in range(1, 8):
        places = mask[hide == k].sum(0)
        chance = (hide == k).sum() * k / 8
        assert np.abs(places - chance).max() < 5 * math.sqrt(chance * (1 - k / 8))


def test_more_are_hidden_by_hiding_more_of_the_same_places():
    masked = [drawn(50, 40, hidden) for hidden in range(1, 41)]
    assert all((one <= other).all() for one, other in itertools.pairwise(masked))


def test_a_mask_is_decided_by_its_key_whatever_stands_beside_it():
    some = np.random.default_rng(1).integers(0, 1 << 62, 50)
    for config in (ANY, MaskingConfig(short_windows=0.5)):
        found = lengths(some, 33, config)
        hide = counts(some, found, config)
        together = masks(some, hide, found, 33, span=4)
        for n in range(50):
            one = slice(n, n + 1)
            assert lengths(some[one], 33, config) == found[one]
            assert counts(some[one], found[one], config) == hide[one]
            np.testing.assert_array_equal(masks(some[one], hide[one], found[one], 33, 4)[0], together[n])


def test_masks_are_the_same_on_every_machine():
    # Known answers: checkpoints are resumed and scores repeated by them.
    some = np.array([0, 1, 2, (1 << 61) + 7])
    found = lengths(some, 8, MaskingConfig(short_windows=0.5))
    hide = counts(some, np.full(4, 8), ANY)
    mask = masks(some, hide, np.full(4, 8), 8)
    rows = ["".join(".#"[int(hidden)] for hidden in row) for row in mask]
    assert (found.tolist(), hide.tolist()) == ([8, 8, 1, 8], [1, 5, 2, 8])
    assert rows == [".....#..", "####.#..", "...#..#.", "########"]


@pytest.mark.parametrize("first", [0, 99, 5 << 32, (1 << 62) + 1])
@pytest.mark.parametrize("length", [1, 2, 3, 5, 7, 64, 100, 1023, 4096])
def test_every_number_of_hidden_bytes_is_as_likely(length, first):
    rows = 1 << 17
    hide = counts(keys(rows, first), np.full(rows, length), WHOLE)
    seen = np.bincount(hide, minlength=length + 1)
    assert seen[0] == 0 and len(seen) == length + 1
    # Even to a few windows, where independent draws would be off by the root of rows / length.
    assert np.abs(seen[1:] - rows / length).max() <= 4


@pytest.mark.parametrize("rows", [4, 16, 64, 256, 1000])
def test_the_points_of_consecutive_keys_are_evenly_spread(rows):
    worst = 0.0
    for first in (0, 3, 1000, 5 << 32, (1 << 62) - 77):
        u = np.sort(points(keys(rows, first)))
        assert u[0] >= 0 and u[-1] < 1
        below = np.arange(rows) / rows
        worst = max(worst, np.abs(u - below).max(), np.abs(u - below - 1 / rows).max())
    # The golden ratio's discrepancy is O(log n / n); that of random points is about 0.9 / sqrt(n).
    assert worst < (1 + 0.4 * math.log(rows)) / rows


def test_number_of_hidden_bytes_at_both_ends_of_the_points():
    last = 1 - 2.0**-53
    for length in (1, 2, 3, 7, 1000, 1024, 65537):
        assert chosen_counts(0.0, length, ANY) == 1
        assert chosen_counts(2.0**-53, length, ANY) == 1
        assert chosen_counts(last, length, ANY) == length
        for k in range(1, min(length, 40)):
            assert chosen_counts((k - 0.5) / length, length, ANY) == k
        border = 1 / length
        assert chosen_counts(border * (1 - 1e-6), length, ANY) == 1
        assert chosen_counts(border * (1 + 1e-6), length, ANY) == min(2, length)


@pytest.mark.parametrize(("low", "high"), [(0.0, 0.5), (0.3, 1.0), (0.05, 0.5), (0.15, 0.15001), (0.999, 1)])
@pytest.mark.parametrize("length", [1, 7, 64, 1000])
def test_rates_lie_between_the_smallest_and_the_largest(low, high, length):
    config = MaskingConfig(min_mask_prob=low, max_mask_prob=high)
    for u in (1e-3, 0.1234567, 0.4567891, 0.8765432, 1 - 1e-3):
        assert chosen_counts(u, length, config) == math.ceil((low + (high - low) * u) * length)
    assert chosen_counts(1 - 2.0**-53, length, config) == math.ceil(high * length)


def test_half_of_the_bytes_is_half_of_them():
    half = MaskingConfig(min_mask_prob=0.5, max_mask_prob=0.5)
    assert chosen_counts(0.3, 64, half) == 32
    assert chosen_counts(0.3, 64, MaskingConfig(diffusion_steps=1)) in (32, 64)
    for percent in range(1, 101):  # 0.07 * 100 is more than 7 to a computer
        rate = percent / 100
        one = MaskingConfig(min_mask_prob=rate, max_mask_prob=rate)
        assert chosen_counts(0.3, 100, one) == percent
        assert chosen_counts(0.0, 100, MaskingConfig(min_mask_prob=rate)) == percent


@pytest.mark.parametrize("steps", [1, 2, 5, 10, 64])
def test_so_many_rates_evenly_spaced_are_drawn_evenly(steps):
    config = MaskingConfig(diffusion_steps=steps, short_windows=0)
    hide = counts(keys(64_000), np.full(64_000, 1000), config)
    rates, seen = np.unique(hide, return_counts=True)
    assert len(rates) == steps and rates[0] >= 1 and rates[-1] <= 1000
    gaps = np.diff(rates)
    assert steps == 1 or gaps.max() - gaps.min() <= 1
    assert np.abs(seen - 64_000 / steps).max() <= 5


@pytest.mark.parametrize("steps", [1, 2, 10])
def test_the_last_of_the_steps_is_the_largest_rate(steps):
    config = MaskingConfig(diffusion_steps=steps)
    assert chosen_counts(1 - 2.0**-53, 64, config) == 64


def test_as_many_steps_as_bytes_are_every_number_of_bytes():
    one, full, steps = keys(5000), np.full(5000, 50), MaskingConfig(diffusion_steps=50)
    np.testing.assert_array_equal(counts(one, full, steps), counts(one, full, ANY))


def test_one_window_in_a_hundred_is_cut_to_any_length():
    found = lengths(keys(400_000), 20, ANY)
    cut = found[found < 20]
    assert found.min() == 1 and found.max() == 20
    share = len(cut) / len(found) * 20 / 19  # a cut to all of it is none
    assert share == pytest.approx(0.01, abs=5 * math.sqrt(0.01 / len(found)))
    check_even(np.bincount(cut, minlength=20)[1:])


def test_no_window_is_cut_or_every_one():
    assert (lengths(keys(1000), 20, WHOLE) == 20).all()
    check_even(np.bincount(lengths(keys(20_000), 20, MaskingConfig(short_windows=1)))[1:])


def test_a_cut_window_hides_any_number_of_what_is_left():
    config = MaskingConfig(short_windows=1)
    one = keys(100_000)
    found = lengths(one, 6, config)
    hide = counts(one, found, config)
    for length in range(1, 7):
        check_even(np.bincount(hide[found == length], minlength=length + 1)[1:])


def in_stretches(row, span):
    """Whether all stretches but one, from a border on, are hidden or seen whole, and of that the start."""
    for border in range(span):
        parts = [part for part in np.split(row, range(border, len(row), span)) if len(part)]
        mixed = [part for part in parts if part.any() and not part.all()]
        if not mixed or (len(mixed) == 1 and (np.diff(mixed[0].astype(int)) <= 0).all()):
            return True
    return False


@pytest.mark.parametrize(("length", "span"), [(40, 2), (40, 8), (41, 7), (5, 8), (300, 16)])
def test_spans_are_hidden_in_stretches(length, span):
    rows = 400
    hide = counts(keys(rows), np.full(rows, length), WHOLE)
    mask = masks(keys(rows), hide, np.full(rows, length), length, span)
    assert all(in_stretches(row, span) for row in mask)
    single = masks(keys(rows), hide, np.full(rows, length), length)
    borders = [np.diff(one.astype(int)).astype(bool).sum() for one in (mask, single)]
    assert borders[0] < borders[1] * (1.6 / span + 0.05) or length <= span


def test_spans_hide_every_place_about_as_often():
    # Those at the ends lie in short stretches, and the one that is hidden in part is hidden from its start.
    places = drawn(30_000, 64, 20, span=8).mean(0)
    assert np.abs(places / (20 / 64) - 1).max() < 0.2


def test_a_batch_is_masked_in_a_moment():
    one = keys(64)
    times = []
    for _ in range(5):
        began = time.perf_counter()
        found = lengths(one, 1024, ANY)
        masks(one, counts(one, found, ANY), found, 1024)
        times.append(time.perf_counter() - began)
    assert min(times) < 0.05  # 5 ms where nothing else runs
