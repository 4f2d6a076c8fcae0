"""The work of a server: one thread computes, one request after another; the event loop only waits for it."""

import asyncio
import logging
import queue
import threading
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any, Generic, TypeVar

from bbyte.device import ran_out_of_memory
from bbyte.errors import BbyteError, OutOfMemoryError
from bbyte.serving.refusals import RefusedError

_LOG = logging.getLogger(__name__)
T = TypeVar("T")
Heed = Callable[[], None]
"""Raises GoneError where nobody waits for the result any more; long computations call it now and then."""


class GoneError(Exception):
    """Nobody waits for the result any more."""


class Job(Generic[T]):
    """A computation in the thread and what it gives, taken in the event loop as it comes.

    compute(heed): gives out results. When `leave` was called it ends after the next one, or at a `heed()`.
    """

    def __init__(self, compute: Callable[[Heed], Iterator[T]]) -> None:
        self._compute = compute
        self._loop = asyncio.get_running_loop()
        self._new: deque[T] = deque()
        self._changed = asyncio.Event()
        self._error: BaseException | None = None
        self._is_told = self._is_done = self.is_left = False

    def leave(self, error: BaseException | None = None) -> None:
        """End the computation: nobody waits for it any more, or whoever does is told the error."""
        if not self.is_left:
            self._error = error or GoneError()
            self.is_left = True
            self._tell()

    async def results(self) -> AsyncIterator[list[T]]:
        """All that came since the last time, again and again. Raises what ended the computation early."""
        is_done = False
        while not is_done:
            await self._changed.wait()
            self._changed.clear()
            self._is_told = False  # first of all: what comes from here on tells again
            is_done = self._is_done
            if not self.is_left and self._new:
                yield [self._new.popleft() for _ in range(len(self._new))]
            if self._error is not None and (is_done or self.is_left):
                raise self._error

    def run(self) -> None:
        """Compute; in the thread."""
        try:
            for result in self._compute(self._heed):
                self._heed()
                self._new.append(result)
                self._tell()
        except (BbyteError, GoneError) as error:
            self._error = self._error or error
        except BaseException as error:  # whatever it is: without the thread nobody is answered any more
            self._error = _in_words(error)
        finally:
            self._is_done = True
            self._tell()

    def _heed(self) -> None:
        if self.is_left:
            raise GoneError

    def _tell(self) -> None:
        if not self._is_told:
            self._is_told = True
            with suppress(RuntimeError):  # the loop has ended
                self._loop.call_soon_threadsafe(self._changed.set)


class Work:
    """A thread and those who wait for it, `most` at a time."""

    def __init__(self, most: int) -> None:
        self._most, self._taken = most, 0
        self._waiting: queue.SimpleQueue[Job[Any] | None] = queue.SimpleQueue()
        self._jobs: set[Job[Any]] = set()
        self._thread: threading.Thread | None = None
        self._is_closed = False

    @contextmanager
    def job(self, compute: Callable[[Heed], Iterator[T]]) -> Iterator[Job[T]]:
        """Have something computed in its turn, while the block lasts. Raises RefusedError if it is full."""
        if self._is_closed:
            raise _stopping()
        if self._taken >= self._most:
            raise RefusedError(503, f"{self._most} requests are being answered: come again in a moment")
        if self._thread is None:
            self._thread = threading.Thread(target=self._run, name="bbyte-serve", daemon=True)
            self._thread.start()
        job = Job(compute)
        self._jobs.add(job)
        self._taken += 1
        try:
            self._waiting.put(job)
            yield job
        finally:
            job.leave()
            self._jobs.discard(job)
            self._taken -= 1

    def close(self) -> None:
        """End all that is computed or waits; nothing more is taken."""
        self._is_closed = True
        for job in list(self._jobs):
            job.leave(_stopping())
        self._waiting.put(None)

    def join(self) -> None:
        """Wait until the thread has ended: a program that ends while it computes would end in a crash."""
        if self._thread is not None:
            self._thread.join()

    def _run(self) -> None:
        while (job := self._waiting.get()) is not None:
            if not job.is_left:
                job.run()


def _in_words(error: BaseException) -> BbyteError:
    if ran_out_of_memory(error):
        return OutOfMemoryError("there is not enough memory for this")
    _LOG.error("bbyte made a mistake; please report it with these lines", exc_info=error)
    return BbyteError(f"bbyte made a mistake: {type(error).__name__}")


def _stopping() -> BbyteError:
    return RefusedError(503, "the server is stopping")
