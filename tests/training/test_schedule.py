"""What varies by step: learning rate, window length, quantization, and which bytes are read."""

import itertools

import numpy as np
import pytest

from bbyte.data.sampling import WindowOrder
from bbyte.training.config import TrainConfig
from bbyte.training.schedule import (
    Schedule,
    Stage,
    lr_for_step,
    quantized_for_step,
    seq_len_for_step,
    stages,
)


def rates(total, warmup=0, base=1.0, **settings):
    return [lr_for_step(step, warmup, total, base, **settings) for step in range(total)]


def test_the_public_functions_take_their_arguments_in_the_order_of_the_old_scripts():
    assert lr_for_step(5, 10, 100, 0.01) == pytest.approx(0.006)
    assert seq_len_for_step(30, 100, 2048) == 2048


def test_warm_up_rises_to_the_base_rate():
    assert rates(100, 4)[:6] == [0.25, 0.5, 0.75, 1, 1, 1]
    assert rates(100, 0)[0] == 1
    assert lr_for_step(0, 1, 10, 2.0) == 2.0


def test_wsd_is_constant_and_then_falls_in_a_line_towards_zero():
    found = rates(10, cooldown=0.5, base=2.0)
    assert found == pytest.approx([2, 2, 2, 2, 2, 2, 1.6, 1.2, 0.8, 0.4])
    assert rates(10, cooldown=0.0) == [1.0] * 10
    assert rates(4, cooldown=1.0) == pytest.approx([1, 0.75, 0.5, 0.25])
    assert lr_for_step(10, 0, 10, 1.0) == lr_for_step(99, 0, 10, 1.0) == 0


def test_cosine_falls_to_a_tenth():
    found = rates(101, warmup=1, schedule="cosine")
    assert found[0] == found[1] == 1
    assert found[51] == pytest.approx(0.55)
    assert lr_for_step(101, 1, 101, 1.0, schedule="cosine") == pytest.approx(0.1)
    assert lr_for_step(500, 1, 101, 1.0, schedule="cosine") == pytest.approx(0.1)
    assert all(earlier >= later for earlier, later in itertools.pairwise(found))


@pytest.mark.parametrize("schedule", ["wsd", "cosine"])
@pytest.mark.parametrize(("warmup", "total"), [(0, 1), (1, 1), (5, 3), (10, 10), (3, 50)])
def test_every_rate_is_above_zero_and_at_most_the_base(schedule, warmup, total):
    assert all(0 < rate <= 1 for rate in rates(total, warmup, schedule=schedule))


def test_the_curriculum_doubles_at_20_and_50_percent():
    found = [seq_len_for_step(step, 100) for step in range(100)]
    assert found == [2048] * 20 + [4096] * 30 + [8192] * 50
    assert [seq_len_for_step(step, 10) for step in range(10)] == [2048] * 2 + [4096] * 3 + [8192] * 5


@pytest.mark.parametrize(("cap", "expected"), [(8192, [2048, 4096, 8192]), (4096, [2048, 4096, 4096]),
    (3000, [2048, 3000, 3000]), (512, [512] * 3), (99999, [2048, 4096, 8192])])  # fmt: skip
def test_a_cap_cuts_the_curriculum(cap, expected):
    assert [seq_len_for_step(step, 100, cap) for step in (0, 20, 50)] == expected


@pytest.mark.parametrize("cap", [None, 512, 2048, 3000, 4096, 8192])
@pytest.mark.parametrize("total", [1, 2, 3, 4, 5, 7, 10, 99, 1000])
def test_stages_partition_the_steps_and_agree_with_the_function(total, cap):
    found = stages(total, None, cap)
    assert found[0].begin == 0 and found[-1].end == total
    assert all(stage.end > stage.begin for stage in found)
    for one, other in itertools.pairwise(found):
        assert one.end == other.begin and one.seq_len < other.seq_len
    for stage in found:
        for step in range(stage.begin, stage.end):
            assert stage.seq_len == seq_len_for_step(step, total, cap)


@pytest.mark.parametrize("length", [1, 64, 1000, 8192, 16384])
def test_seq_len_really_fixes_the_window(length):
    """In the old trainer it was a cap: 16384 silently meant 2048, 4096 and 8192."""
    assert stages(100, length, None) == (Stage(0, 100, length),)
    schedule = Schedule(TrainConfig(steps=100, batch_size=2, seq_len=length))
    assert schedule.longest == length
    order = WindowOrder(40_000, schedule.longest, 0)
    for step in (0, 19, 20, 50, 99):
        assert schedule.stage(step).seq_len == length
        assert schedule.bytes_of(step) == 2 * length
        assert (schedule.offsets(order, step, slice(0, 2)) + length < 40_000).all()


def test_ternary_sets_in_after_the_full_precision_start():
    found = [quantized_for_step(step, 10, 0.2) for step in range(10)]
    assert found == [False] * 2 + [True] * 8
    assert all(quantized_for_step(step, 10, 0.0) for step in range(10))
    assert not any(quantized_for_step(step, 10, 1.0) for step in range(10))


def schedule(**settings):
    return Schedule(TrainConfig(**{"steps": 40, "batch_size": 4, "seq_len": 16, **settings}))


def rows(schedule, batch):
    """Which of a step's windows are those of one batch."""
    return slice(batch * schedule.config.batch_size, (batch + 1) * schedule.config.batch_size)


def read(schedule, order):
    """(offset, length) of every window of a run, in order."""
    return [
        (int(offset), schedule.stage(step).seq_len)
        for step in range(schedule.steps)
        for batch in range(schedule.config.grad_accum)
        for offset in schedule.offsets(order, step, rows(schedule, batch))
    ]


@pytest.mark.parametrize("length", [{"seq_len": 16}, {"seq_len": None, "seq_len_cap": 3000}])
def test_the_order_of_the_data_does_not_depend_on_how_a_step_is_split(length):
    size = 200_000
    found = [
        read(split, WindowOrder(size, split.longest, 3))
        for split in (
            schedule(batch_size=12, grad_accum=1, **length),
            schedule(batch_size=6, grad_accum=2, **length),
            schedule(batch_size=1, grad_accum=12, **length),
        )
    ]
    assert found[0] == found[1] == found[2]
    assert len(found[0]) == 40 * 12


def test_an_epoch_reads_every_block_once_and_another_seed_reads_in_another_order():
    run = schedule(steps=25, batch_size=4)
    order = WindowOrder(16 * 100 + 40, 16, 0)
    windows = [offset for offset, _ in read(run, order)]
    assert order.n_blocks == 101 and len(set(windows)) == 100
    assert all(b - a >= 16 for a, b in itertools.pairwise(sorted(windows)))
    assert windows != [offset for offset, _ in read(run, WindowOrder(16 * 100 + 40, 16, 1))]


def test_the_stages_of_a_curriculum_do_not_read_the_same_bytes_again():
    run = schedule(steps=40, batch_size=8, seq_len=None, seq_len_cap=8192)
    order = WindowOrder(8_000_000, run.longest, 0)
    assert order.n_blocks > 64 * 8
    covered = np.zeros(8_000_000, np.int8)
    for offset, length in read(run, order):
        covered[offset : offset + length] += 1
    assert covered.max() == 1
