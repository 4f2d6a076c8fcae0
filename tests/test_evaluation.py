"""Bits per byte: each byte counted once, with the context promised, and equal to what theory says."""

import math
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bbyte.errors import BbyteError, DataError, UsageError
from bbyte.evaluation import (
    InMemory,
    bits_per_byte,
    bits_per_byte_carried,
    bits_per_byte_reference,
    objective_measure,
    whole_windows,
    windows,
)
from bbyte.models.contract import Cost


class OrderOne:
    """An oracle: the cost of each byte after the byte before it, from a table of nats (256, 256)."""

    def __init__(self, nats):
        self.nats = nats

    def __call__(self, rows, skip):
        costs = self.nats[rows[:, skip:-1], rows[:, skip + 1 :]]
        return Cost(float(costs.sum()), costs.size)


class RunningHash:
    """A cost that depends on every byte of the window up to the target: any wrong context shows."""

    def __call__(self, rows, skip):
        state = np.zeros(len(rows))
        total, count = 0.0, 0
        for position in range(rows.shape[1] - 1):
            state = (state * 31 + rows[:, position] + 1) % 65521
            if position >= skip:
                total += float(((state * 7 + rows[:, position + 1]) % 101 / 16).sum())
                count += len(rows)
        return Cost(total, count)


def score_of(measure, data, context=8, stride=4, **more):
    return bits_per_byte(measure, InMemory(bytes(data)), context=context, stride=stride, **more)


sizes = st.integers(1, 300)
contexts = st.integers(1, 64)
texts = st.binary(min_size=1, max_size=120)


def uniform(rows, skip):
    count = rows[:, 1 + skip :].size
    return Cost(count * math.log(256), count)


def test_a_uniform_model_scores_eight():
    data = InMemory(np.random.default_rng(0).bytes(10_007))
    score = bits_per_byte(uniform, data, context=128, stride=48)
    assert score.bits_per_byte == pytest.approx(8, abs=1e-12)
    assert (score.bytes, score.context, score.stride, score.is_bound) == (10_007, 128, 48, False)


def test_an_order_0_oracle_scores_the_empirical_cross_entropy():
    rng = np.random.default_rng(1)
    truth = rng.dirichlet(np.full(256, 0.1))
    data = rng.choice(256, 30_000, p=truth).astype(np.uint8)
    model = (truth + 1e-4) / (truth + 1e-4).sum()
    score = score_of(OrderOne(np.tile(-np.log(model), (256, 1))), data, context=64, stride=32)
    counts = np.bincount(data, minlength=256)
    assert score.bits_per_byte == pytest.approx(-(counts @ np.log2(model)) / data.size, abs=1e-12)


def test_an_order_1_oracle_scores_its_own_entropy():
    rng = np.random.default_rng(2)
    table = rng.dirichlet(np.full(8, 0.4), size=256)
    text = [0]
    for draw in rng.random(40_000):
        text.append(min(int(np.searchsorted(np.cumsum(table[text[-1]]), draw)), 7))
    costs = np.full((256, 256), np.inf)
    costs[:, :8] = -np.log(table)
    data = np.array(text, np.uint8)  # data[0] is the 0x00 every document is scored after
    score = score_of(OrderOne(costs), data[1:], context=64, stride=64)
    empirical = costs[data[:-1], data[1:]].sum() / math.log(2) / (data.size - 1)
    assert score.bits_per_byte == pytest.approx(empirical, abs=1e-12)

    values, vectors = np.linalg.eig(table[:8].T)
    stationary = np.real(vectors[:, np.argmax(np.real(values))])
    stationary /= stationary.sum()
    entropy = float(stationary @ -(table[:8] * np.log2(table[:8])).sum(axis=1))
    assert score.bits_per_byte == pytest.approx(entropy, abs=0.02)


@settings(max_examples=300, deadline=None)
@given(size=sizes, context=contexts, stride=contexts, batch_size=st.integers(1, 5))
def test_every_byte_is_counted_once_and_sees_the_promised_context(size, context, stride, batch_size):
    stride = min(stride, context)
    counted, seen = np.zeros(size, int), np.zeros(size, int)
    places = iter(list(windows(size, context, stride)))
    text = np.random.default_rng(size).integers(1, 256, size, dtype=np.uint8)
    sequence = np.concatenate([np.zeros(1, np.uint8), text])

    def measure(rows, skip):
        for row in rows:
            place = next(places)
            assert np.array_equal(row, sequence[place.start : place.start + place.length + 1])
            assert skip == place.skip
            for position in range(skip, place.length):
                counted[place.start + position] += 1
                seen[place.start + position] = position
        return uniform(rows, skip)

    score = score_of(measure, text, context=context, stride=stride, batch_size=batch_size)
    assert score.bytes == size
    assert (counted == 1).all()
    assert (seen >= np.minimum(np.arange(size), context - stride)).all()
    assert (seen < context).all()


@settings(max_examples=60, deadline=None)
@given(
    data=st.binary(min_size=1, max_size=120), context=contexts, stride=contexts, batch_size=st.integers(1, 4)
)
def test_windows_agree_with_the_byte_by_byte_reference(data, context, stride, batch_size):
    stride = min(stride, context)
    fast = score_of(RunningHash(), data, context, stride, batch_size=batch_size)
    slow = bits_per_byte_reference(RunningHash(), InMemory(data), context=context, stride=stride)
    assert fast.bits_per_byte == pytest.approx(slow, abs=1e-12)


class Carried(RunningHash):
    """The same cost, with the state kept from one call to the next."""

    def __init__(self):
        self.state = 0

    def __call__(self, rows, skip):
        assert len(rows) == 1 and skip == 0
        total = 0.0
        for byte, target in zip(rows[0, :-1].tolist(), rows[0, 1:].tolist(), strict=True):
            self.state = (self.state * 31 + byte + 1) % 65521
            total += (self.state * 7 + target) % 101 / 16
        return Cost(total, rows.shape[1] - 1)


@given(texts, st.integers(1, 150))
def test_carried_every_byte_is_scored_after_all_that_came_before(data, block):
    score = bits_per_byte_carried(Carried(), InMemory(data), block=block)
    whole = score_of(RunningHash(), data, context=len(data), stride=len(data))
    assert score.bits_per_byte == pytest.approx(whole.bits_per_byte, rel=1e-12)
    assert (score.bytes, score.digest) == (len(data), whole.digest)
    assert (score.context, score.stride) == (len(data), len(data))


def test_carried_too_there_must_be_something_to_score():
    with pytest.raises(DataError, match="nothing to score"):
        bits_per_byte_carried(Carried(), InMemory(b""), block=8)


def test_the_first_byte_is_scored_after_a_zero_byte():
    rows_seen = []

    def measure(rows, skip):
        rows_seen.append(rows.copy())
        return uniform(rows, skip)

    score_of(measure, b"ab", context=8, stride=8)
    assert [rows.tolist() for rows in rows_seen] == [[[0, 97, 98]]]


def test_the_digest_is_that_of_the_bytes_scored():
    from blake3 import blake3

    data = np.random.default_rng(3).bytes(1000)
    score = score_of(uniform, data, context=64, stride=20, batch_size=3)
    assert score.digest == blake3(data).hexdigest()


def test_progress_ends_at_the_size():
    calls = []
    bits_per_byte(
        uniform,
        InMemory(bytes(500)),
        context=64,
        stride=32,
        on_progress=lambda done, size: calls.append((done, size)),
    )
    assert calls == sorted(calls)
    assert calls[-1] == (500, 500)


@pytest.mark.parametrize(
    ("context", "stride", "words"), [(8, 9, "stride 9"), (8, 0, "stride 0"), (0, 0, "context 0")]
)
def test_a_stride_that_does_not_fit_is_refused(context, stride, words):
    with pytest.raises(UsageError, match=words):
        score_of(uniform, b"abc", context=context, stride=stride)


def test_empty_data_and_a_diverged_model_are_refused():
    with pytest.raises(DataError, match="empty"):
        score_of(uniform, b"")
    with pytest.raises(BbyteError, match="no number"):
        score_of(lambda rows, skip: Cost(math.nan, rows[:, 1 + skip :].size), b"abc", context=8, stride=4)


def test_a_measure_that_counts_wrongly_is_caught():
    with pytest.raises(ValueError, match="counted 5"):
        score_of(lambda rows, skip: Cost(1.0, 5), b"abc")


def test_a_torch_objective_is_measured_in_eval_mode_and_left_as_it_was():
    import torch

    class Objective(torch.nn.Module):
        is_random = False

        def __init__(self):
            super().__init__()
            self.table = torch.nn.Parameter(torch.randn(256, 256, generator=torch.Generator().manual_seed(0)))

        def measure(self, window, skip=0):
            assert not self.training
            logp = torch.log_softmax(self.table[window[:, skip:-1].long()].double(), -1)
            nats = -logp.gather(-1, window[:, skip + 1 :].long()[..., None]).sum()
            assert not nats.requires_grad
            return Cost(nats, window[:, skip + 1 :].numel())

    objective = Objective()
    data = np.random.default_rng(4).bytes(333)
    score = score_of(objective_measure(objective, "cpu"), data, context=50, stride=20)
    table = -torch.log_softmax(objective.table.detach().double(), -1).numpy()
    expected = score_of(OrderOne(table), data, context=50, stride=20)
    assert score.bits_per_byte == pytest.approx(expected.bits_per_byte, abs=1e-12)
    assert objective.training


def test_importing_loads_no_torch():
    code = "import sys, bbyte.evaluation; raise SystemExit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


@pytest.mark.parametrize(("size", "rows"), [(10, 2), (4, 1), (3, 1), (9, 2)])
def test_windows_that_lie_side_by_side(size, rows):
    data = bytes(range(1, size + 1))
    found = np.concatenate(list(whole_windows(InMemory(data), 4, batch_size=1)))
    length = min(4, size)
    assert found.shape == (rows, length + 1)
    assert found[:, 1:].tobytes() == data[: rows * length] and found[0, 0] == 0


def test_there_must_be_something_in_a_window():
    with pytest.raises(DataError, match="nothing to score"):
        next(whole_windows(InMemory(b""), 4, batch_size=1))
