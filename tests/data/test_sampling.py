import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bbyte.data.sampling import GROUP, WindowOrder, permute
from bbyte.errors import UsageError


@pytest.mark.parametrize("n", [1, 2, 3, 4, 5, 7, 16, 17, 63, 64, 65, 1000, 4096, 4097, 65537])
@pytest.mark.parametrize("key", [0, 1, 2**64 - 1, -5])
def test_permute_is_a_bijection(n: int, key: int) -> None:
    assert np.array_equal(np.sort(permute(np.arange(n), n, key)), np.arange(n))


@given(n=st.integers(1, 3000), key=st.integers(0, 2**64 - 1))
def test_permute_is_a_bijection_for_any_size_and_key(n: int, key: int) -> None:
    assert np.unique(permute(np.arange(n), n, key)).size == n


def test_permute_is_fixed_for_ever() -> None:
    # A resumed run must find the order it left: these values may never change.
    assert permute(np.arange(10), 10, 7).tolist() == [3, 7, 0, 1, 2, 5, 6, 9, 8, 4]
    assert permute(np.array([0, 1, 2**39]), 2**40, 7).tolist() == [912798320993, 1025865603456, 810707110211]


def test_keys_differ_and_can_be_given_one_an_index() -> None:
    index = np.arange(500)
    first, second = permute(index, 500, 1), permute(index, 500, 2)
    assert (first == second).mean() < 0.02
    keys = np.where(index % 2 == 0, 1, 2).astype(np.uint64)
    assert np.array_equal(permute(index, 500, keys), np.where(index % 2 == 0, first, second))


@pytest.mark.parametrize("n", [3, 10, 50])
def test_permute_looks_uniform(n: int) -> None:
    keys = np.arange(100_000, dtype=np.uint64)
    for index in (0, n - 1):
        seen = np.bincount(permute(np.full(keys.size, index), n, keys), minlength=n)
        expected = keys.size / n
        chi_squared = ((seen - expected) ** 2 / expected).sum()
        assert chi_squared < n + 5 * np.sqrt(2 * n)


def test_neighbours_are_sent_far_apart() -> None:
    sent = permute(np.arange(10_000), 10_000, 3)
    assert abs(np.corrcoef(sent[:-1], sent[1:])[0, 1]) < 0.05


def test_permute_refuses_indices_outside() -> None:
    for index in ([-1], [10]):
        with pytest.raises(ValueError, match="from 0 to n - 1"):
            permute(np.array(index), 10, 0)


@given(
    size=st.integers(2, 50_000),
    longest=st.integers(1, 9000),
    seed=st.integers(-(2**70), 2**70),
    length=st.integers(1, 9000),
    first_group=st.integers(0, 10**6),
)
def test_windows_stay_inside(size: int, longest: int, seed: int, length: int, first_group: int) -> None:
    longest = min(longest, size - 1)
    length = min(length, longest)
    found = WindowOrder(size, longest, seed).offsets(first_group, np.arange(300), length)
    assert found.min() >= 0
    assert found.max() + length + 1 <= size


def test_every_block_once_an_epoch() -> None:
    order = WindowOrder(100_000, 512, seed=4)
    starts = order.offsets(0, np.arange(3 * order.n_blocks), 512).reshape(3, order.n_blocks)
    shifts = set()
    for epoch in starts:
        blocks, shift = np.divmod(np.sort(epoch) - epoch.min(), 512)
        assert np.array_equal(blocks, np.arange(order.n_blocks))
        assert not shift.any()
        shifts.add(int(epoch.min()))
    assert len(shifts) == 3, "epochs begin at different shifts"
    assert not np.array_equal(np.argsort(starts[0]), np.argsort(starts[1]))


def test_every_byte_is_in_reach() -> None:
    size = 3 * 16 + 9
    order = WindowOrder(size, 16, seed=0)
    starts = order.offsets(0, np.arange(2000), 16)
    assert starts.min() == 0
    assert starts.max() + 16 + 1 == size


def test_sub_windows_tile_the_blocks() -> None:
    order = WindowOrder(100_000, 1024, seed=9)
    blocks = order.offsets(0, np.arange(GROUP), 1024)
    subs = order.offsets(0, np.arange(4 * GROUP), 256)
    assert order.groups_in(4 * GROUP, 256) == order.groups_in(GROUP, 1024) == 1
    expected = (blocks[None, :] + 256 * np.arange(4)[:, None]).reshape(-1)
    assert np.array_equal(subs, expected)


def test_the_next_stage_begins_after_the_groups_of_the_one_before() -> None:
    order = WindowOrder(1_000_000, 512, seed=2)
    used = order.groups_in(1000, 128)
    assert used == 4
    short = order.offsets(0, np.arange(1000), 128)
    following = order.offsets(used, np.arange(300), 512)
    assert not set(following) & {start - start_in for start_in in (0, 128, 256, 384) for start in short}


@given(st.permutations(range(200)), st.integers(1, 8))
def test_any_order_and_any_number_of_processes_read_the_same(order: list[int], processes: int) -> None:
    windows = WindowOrder(60_000, 256, seed=11)
    together = windows.offsets(3, np.arange(200), 128)
    assert np.array_equal(windows.offsets(3, np.array(order), 128), together[order])
    for rank in range(processes):
        share = np.arange(rank, 200, processes)
        assert np.array_equal(windows.offsets(3, share, 128), together[share])


def test_seeds_differ() -> None:
    samples = np.arange(100)
    one, two = (WindowOrder(10**6, 512, seed).offsets(0, samples, 512) for seed in (0, 1))
    assert not np.array_equal(one, two)


def test_shapes_are_kept() -> None:
    order = WindowOrder(10_000, 64, 0)
    assert order.offsets(0, np.arange(12).reshape(3, 4), 32).shape == (3, 4)
    assert order.offsets(0, np.arange(0), 32).shape == (0,)


def test_too_small_a_corpus_is_refused_with_both_sizes() -> None:
    with pytest.raises(
        UsageError, match="window of 100 bytes needs a corpus of at least 101, this one has 100"
    ) as at:
        WindowOrder(100, 100, 0)
    assert "--seq-len 99" in at.value.hint
    assert WindowOrder(101, 100, 0).offsets(0, np.arange(5), 100).tolist() == [0] * 5
    with pytest.raises(UsageError, match="expected 1 to 100"):
        WindowOrder(101, 100, 0).offsets(0, np.arange(5), 101)
    with pytest.raises(UsageError, match="at least 1"):
        WindowOrder(101, 0, 0)
