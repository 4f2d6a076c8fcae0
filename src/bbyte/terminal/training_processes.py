"""A run in several processes: the first one speaks, the others are heard only where they fail themselves."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import typer

from bbyte.device import world
from bbyte.errors import BbyteError, InterruptedRunError
from bbyte.terminal.screen import Screen

if TYPE_CHECKING:
    from bbyte.training.distributed.group import Group


@contextmanager
def processes(screen: Screen) -> Iterator[tuple["Group", Screen]]:
    """The group of processes that this one was started in, and what it may write to.

    A run that a signal has ended, and that was saved, exits with 0 under torchrun, to which everything else
    is a failure.
    """
    from bbyte.training.distributed.group import ToldElsewhereError, joined

    here = world()
    shown = screen if here.rank == 0 else Screen(quiet=True)
    try:
        with joined(here) as group:
            yield group, shown
    except (ToldElsewhereError, InterruptedRunError) as error:
        is_interruption = isinstance(error, InterruptedRunError)
        if here.rank == 0 and not (is_interruption and here.watched):
            raise
        if here.rank == 0:
            _tell(error, shown)
        raise typer.Exit(0 if is_interruption and here.watched else error.exit_code) from None


def _tell(error: BbyteError, screen: Screen) -> None:
    if screen.json:
        screen.emit_json({"event": "interrupted", "message": error.message, "hint": error.hint})
    screen.say(f"{error.label}: {error.message}\nhint: {error.hint}")
