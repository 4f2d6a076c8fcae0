"""Processes that read files ahead of their turn."""

import multiprocessing
import os
import signal
import threading
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from multiprocessing.synchronize import Event
from pathlib import Path
from types import TracebackType
from typing import Self

from bbyte.data.aside import Aside, set_aside
from bbyte.data.sources.documents import Reading
from bbyte.data.sources.file import File
from bbyte.errors import BbyteError

_stop: Event | None = None
"""Set in the processes when nobody waits for their work any more."""


class Workers:
    """So many processes. On leaving the `with` block they break off what they do, and end.

    They are started afresh (not forked), so a script that packs with workers keeps its own work below
    `if __name__ == "__main__":`.
    """

    def __init__(self, count: int) -> None:
        context = multiprocessing.get_context("spawn")
        self._stop = context.Event()
        self._pool = ProcessPoolExecutor(count, context, _begin, (self._stop,))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop.set()
        self._pool.shutdown(cancel_futures=True)

    def set_aside(self, file: File, reading: Reading, place: Path, *, skip_bad: bool) -> Future[Aside]:
        """Let a process do `bbyte.data.aside.set_aside`."""
        return self._pool.submit(_set_aside, file, reading, place, skip_bad)

    def result(self, begun: Future[Aside]) -> Aside:
        """What has come of it. Raises what it raised, BbyteError if a process was ended from outside."""
        try:
            return begun.result()
        except BrokenProcessPool:
            raise BbyteError(
                "a process that read ahead was ended from outside",
                "there may be too little memory for so many: use fewer --workers",
            ) from None


def _begin(stop: Event) -> None:
    global _stop
    _stop = stop
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches them all; the first process decides
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)


def _set_aside(file: File, reading: Reading, place: Path, skip_bad: bool) -> Aside:
    return set_aside(file, reading, place, skip_bad=skip_bad, on_read=_check_wanted)


def _check_wanted(_: int) -> None:
    if _stop is not None and _stop.is_set():
        raise RuntimeError("nobody waits for this any more")
