"""Chunks over threads: in order, never many at once, and ended when nobody wants them any more."""

import threading
import time
from concurrent.futures import CancelledError

import pytest

from bbyte.compression.workers import Coders, in_order, thread_count


def test_in_order_whoever_is_faster():
    def work(item, on_progress):
        time.sleep(0.02 if item % 3 == 0 else 0)
        on_progress(item)
        return item * item

    assert list(in_order(work, range(20), 4)) == [item * item for item in range(20)]


@pytest.mark.parametrize("threads", [1, 3])
def test_few_are_held(threads):
    taken, given = 0, 0

    def items():
        nonlocal taken
        for item in range(30):
            taken += 1
            assert taken - given <= threads + 1
            yield item

    for _ in in_order(lambda item, on_progress: item, items(), threads):
        given += 1
    assert given == 30


def test_errors_come_in_their_place():
    def work(item, on_progress):
        if item == 3:
            raise ValueError("three")
        return item

    results = in_order(work, range(9), 2)
    assert [next(results) for _ in range(3)] == [0, 1, 2]
    with pytest.raises(ValueError, match="three"):
        next(results)


@pytest.mark.parametrize("kind", [TimeoutError, CancelledError, KeyboardInterrupt])
def test_whatever_is_raised(kind):
    def work(item, on_progress):
        raise kind

    with pytest.raises(kind):
        list(in_order(work, [1], 1))


def test_work_under_way_ends_when_the_results_are_dropped():
    ended = threading.Event()

    def work(item, on_progress):
        try:
            while item:
                on_progress(1)
                time.sleep(0.001)
        except CancelledError:
            ended.set()
            raise

    results = in_order(work, [0, 1, 1, 1], 2)
    next(results)
    results.close()
    assert ended.is_set()


def test_progress_of_all_is_told_while_waiting():
    told = []

    def work(item, on_progress):
        on_progress(5)
        time.sleep(0.25)

    list(in_order(work, [0, 1], 2, told.append))
    assert 10 in told


def test_a_coder_is_made_only_when_one_is_missing():
    made = []
    coders = Coders(lambda: made.append(1) or len(made))
    with coders.one() as first, coders.one() as second:
        assert {first, second} == {1, 2}
    with coders.one() as again:
        assert again in (1, 2)
    assert len(made) == 2


def test_as_many_threads_as_cores():
    assert thread_count(3) == 3 and thread_count(0) >= 1
