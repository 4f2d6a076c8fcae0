"""Every call by which Python touches a folder, told one by one; and one made to fail, or to be the last.

The functions of `os` are replaced where pathlib, shutil and bbyte look them up, and files are opened with
Python's own raw file (`_pyio.FileIO`, which calls `os.open`, `os.write` and `os.close`) below the usual C
buffers. So what is seen is what the system sees: test_system_calls.py compares it with strace.
"""

import _pyio
import builtins
import errno
import io
import os
import signal
import traceback
from dataclasses import dataclass
from pathlib import Path

import pytest

WATCHED = (
    "open", "write", "fsync", "close", "rename", "replace", "mkdir", "unlink", "remove", "rmdir", "scandir",
    "fdatasync", "truncate", "ftruncate", "link", "symlink",
)  # fmt: skip
NEEDS_SPACE = ("open", "write", "fsync", "mkdir", "rename")
NAMES = {"replace": "rename", "remove": "unlink", "scandir": "list"}


@dataclass(frozen=True)
class Call:
    """One call: its name, the file below the watched folder that it was about, and a rename's new name."""

    name: str
    file: str
    to: str = ""


class SystemCalls:
    """While entered, the calls about `folder` are listed in `trace`, and the `at`-th goes wrong.

    `fault`: a number is the error with which that call fails. "full": it and all later ones that need space
    fail, as on a full disk. "dead": it and all later ones fail. "killed": the process is killed just before
    it. "torn": half of it is written, then the process is killed. "short": only half of it is written, and
    the system says so.
    """

    def __init__(self, folder, at=None, fault=errno.ENOSPC):
        self.folder, self.at, self.fault = Path(folder), at, fault
        self.trace = []
        self._files = {}
        self._patch = pytest.MonkeyPatch()

    def __enter__(self):
        for name in WATCHED:
            self._patch.setattr(os, name, self._watched(name, getattr(os, name)))
        for name in ("BufferedReader", "BufferedWriter", "TextIOWrapper"):
            self._patch.setattr(_pyio, name, getattr(io, name))
        for module in (io, builtins):
            self._patch.setattr(module, "open", _pyio.open)
        return self

    def __exit__(self, *_):
        self._patch.undo()

    def _watched(self, name, original):
        def call(target=".", *args, **kwargs):
            path = self._path(target, kwargs.get("dir_fd"))
            if path is None:
                return original(target, *args, **kwargs)
            call = NAMES.get(name, name)
            new = self._path(args[0], kwargs.get("dst_dir_fd")) if call == "rename" else None
            self._tell(call, path, new)
            return self._done(call, path, lambda *given: original(target, *given, **kwargs), args)

        return call

    def _tell(self, name, *paths):
        self.trace.append(Call(name, *(str(path.relative_to(self.folder)) for path in paths if path)))

    def _done(self, name, path, original, args):
        if self.at is not None and len(self.trace) > self.at:
            args = self._go_wrong(name, path, original, args)
        result = original(*args)
        if name == "open":
            self._files[result] = path
        return result

    def _go_wrong(self, name, path, original, args):
        """Fail, or die, or return the arguments for what is done instead."""
        first = len(self.trace) - 1 == self.at
        half = (memoryview(args[0])[: len(args[0]) // 2],) if name == "write" else args
        match self.fault:
            case "killed" | "torn" if first:
                if self.fault == "torn" and name == "write":
                    original(*half)
                os.kill(os.getpid(), signal.SIGKILL)
            case "short" if first:
                return half
            case "full" if name in NEEDS_SPACE:
                self._fail(errno.ENOSPC, name, path, original)
            case "dead":
                self._fail(errno.EIO, name, path, original)
            case int() if first:
                self._fail(self.fault, name, path, original)
        return args

    def _fail(self, number, name, path, original):
        if name == "close":
            original()  # the system closes a file even where it says that this failed
        raise OSError(number, os.strerror(number), str(path))

    def _path(self, target, folder):
        """The path that a call is about, where it is the watched folder or below it."""
        if isinstance(target, int):
            path = self._files.get(target)
        else:
            path = (self._files.get(folder) or Path.cwd()) / os.fsdecode(target)
        return path if path is not None and path.is_relative_to(self.folder) else None


def started(action):
    """Do `action` in a forked process; returns its number."""
    process = os.fork()
    if process == 0:
        code = 1
        try:
            action()
            code = 0
        except BaseException:
            traceback.print_exc()
        finally:
            os._exit(code)
    return process


def ended(process):
    """Wait for a process; returns its exit code, negative where a signal ended it."""
    return os.waitstatus_to_exitcode(os.waitpid(process, 0)[1])
