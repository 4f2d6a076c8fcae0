import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bbyte.data.sampling import GROUP, WindowOrder, permute
from bbyte.errors import UsageError


@pytest.mark.parametrize("n", [1, 2, 3, 4, 5, 7, 16, 17, 63, 64, 65, 1000, 4096, 4097, 65537])
@pytest.mark.parametrize("key", [0, 1, 2**64 - 1, -5])
def test_permute_is_a_bijection(n: int, key: int) -> None:
    assert np.array_equal(np.sort(permute(np.arange(n), n, key)), np.arange(n))


@settings(deadline=None)
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


def orders(largest: int = 50_000) -> st.SearchStrategy[WindowOrder]:
    """Orders of any size, window and stride that go together."""

    @st.composite
    def drawn(draw: st.DrawFn) -> WindowOrder:
        size = draw(st.integers(2, largest))
        longest = draw(st.integers(1, min(9000, size - 1)))
        stride = draw(st.none() | st.integers(1, 2 * longest) | st.integers(1, 2 * size))
        return WindowOrder(size, longest, draw(st.integers(-(2**70), 2**70)), stride)

    return drawn()


@settings(deadline=None)
@given(orders(), st.data(), st.integers(0, 10**6))
def test_windows_stay_inside(order: WindowOrder, data: st.DataObject, first_group: int) -> None:
    length = data.draw(st.integers(1, order.longest))
    found = order.offsets(first_group, np.arange(300), length)
    assert found.min() >= 0
    assert found.max() + length + 1 <= order.size


@settings(deadline=None)
@given(orders(3000), st.data(), st.integers(0, 3))
def test_an_epoch_reads_every_sub_window_of_every_block_once(
    order: WindowOrder, data: st.DataObject, epoch: int
) -> None:
    length = data.draw(st.integers(max(1, order.longest // 8), order.longest))
    count = order.windows_in_epoch(length)
    found = order.offsets(0, np.arange(epoch * count, (epoch + 1) * count), length)
    in_a_block = order.longest // length
    blocks = order.stride * np.arange(order.n_blocks)[:, None] + length * np.arange(in_a_block)
    assert count == order.n_blocks * in_a_block
    assert np.array_equal(np.sort(found) - found.min(), np.sort(blocks.ravel()))


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


def test_the_stride_is_the_longest_window_unless_it_is_given() -> None:
    samples = np.arange(400)
    plain = WindowOrder(100_000, 512, 4).offsets(0, samples, 512)
    assert np.array_equal(WindowOrder(100_000, 512, 4, 512).offsets(0, samples, 512), plain)
    assert not np.array_equal(WindowOrder(100_000, 512, 4, 511).offsets(0, samples, 512), plain)


@pytest.mark.parametrize(
    ("stride", "windows", "readings"),
    [(16, 624, {0, 1}), (8, 1248, {0, 1, 2}), (4, 2496, {0, 1, 2, 3, 4}), (48, 208, {0, 1}), (1, 9984, None)],
)
def test_a_smaller_stride_reads_bytes_again_and_a_larger_one_passes_over(
    stride: int, windows: int, readings: set[int] | None
) -> None:
    order = WindowOrder(10_000, 16, seed=1, stride=stride)
    assert order.n_blocks == order.windows_in_epoch(16) == windows
    read = np.zeros(10_000, np.int64)
    for start in order.offsets(0, np.arange(windows), 16):
        read[start : start + 16] += 1
    assert readings is None or set(read) == readings
    assert read.max() == max(1, 16 // stride)
    assert (read > 0).mean() == pytest.approx(min(1, 16 / stride), abs=0.01)


@pytest.mark.parametrize("stride", [1, 5, 16, 20, 40, 1000])
@pytest.mark.parametrize("size", [17, 18, 40, 3 * 16 + 9])
def test_every_byte_is_in_reach(size: int, stride: int) -> None:
    order = WindowOrder(size, 16, seed=0, stride=stride)
    read = np.zeros(size, bool)
    for start in np.unique(order.offsets(0, np.arange(3000), 16)):
        read[start : start + 17] = True
    assert read.all()


def test_sub_windows_tile_the_blocks() -> None:
    order = WindowOrder(200_000, 1024, seed=9)
    assert order.n_blocks == 3 * GROUP + 2
    subs = order.offsets(0, np.arange(4 * order.n_blocks), 256)
    last = GROUP + 2  # two groups of 64 blocks, then what is over
    for first, count in ((0, GROUP), (GROUP, GROUP), (2 * GROUP, last)):
        blocks = order.offsets(0, np.arange(first, first + count), 1024)
        expected = (blocks[None, :] + 256 * np.arange(4)[:, None]).reshape(-1)
        assert np.array_equal(subs[4 * first : 4 * (first + count)], expected)


@pytest.mark.parametrize("n_blocks", [1, 2, 63, 64, 65, 127, 128, 129, 200])
def test_neighbours_come_from_as_many_blocks_as_there_are_up_to_64(n_blocks: int) -> None:
    order = WindowOrder(n_blocks * 32 + 32, 32, seed=3)
    starts = order.offsets(0, np.arange(order.windows_in_epoch(4)), 4)
    blocks = (starts - starts.min()) // 32
    many = min(GROUP, order.n_blocks)
    seen = [len(set(blocks[start : start + many])) for start in range(0, len(blocks) - many + 1, many)]
    assert order.n_blocks == n_blocks and len(set(blocks)) == n_blocks
    assert min(seen) >= many // 2 and max(seen) == many


def test_the_next_stage_begins_after_the_groups_of_the_one_before() -> None:
    order = WindowOrder(1_000_000, 512, seed=2)
    used = order.groups_in(1000, 128)
    assert used == 4
    short = order.offsets(0, np.arange(1000), 128)
    following = order.offsets(used, np.arange(300), 512)
    assert not set(following) & {start - start_in for start_in in (0, 128, 256, 384) for start in short}


@settings(deadline=None)
@given(
    st.builds(
        WindowOrder, st.integers(1000, 9000), st.integers(1, 16), st.integers(0, 9), st.integers(1, 20)
    ),
    st.lists(st.tuples(st.integers(0, 700), st.integers(1, 16)), min_size=1, max_size=4),
    st.booleans(),
)
def test_stages_share_no_group(order: WindowOrder, stages: list[tuple[int, int]], whole: bool) -> None:
    """The groups that `groups_in` counts are those that `offsets` reads: the next is another one."""
    used, seen = 0, set()
    for count, asked in stages:
        length = order.longest if whole else min(asked, order.longest)
        epoch, group, within = order._place(used, np.arange(count), length)
        groups = set((epoch * order._groups + group).tolist())
        assert not groups & seen and (within >= 0).all()
        assert groups <= set(range(used, used + order.groups_in(count, length, used)))
        assert len(groups) == order.groups_in(count, length, used)
        seen |= groups
        used += order.groups_in(count, length, used)


@settings(deadline=None)
@given(orders(), st.data(), st.permutations(range(200)), st.integers(1, 8), st.integers(1, 50))
def test_any_order_any_batches_and_any_number_of_processes_read_the_same(
    windows: WindowOrder, data: st.DataObject, order: list[int], processes: int, batch: int
) -> None:
    length = data.draw(st.integers(1, windows.longest))
    together = windows.offsets(3, np.arange(200), length)
    assert np.array_equal(windows.offsets(3, np.array(order), length), together[order])
    for rank in range(processes):
        share = np.arange(rank, 200, processes)
        assert np.array_equal(windows.offsets(3, share, length), together[share])
    batches = [
        windows.offsets(3, np.arange(start, min(start + batch, 200)), length)
        for start in range(0, 200, batch)
    ]
    assert np.array_equal(np.concatenate(batches), together)


def test_seeds_differ() -> None:
    samples = np.arange(100)
    one, two = (WindowOrder(10**6, 512, seed).offsets(0, samples, 512) for seed in (0, 1))
    assert not np.array_equal(one, two)


def test_shapes_are_kept() -> None:
    order = WindowOrder(10_000, 64, 0)
    assert order.offsets(0, np.arange(12).reshape(3, 4), 32).shape == (3, 4)
    assert order.offsets(0, np.arange(0), 32).shape == (0,)


@pytest.mark.parametrize("stride", [None, 1, 1000])
def test_too_small_a_corpus_is_refused_with_both_sizes(stride: int | None) -> None:
    with pytest.raises(
        UsageError, match="window of 100 bytes needs a corpus of at least 101, this one has 100 to train on"
    ) as at:
        WindowOrder(100, 100, 0, stride)
    assert "--seq-len 99" in at.value.hint
    assert WindowOrder(101, 100, 0, stride).offsets(0, np.arange(5), 100).tolist() == [0] * 5
    assert WindowOrder(101, 100, 0, stride).windows_in_epoch(25) == 4


def test_senseless_lengths_and_strides() -> None:
    with pytest.raises(UsageError, match="expected 1 to 100"):
        WindowOrder(101, 100, 0).offsets(0, np.arange(5), 101)
    with pytest.raises(UsageError, match="expected 1 to 100"):
        WindowOrder(101, 100, 0).windows_in_epoch(0)
    with pytest.raises(UsageError, match="window length is 0, expected at least 1"):
        WindowOrder(101, 0, 0)
    with pytest.raises(UsageError, match="stride is 0, expected at least 1"):
        WindowOrder(101, 10, 0, 0)
