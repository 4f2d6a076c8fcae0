"""The any-order code length: enumerated, by Bayes' rule, and as it is estimated."""

import math

import numpy as np
import pytest
import torch
from oracle import MarkovPosterior, TableModel, costs_by_hidden, estimates, over_all_orders

from bbyte.evaluation import InMemory, bits_per_byte, objective_measure
from bbyte.models.diffusion.config import MASK, MaskingConfig
from bbyte.models.diffusion.objective import AnyOrder

WHOLE = MaskingConfig(short_windows=0)
STICKY = np.full((4, 4), 0.08) + 0.68 * np.eye(4)


def keys(count, first=0):
    return np.arange(first, first + count, dtype=np.int64)


def measured(model, rows, draws, skip=0, first=0):
    objective = AnyOrder(model, WHOLE)
    objective.draws = draws
    return objective.measure(rows, skip, keys(len(rows), first))


class Seen(torch.nn.Module):
    """Says the same of every byte, and keeps what it was shown."""

    def __init__(self):
        super().__init__()
        self.tokens, self.there = [], []

    def forward(self, tokens, there=None):
        self.tokens.append(tokens)
        self.there.append(there)
        return torch.zeros(*tokens.shape, 256)


@pytest.mark.parametrize("length", range(1, 7))
def test_all_orders_cost_what_all_sets_of_hidden_bytes_say(length):
    # The identity the family stands on: an order's steps are sets of every size, each set as often.
    model = TableModel(length)
    for row in model.rows(3):
        values, chances = estimates(model, row)
        assert chances.sum() == pytest.approx(1)
        assert values @ chances == pytest.approx(over_all_orders(model, row), rel=1e-12)


@pytest.mark.parametrize(("length", "skip"), [(1, 0), (2, 0), (3, 1), (5, 0), (6, 0), (6, 2), (6, 5)])
def test_the_estimate_is_the_enumerated_length(length, skip):
    model = TableModel(length)
    (row,) = model.rows(1, seed=length)
    values, chances = estimates(model, row, skip)
    exact = over_all_orders(model, row, skip)
    draws = 3000
    cost = measured(model, row[None], draws, skip)
    assert cost.count == length - skip and cost.nats.dtype == torch.float64
    spread = math.sqrt((values**2) @ chances - exact**2)
    assert float(cost.nats) == pytest.approx(exact, abs=4 * spread / math.sqrt(draws) + 1e-9)
    if length - skip > 1:  # with so many draws the variance reported is that of a single one, by their number
        assert float(cost.variance) * draws == pytest.approx(spread**2, rel=0.15)


@pytest.mark.parametrize("length", [1, 2, 4, 6])
def test_what_training_minimises_is_in_the_mean_the_enumerated_length(length):
    model = TableModel(length, seed=3)
    (row,) = model.rows(1)
    values, chances = estimates(model, row)
    exact, rows = values @ chances, 20_000
    objective = AnyOrder(model, WHOLE)
    cost = objective(row.expand(rows, -1), *objective.noise(keys(rows), length))
    assert cost.count == rows * length
    spread = math.sqrt((values**2) @ chances - exact**2)
    assert float(cost.nats) / rows == pytest.approx(exact, abs=4 * spread / math.sqrt(rows) + 1e-4)


def test_each_draw_is_a_mean_of_hidden_bytes_times_all_of_them():
    model = TableModel(5)
    rows = model.rows(40)
    objective = AnyOrder(model, WHOLE)
    (hidden,) = objective.noise(keys(40), 5)
    expected = 0.0
    for row, places in zip(rows, hidden, strict=True):
        held = tuple(torch.nonzero(places).flatten().tolist())
        expected += 5 * costs_by_hidden(model, row)[held].mean()
    assert float(objective(rows, hidden).nats) == pytest.approx(expected, rel=1e-5)


def test_the_variance_reported_is_no_smaller_than_the_one_there_is():
    model = TableModel(6)
    rows = model.rows(8)
    costs = [measured(model, rows, 4, first=seed << 32) for seed in range(600)]
    actual = np.var([float(cost.nats) for cost in costs], ddof=1)
    reported = np.mean([float(cost.variance) for cost in costs])
    # A sample variance of 600 is known to 6 %. Even spreading of the rates lowers the actual one.
    assert 0.85 * actual < reported < 3 * actual
    exact = sum(over_all_orders(model, row) for row in rows)
    found = np.mean([float(cost.nats) for cost in costs])
    assert found == pytest.approx(exact, abs=4 * math.sqrt(actual / 600))


def test_a_row_costs_the_same_whatever_stands_beside_it():
    objective, one = AnyOrder(TableModel(6), WHOLE), keys(9, 77)
    rows = objective.model.rows(9)
    together = objective.measure(rows, 1, one)
    alone = [objective.measure(rows[n : n + 1], 1, one[n : n + 1]) for n in range(9)]
    for name in ("nats", "count", "variance"):
        parts = [float(getattr(cost, name)) for cost in alone]
        assert math.fsum(parts) == pytest.approx(float(getattr(together, name)), rel=1e-12)


def test_of_a_single_draw_no_variance_is_known():
    model = TableModel(4)
    assert math.isnan(measured(model, model.rows(2), 1).variance)


def test_more_draws_are_a_smaller_error():
    model = TableModel(6)
    few, many = (measured(model, model.rows(30), draws) for draws in (4, 64))
    assert 8 < float(few.variance / many.variance) < 32


def test_what_comes_before_skip_is_seen_and_not_counted():
    model = Seen()
    window = torch.randint(0, 256, (50, 11), dtype=torch.uint8)
    cost = AnyOrder(model, WHOLE).measure(window, 4, keys(50))
    assert cost.count == 50 * 6
    assert float(cost.nats) == pytest.approx(50 * 6 * math.log(256))
    tokens = torch.stack(model.tokens)
    hidden = tokens == MASK
    assert not hidden[:, :, :5].any()
    assert (hidden.sum(2) >= 1).all()
    assert all(hidden[:, :, n].any() for n in range(5, 11))
    assert torch.equal(tokens[~hidden], window.int().expand(4, -1, -1)[~hidden])


@pytest.mark.parametrize("mode", ["token", "span"])
def test_in_training_the_first_byte_is_seen_and_every_other_is_at_times_hidden(mode):
    model = Seen()
    window = torch.randint(0, 256, (200, 9), dtype=torch.uint8)
    objective = AnyOrder(model, MaskingConfig(mask_mode=mode, span_len=3, short_windows=0))
    noise = objective.noise(keys(200), 8)
    cost = objective(window, *noise)
    (tokens,) = model.tokens
    hidden = tokens == MASK
    assert torch.equal(hidden[:, 1:], noise[0]) and not hidden[:, 0].any()
    assert hidden[:, 1:].any(0).all()
    assert torch.equal(tokens[~hidden], window.int()[~hidden])
    assert cost.count == 1600 and float(cost.nats) == pytest.approx(1600 * math.log(256), rel=1e-5)


def test_a_cut_row_stands_for_a_whole_one():
    model = Seen()
    window = torch.randint(0, 256, (300, 9), dtype=torch.uint8)
    objective = AnyOrder(model, MaskingConfig(short_windows=0.5))
    hidden, there = objective.noise(keys(300), 8)
    cost = objective(window, hidden, there)
    assert cost.count == 300 * 8 and float(cost.nats) == pytest.approx(2400 * math.log(256), rel=1e-5)
    assert model.there[0] is there and there.shape == (300, 9) and there[:, :2].all()
    ends = there.sum(1)
    assert 0.3 < (ends < 9).float().mean() < 0.6
    assert (there == (torch.arange(9) < ends[:, None])).all()  # a beginning is there, and nothing else
    assert not (hidden & ~there[:, 1:]).any()
    assert (hidden.sum(1) >= 1).all()


def test_where_no_row_is_cut_the_model_is_not_told_of_ends():
    assert len(AnyOrder(Seen(), WHOLE).noise(keys(64), 8)) == 1
    assert len(AnyOrder(Seen(), MaskingConfig(short_windows=1)).noise(keys(64), 8)) == 2


@pytest.mark.parametrize(("length", "skip"), [(5, 0), (6, 2)])
def test_by_bayes_every_order_costs_the_same(length, skip):
    source = MarkovPosterior(STICKY)
    for row in source.sample(3, length):
        expected = float(source.nats(row[None, skip:])[0])
        assert over_all_orders(source, row, skip) == pytest.approx(expected, rel=1e-10)


def test_by_bayes_the_bound_is_the_code_length_and_that_the_entropy():
    source = MarkovPosterior(STICKY)
    rows = source.sample(4096, 32)
    cost = measured(source, rows, 8)
    exact = source.nats(rows).sum()
    error = math.sqrt(cost.variance)
    assert error / exact < 0.005
    assert abs(float(cost.nats) - exact) < 3 * error
    assert float(cost.nats) / cost.count == pytest.approx(source.entropy(), rel=0.01)


def test_low_rates_alone_are_no_bound():
    source = MarkovPosterior(STICKY)
    rows = source.sample(512, 64)
    exact = source.nats(rows).sum()
    found = {}
    for low, high in ((0.0, 1.0), (0.05, 0.5)):
        config = MaskingConfig(min_mask_prob=low, max_mask_prob=high, short_windows=0)
        objective = AnyOrder(source, config)
        costs = [objective(rows, *objective.noise(keys(512, n * 512), 64)) for n in range(4)]
        found[high] = sum(float(cost.nats) for cost in costs) / 4 / exact
    assert found[1.0] == pytest.approx(1, abs=0.02)
    assert found[0.5] < 0.95
    # Divided by all bytes, as if those that are seen had been predicted, it is less still.
    masked = AnyOrder(source, WHOLE).masked(rows.numpy(), 0.275, keys(512))
    assert float(masked.nats) / exact < 0.3


def test_the_cost_of_hidden_bytes_grows_with_their_number():
    source = MarkovPosterior(STICKY)
    rows = source.sample(1000, 40)
    objective = AnyOrder(source, WHOLE)
    costs = [objective.masked(rows.numpy(), rate, keys(1000)) for rate in (0.0, 0.1, 0.25, 0.5, 0.75, 1.0)]
    assert [cost.count for cost in costs] == [1000 * n for n in (1, 4, 10, 20, 30, 40)]
    means = [float(cost.nats) / cost.count for cost in costs]
    assert means[1:] == sorted(means[1:])  # of the first, one byte a row, too few are hidden to be sure


def test_training_options_do_not_change_what_is_measured():
    model = TableModel(6)
    rows = model.rows(5)
    strange = MaskingConfig(
        mask_mode="span", span_len=2, diffusion_steps=3, max_mask_prob=0.4, short_windows=1
    )
    ours, theirs = (AnyOrder(model, config).measure(rows, 0, keys(5)) for config in (strange, WHOLE))
    assert ours == theirs


def test_a_score_carries_the_error_and_the_seed_decides_the_masks():
    model = TableModel(6)
    text = InMemory(bytes(model.rows(1, seed=5)[0, 1:]) * 30)

    def score(seed):
        measure = objective_measure(AnyOrder(model, WHOLE), "cpu", seed)
        return bits_per_byte(measure, text, context=6, stride=6, is_bound=True)

    one, again, other = score(1), score(1), score(2)
    assert one == again and one.nats != other.nats
    assert one.is_bound and 0 < one.standard_error < 0.2
    assert abs(one.bits_per_byte - other.bits_per_byte) < 5 * math.hypot(
        one.standard_error, other.standard_error
    )
