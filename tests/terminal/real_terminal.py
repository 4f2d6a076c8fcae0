"""Runs Python code on a real pseudo-terminal of 80 by 24 and gives back everything that reached it."""

import os
import struct
import subprocess
import sys

import pytest


def seen_on_terminal(code: str, environment: dict[str, str] | None = None) -> str:
    """What the terminal received, with its line ends turned into newlines."""
    pty = pytest.importorskip("pty", reason="needs a pseudo-terminal")
    import fcntl
    import termios

    variables = {
        name: value for name, value in os.environ.items() if name not in ("CI", "NO_COLOR", "FORCE_COLOR")
    }
    variables |= {"TERM": "xterm-256color", "PYTHONIOENCODING": "utf-8", **(environment or {})}
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, 0, 0))
    with subprocess.Popen(
        [sys.executable, "-c", code], stdin=theirs, stdout=theirs, stderr=theirs, env=variables
    ):
        os.close(theirs)
        received = b"".join(iter(lambda: _read(ours), b""))
    os.close(ours)
    return received.decode("utf-8").replace("\r\n", "\n")


def _read(terminal: int) -> bytes:
    try:
        return os.read(terminal, 1 << 16)
    except OSError:  # how Linux says that the other side is closed
        return b""
