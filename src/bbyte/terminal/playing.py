"""A session on a terminal, with history and completion, or with the lines of a pipe."""

import signal
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING

from bbyte.generation.session_commands import answer, bar, is_command, joined, text_of
from bbyte.sanitize import sanitize
from bbyte.terminal.boundary import in_words
from bbyte.terminal.screen import Screen, one_line

if TYPE_CHECKING:
    from prompt_toolkit import PromptSession

    from bbyte.generation.session import Session

PROMPT = "> "
WELCOME = "type some text and press Enter, and the model goes on; /help says more, Ctrl-D leaves"


def is_conversation() -> bool:
    """Whether a person types and reads on a terminal; otherwise lines come from a pipe, or go into one."""
    return sys.stdin.isatty() and sys.stdout.isatty()


def may_replace(path: Path) -> bool:
    """Ask, on the terminal, whether a file may be replaced."""
    from prompt_toolkit.shortcuts import confirm

    try:
        return confirm(sanitize(f"{one_line(str(path))} exists. Replace it?"))
    except (KeyboardInterrupt, EOFError):
        return False


def converse(screen: Screen, session: "Session") -> None:
    """Ask for a line, answer it, again and again until /quit or Ctrl-D; errors are told and end nothing."""
    from bbyte.terminal.prompt import prompt_session

    screen.say(WELCOME)
    asking = prompt_session(lambda: "\n".join(sanitize(one_line(line)) for line in bar(session)))
    while not session.is_over:
        try:
            _take_turn(screen, session, asking)
        except KeyboardInterrupt:
            screen.print("/quit or Ctrl-D leaves")
        except EOFError:
            return
        except Exception as error:
            known = in_words(error)
            if known is None:
                raise
            screen.print(f"{known.label}: {known.message}" + (f"\nhint: {known.hint}" if known.hint else ""))


def _take_turn(screen: Screen, session: "Session", asking: "PromptSession[str]") -> None:
    line = asking.prompt(PROMPT)
    if is_command(line):
        _answer(screen, session, line)
        return
    with _interruption() as interrupted, closing(session.write(text_of(line))) as arriving:
        for new in arriving:
            screen.write_bytes(new)
            if interrupted():
                break
    screen.write_bytes(b"\n")


def read_lines(screen: Screen, session: "Session", lines: Iterable[bytes]) -> None:
    """Answer each line of a pipe: each text is written with a newline after it, the first error ends all."""
    waiting = ""
    for raw in lines:
        line, goes_on = joined(raw.removesuffix(b"\n").decode("utf-8", "surrogateescape"))
        waiting += line
        if goes_on:
            continue
        _answer_line(screen, session, waiting)
        waiting = ""
        if session.is_over:
            return
    if waiting:
        _answer_line(screen, session, waiting)


def _answer_line(screen: Screen, session: "Session", line: str) -> None:
    if is_command(line):
        _answer(screen, session, line)
        return
    for new in session.write(text_of(line)):
        screen.write_bytes(new)
    screen.write_bytes(b"\n")


def _answer(screen: Screen, session: "Session", line: str) -> None:
    reply = answer(session, line)
    if reply.shown:
        screen.write_bytes(reply.shown + b"\n")
    if reply.said:
        screen.say(reply.said)


@contextmanager
def _interruption() -> Iterator[Callable[[], bool]]:
    """While it is entered the first Ctrl-C is only noted; a second one interrupts whatever is computed."""
    noted = False

    def note(number: int, frame: FrameType | None) -> None:
        nonlocal noted
        if noted:
            raise KeyboardInterrupt
        noted = True

    before = signal.signal(signal.SIGINT, note)
    try:
        yield lambda: noted
    finally:
        signal.signal(signal.SIGINT, before)
