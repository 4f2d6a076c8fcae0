"""Somebody who types at a program on a pseudo-terminal, for the tests of what talks with people."""

import os
import sys

import pytest

ASKED, ANSWER = rb"\x1b\[6n", "\x1b[12;1R"
"""A program asks a terminal where its cursor is, and is told: in row 12."""


class Typist:
    """Runs Python with `words`, and sees a terminal of 24 rows by 240 columns."""

    def __init__(self, words, folder):
        self._pexpect = pytest.importorskip("pexpect")
        self.child = self._pexpect.spawn(
            sys.executable,
            [str(word) for word in words],
            dimensions=(24, 240),
            timeout=60,
            cwd=folder,
            env={**os.environ, "TERM": "xterm-256color"},
        )
        self.seen = b""

    def wait(self, pattern):
        """Wait for what matches, and give back all that was shown up to its end since the last wait."""
        shown = b""
        while True:
            found = self.child.expect([pattern, ASKED])
            shown += self.child.before + (self.child.after if isinstance(self.child.after, bytes) else b"")
            if found == 0:
                break
            self.child.send(ANSWER)
        self.seen += shown
        return shown.decode("utf-8", "replace").replace("\r\n", "\n")

    def prompt(self):
        """Wait for the next prompt, which asks to be told of pastes, and for the bar below it."""
        return self.wait(rb"\x1b\[\?2004h") + self.wait(rb"penalty [\d.]+  length \d+  seed \d+")

    def type(self, keys):
        """Type at the next prompt; gives back what was shown up to it."""
        shown = self.prompt()
        self.child.send(keys)
        return shown

    def end(self):
        """Wait until the program has ended well."""
        shown = self.wait(self._pexpect.EOF)
        self.child.close()
        assert self.child.exitstatus == 0
        return shown
