"""Processes that read files ahead of their turn."""

import ctypes
import multiprocessing
import os
import signal
import threading
import time
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path
from types import TracebackType
from typing import Self

from bbyte.data.aside import Aside, set_aside
from bbyte.data.sources.documents import Reading
from bbyte.data.sources.file import File
from bbyte.errors import BbyteError

_LOOKS_UP = 0.2  # seconds between two looks whether anybody still waits


class Workers:
    """So many processes. They end with the `with` block, and break off what they do if it fails.

    They are started afresh (not forked), so a script that packs with workers keeps its own work below
    `if __name__ == "__main__":`.
    """

    def __init__(self, count: int) -> None:
        context = multiprocessing.get_context("spawn")
        self._stop = context.RawValue(
            ctypes.c_bool, False
        )  # an Event would wait for a process that was killed
        self._pool = ProcessPoolExecutor(count, context, _begin, (self._stop,))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is not None:
            self._stop.value = True
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


def _begin(stop: ctypes.c_bool) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches them all; the first process decides
    threading.Thread(target=_end_when_unwanted, args=(stop,), daemon=True).start()


def _end_when_unwanted(stop: ctypes.c_bool) -> None:
    """At once, wherever the work stands: what it leaves lies in a folder that the first process removes."""
    parent = multiprocessing.parent_process()
    while not stop.value and parent is not None and parent.is_alive():
        time.sleep(_LOOKS_UP)
    os._exit(1)


def _set_aside(file: File, reading: Reading, place: Path, skip_bad: bool) -> Aside:
    return set_aside(file, reading, place, skip_bad=skip_bad)
