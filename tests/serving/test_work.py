"""One thread computes in turn; whoever leaves, or is too many, costs nothing."""

import asyncio
import threading
import time

import pytest
import torch

from bbyte.errors import BbyteError
from bbyte.serving.refusals import RefusedError, refusal_of
from bbyte.serving.work import GoneError, Work


def counting(n):
    return lambda heed: iter(range(n))


async def all_of(job):
    return [one async for some in job.results() for one in some]


def test_results_come_in_order_and_all_of_them():
    async def main():
        work = Work(2)
        for _ in range(50):  # many, as what is waited for may come at any moment
            with work.job(counting(200)) as job:
                assert await all_of(job) == list(range(200))
            with work.job(counting(0)) as job:
                assert await all_of(job) == []
        work.close()
        work.join()

    asyncio.run(main())


def test_one_computes_at_a_time():
    at_once, most = 0, 0

    def compute(heed):
        nonlocal at_once, most
        at_once += 1
        most = max(most, at_once)
        for place in range(3):
            time.sleep(0.002)
            yield place
        at_once -= 1

    async def one(work):
        with work.job(compute) as job:
            return await all_of(job)

    async def main():
        work = Work(5)
        assert await asyncio.gather(*(one(work) for _ in range(5))) == [[0, 1, 2]] * 5
        work.close()

    asyncio.run(main())
    assert most == 1


def test_more_than_there_is_room_for_are_refused():
    async def main():
        work = Work(1)
        with work.job(counting(1)) as job:
            with (
                pytest.raises(RefusedError, match="1 requests are being answered") as refused,
                work.job(counting(1)),
            ):
                pass
            assert refused.value.status == 503
            assert await all_of(job) == [0]
        with work.job(counting(1)) as job:
            assert await all_of(job) == [0]
        work.close()

    asyncio.run(main())


@pytest.mark.parametrize("steps", [True, False])
def test_who_leaves_ends_it(steps):
    ended, begun = threading.Event(), threading.Event()

    def compute(heed):
        try:
            begun.set()
            while True:
                time.sleep(0.001)
                heed()
                if steps:
                    yield 1
        finally:
            ended.set()

    def never(heed):
        pytest.fail("it left while it waited")

    async def main():
        work = Work(3)
        with work.job(compute) as job, work.job(never):
            assert await asyncio.to_thread(begun.wait, 5)
        assert await asyncio.to_thread(ended.wait, 5)
        with pytest.raises(GoneError):
            await all_of(job)
        with work.job(counting(2)) as job:
            assert await all_of(job) == [0, 1]
        work.close()

    asyncio.run(main())


def test_what_it_raises_comes_after_what_it_gave():
    def compute(heed):
        yield 1
        raise BbyteError("enough")

    async def main():
        work, seen = Work(1), []
        with pytest.raises(BbyteError, match="enough"), work.job(compute) as job:
            async for some in job.results():
                seen += some
        assert seen == [1]
        work.close()

    asyncio.run(main())


def test_a_mistake_is_told_and_its_lines_are_kept(caplog):
    def compute(heed):
        yield 1 // 0

    async def main():
        work = Work(1)
        with pytest.raises(BbyteError, match="a mistake: ZeroDivisionError"), work.job(compute) as job:
            await all_of(job)
        work.close()

    asyncio.run(main())
    assert "ZeroDivisionError" in caplog.text and "compute" in caplog.text


class PanicError(BaseException):
    """What an extension may raise: no Exception."""


@pytest.mark.parametrize(
    ("raised", "status", "sentence"),
    [
        (MemoryError(), 503, "not enough memory"),
        (torch.OutOfMemoryError("CUDA out of memory."), 503, "not enough memory"),
        (RuntimeError("no"), 500, "a mistake: RuntimeError"),
        (PanicError(), 500, "a mistake: PanicError"),
        (SystemExit(1), 500, "a mistake: SystemExit"),
    ],
)
def test_whatever_a_computation_raises_the_next_one_is_computed(raised, status, sentence):
    def compute(heed):
        yield 1
        raise raised

    async def main():
        work = Work(1)
        with pytest.raises(BbyteError, match=sentence) as told, work.job(compute) as job:
            await all_of(job)
        assert refusal_of(told.value).status == status
        with work.job(counting(2)) as job:
            assert await asyncio.wait_for(all_of(job), 5) == [0, 1]
        work.close()
        work.join()

    asyncio.run(main())


def test_when_it_closes_those_who_wait_are_told():
    def compute(heed):
        while True:
            time.sleep(0.001)
            yield 1

    async def main():
        work = Work(1)
        with pytest.raises(RefusedError, match="the server is stopping"), work.job(compute) as job:
            asyncio.get_running_loop().call_later(0.05, work.close)
            await all_of(job)
        with pytest.raises(RefusedError, match="the server is stopping"), work.job(compute):
            pass
        work.join()

    asyncio.run(main())
