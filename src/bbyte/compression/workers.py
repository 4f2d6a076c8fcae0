"""Work on many chunks at once, the results in order: the archive does not depend on the number of threads."""

import os
import threading
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator
from concurrent.futures import CancelledError, Future, ThreadPoolExecutor, wait
from contextlib import contextmanager
from typing import TypeVar

from bbyte.compression.coder import ChunkCoder, Make, OnProgress

T = TypeVar("T")
R = TypeVar("R")
Work = Callable[[T, OnProgress], R]
"""Does one piece of the work, and tells how many bytes of it are done."""
_GLANCE = 0.1


class Coders:
    """Coders for several threads, each made when a thread first needs one more."""

    def __init__(self, make: Make) -> None:
        self._make, self._idle, self._lock = make, list[ChunkCoder](), threading.Lock()

    @contextmanager
    def one(self) -> Iterator[ChunkCoder]:
        """A coder that no other thread uses meanwhile."""
        with self._lock:
            coder = self._idle.pop() if self._idle else self._make()
        try:
            yield coder
        finally:
            with self._lock:
                self._idle.append(coder)


def thread_count(asked: int) -> int:
    """So many threads; for 0, as many as there are cores for this process."""
    if asked:
        return asked
    affinity = getattr(os, "sched_getaffinity", None)
    return len(affinity(0)) if affinity is not None else os.cpu_count() or 1


def in_order(
    work: "Work[T, R]",
    items: Iterable[T],
    threads: int,
    on_progress: OnProgress | None = None,
) -> Generator[R, None, None]:
    """What `work` gives for each item, in their order, computed by so many threads.

    At most one item more than there are threads is held. on_progress: called in this thread, now and then,
    with the bytes done of all items. What work raises is raised where its result would have come. When the
    iterator is closed, or this thread interrupted, work that is under way ends at its next progress.
    """
    tally = _Tally()
    waiting: deque[Future[R]] = deque()
    with ThreadPoolExecutor(threads, "bbyte-chunk") as pool:
        try:
            for item in items:
                waiting.append(pool.submit(work, item, tally.one()))
                if len(waiting) > threads:
                    yield _result(waiting.popleft(), tally, on_progress)
            while waiting:
                yield _result(waiting.popleft(), tally, on_progress)
        finally:
            tally.is_stopped = True
            for future in waiting:
                future.cancel()


def _result(future: Future[R], tally: "_Tally", on_progress: OnProgress | None) -> R:
    while not wait([future], _GLANCE).done:
        if on_progress is not None:
            on_progress(tally.done())
    return future.result()


class _Tally:
    """Counts what the threads have done, and tells them when to stop."""

    def __init__(self) -> None:
        self.is_stopped = False
        self._counts: list[int] = []

    def one(self) -> OnProgress:
        """For one item: takes the bytes of it that are done."""
        place = len(self._counts)
        self._counts.append(0)

        def take(done: int) -> None:
            if self.is_stopped:
                raise CancelledError
            self._counts[place] = done

        return take

    def done(self) -> int:
        """The bytes done of all items."""
        return sum(self._counts)
