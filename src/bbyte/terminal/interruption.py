"""Signals during long work: the first asks it to end well, the second ends it."""

import signal
import sys
import threading
from types import FrameType
from typing import Any

from bbyte.terminal.screen import Screen

_ASKING = ("SIGINT", "SIGTERM", "SIGUSR1")  # the last is what batch systems send before their limit


class Interruption:
    """While it is entered, the first SIGINT, SIGTERM or SIGUSR1 is noted; a second one leaves at once.

    The exit code is then 128 and the signal's number: 130, 143, 138.
    """

    def __init__(self, screen: Screen) -> None:
        self._screen = screen
        self._noted: str | None = None
        self._before: dict[int, Any] = {}

    def signal(self) -> str | None:
        """The name of the signal that came, None as long as none has."""
        return self._noted

    def __enter__(self) -> "Interruption":
        if threading.current_thread() is threading.main_thread():
            for number in (getattr(signal, name, None) for name in _ASKING):
                if number is not None:  # Windows has no SIGUSR1
                    self._before[number] = signal.signal(number, self._take)
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def _take(self, number: int, frame: FrameType | None) -> None:
        if self._noted is not None:
            sys.exit(128 + number)
        self._noted = signal.Signals(number).name
        self._screen.say(f"{self._noted}: finishing this step, then saving; once more leaves at once")
