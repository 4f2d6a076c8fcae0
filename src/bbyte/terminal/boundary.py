"""Where every failure ends: a sentence and a hint on stderr, and an exit code. Bugs keep their traceback."""

import errno
import json
import os
import signal
import sys
import threading
import traceback
from collections.abc import Sequence
from contextlib import suppress
from types import FrameType
from typing import Any

import typer

from bbyte.errors import BbyteError, OutOfMemoryError, UsageError
from bbyte.sanitize import sanitize

# What the parser raises has no public name that all Typer versions share; this is the class it derives from.
_PARSER_ERROR: type[Exception] = typer.BadParameter.__bases__[0]

_INTERRUPTED, _PIPE_CLOSED, _TERMINATED = 130, 141, 143


def run(app: typer.Typer, name: str, words: Sequence[str]) -> int:
    """Run a program with the words of a command line; returns the exit code, every error told in words.

    With --json among the words an error is also written to stdout, as one JSON document.
    """
    _make_streams_bear_it()
    previous = _clean_up_on_termination()
    try:
        return _exit_code(app, name, words)
    finally:
        if previous is not None:
            signal.signal(signal.SIGTERM, previous)


def _exit_code(app: typer.Typer, name: str, words: Sequence[str]) -> int:
    try:
        try:
            command = typer.main.get_command(app)
            with command.make_context(name, list(words)) as context:
                command.invoke(context)
        finally:
            sys.stdout.flush()  # here, where a full disk or a closed pipe can still be answered
        return 0
    except SystemExit as request:
        return request.code if isinstance(request.code, int) else int(request.code is not None)
    except typer.Exit as request:
        return request.exit_code
    except (KeyboardInterrupt, typer.Abort):
        sys.stderr.write("interrupted\n")
        return _INTERRUPTED
    except BrokenPipeError:
        _stop_writing()
        return _PIPE_CLOSED
    except Exception as error:
        known = in_words(error)
        if known is None:
            traceback.print_exc()
            known = BbyteError(
                f"bbyte made a mistake: {type(error).__name__}", "please report it with the lines above"
            )
        _tell(known)
        if "--json" in words:
            _tell_program(known)
        return known.exit_code


def in_words(error: Exception) -> BbyteError | None:
    """The error as a sentence and a hint; None for one that nobody foresaw."""
    from bbyte.device import ran_out_of_memory

    if isinstance(error, BbyteError):
        return error
    if isinstance(error, _PARSER_ERROR):
        return _of_parser(error)
    if ran_out_of_memory(error):
        return OutOfMemoryError("there is not enough memory for this")
    if isinstance(error, OSError) and error.errno is not None:
        place = f"{error.filename}: " if error.filename is not None else ""
        full = error.errno in (errno.ENOSPC, getattr(errno, "EDQUOT", errno.ENOSPC))
        return BbyteError(
            place + (error.strerror or str(error)), "free some space and try again" if full else ""
        )
    return None


def _of_parser(error: Exception) -> UsageError:
    message = str(getattr(error, "format_message", error.__str__)()).strip()
    message = message.split("\n")[0].rstrip(".").replace("'", "")
    context = getattr(error, "ctx", None)
    hint = f"{context.command_path} --help says what it takes" if context is not None else ""
    return UsageError(message[:1].lower() + message[1:], hint)


def _tell(error: BbyteError) -> None:
    lines = [f"{error.label}: {line}" for line in error.message.splitlines()]
    lines += [f"hint: {line}" for line in error.hint.splitlines()]
    sys.stderr.write(sanitize("\n".join(lines)) + "\n")


def _tell_program(error: BbyteError) -> None:
    document = {"error": error.message, "hint": error.hint, "exit_code": error.exit_code}
    sys.stdout.write(json.dumps(document) + "\n")
    sys.stdout.flush()


def _make_streams_bear_it() -> None:
    """Closed streams swallow what is written; narrow encodings show what they lack as escapes."""
    # Python sets a stream that was closed before it started (">&-") to None.
    sys.stdout = sys.stdout or open(os.devnull, "w")  # noqa: PTH123, SIM115
    sys.stderr = sys.stderr or open(os.devnull, "w")  # noqa: PTH123, SIM115
    for stream in (sys.stdout, sys.stderr):
        reconfigure = getattr(stream, "reconfigure", None)
        if reconfigure is not None:
            reconfigure(errors="backslashreplace")


def _clean_up_on_termination() -> Any:
    """Let SIGTERM unwind the stack, so that temporaries are removed; without this Python just dies."""

    def leave(number: int, frame: FrameType | None) -> None:
        sys.exit(_TERMINATED)

    if threading.current_thread() is not threading.main_thread():
        return None
    return signal.signal(signal.SIGTERM, leave)


def _stop_writing() -> None:
    """Send what is still buffered nowhere, or Python complains about the closed pipe while it exits."""
    with suppress(OSError, ValueError), open(os.devnull, "wb") as nowhere:  # noqa: PTH123 - a device
        os.dup2(nowhere.fileno(), sys.stdout.fileno())
