"""Shows a run while it happens: a live picture on a terminal, else plain lines, or JSON for programs."""

import dataclasses
import time
from collections.abc import Iterable

from bbyte.terminal.history import History
from bbyte.terminal.screen import Screen
from bbyte.terminal.training_words import line
from bbyte.training.events import Event, Finished, Started, Stepped, Warned

_REFRESH = 0.25
_SHARE = 0.02


def show(events: Iterable[Event], screen: Screen, *, log_every: int = 10) -> Finished | None:
    """Show every event as it comes; returns the last one, or None where the run did not finish.

    A plain line is written for every `log_every`-th step, and for everything else that happens.
    """
    if screen.json:
        return _as_json(events, screen)
    if screen.animated and screen.console.encoding.lower().startswith("utf"):
        return _live(events, screen)
    return _plain(events, screen, log_every)


def _as_json(events: Iterable[Event], screen: Screen) -> Finished | None:
    finished = None
    for event in events:
        screen.emit_json({"event": type(event).__name__.lower(), **dataclasses.asdict(event)})
        finished = event if isinstance(event, Finished) else finished
    return finished


def _plain(events: Iterable[Event], screen: Screen, log_every: int) -> Finished | None:
    history = History()
    for event in events:
        history.take(event)
        words = line(event, history)
        if words and (
            not isinstance(event, Stepped) or event.step % log_every == 0 or event.step == event.steps
        ):
            screen.say(words)
        _remark(event, screen)
    return history.finished


def _remark(event: Event, screen: Screen) -> None:
    # What must be read even when the picture is gone.
    match event:
        case Started():
            for choice in event.choices:
                screen.say(choice)
        case Warned():
            screen.warn(event.message)


def _live(events: Iterable[Event], screen: Screen) -> Finished | None:
    from rich.live import Live

    from bbyte.terminal.picture import Picture

    history = History()
    with Live(Picture(history), console=screen.console, auto_refresh=False, vertical_overflow="crop") as live:
        due = 0.0
        for event in events:
            history.take(event)
            _remark(event, screen)
            began = time.monotonic()
            if began >= due or not isinstance(event, Stepped):
                live.refresh()
                # Drawing never takes more than a fiftieth of the run, however slow the terminal.
                now = time.monotonic()
                due = now + max(_REFRESH, (now - began) / _SHARE)
        live.refresh()
    if history.finished is not None:
        screen.say(line(history.finished, history))
    return history.finished
