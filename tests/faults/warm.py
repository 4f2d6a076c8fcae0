"""Commands of bbyte forked from a process that has loaded torch already: they start in a moment.

Run as a program it reads a request a line, a JSON object, and answers each with a line: {"words", "folder",
"shown", "env", "breaking"} starts `bbyte WORDS` in the folder, its output going to the file `shown`, and is
answered with the number of the process; {"wait": process} is answered with its exit code (negative: the
signal that ended it), or null where it still runs and "patience" is false.
"""

import json
import os
import runpy
import signal
import subprocess
import sys
import time
from pathlib import Path


class Warm:
    """Starts commands; to be used with `with`."""

    def __enter__(self):
        self._server = subprocess.Popen(
            [sys.executable, __file__],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, "OMP_NUM_THREADS": "1"},
        )
        self.ask({"wait": None})
        return self

    def __exit__(self, *_):
        self._server.stdin.close()
        self._server.stdout.close()
        self._server.wait()

    def ask(self, request):
        self._server.stdin.write(json.dumps(request) + "\n")
        self._server.stdin.flush()
        return json.loads(self._server.stdout.readline())

    def start(self, folder, shown, *words, env=None, breaking=None):
        """Start `bbyte WORDS` in `folder`; all it says is appended to the file `shown`.

        `env` is added to its environment. `breaking`, a file of Python, is run before.
        """
        return Command(self, shown, words, folder, env or {}, breaking)

    def run(self, folder, shown, *words):
        """Run `bbyte WORDS` to its end; returns the exit code."""
        return self.start(folder, shown, *words).wait()


class Command:
    """A command that runs."""

    def __init__(self, warm, shown, words, folder, env, breaking):
        request = {"words": words, "folder": str(folder), "shown": str(shown), "env": env}
        request["breaking"] = None if breaking is None else str(breaking)
        self.shown, self._warm, self._code = Path(shown), warm, None
        self.shown.touch()
        self.process = warm.ask(request)

    def poll(self):
        """The exit code, or None while it runs."""
        return self._ended(patience=False)

    def wait(self):
        """The exit code, when it has ended."""
        return self._ended(patience=True)

    def send(self, number):
        """Send a signal; without effect where it has ended."""
        if self._code is None:  # its number is its own until it was waited for
            os.kill(self.process, number)

    def kill(self):
        """Kill it, and return the exit code."""
        self.send(signal.SIGKILL)
        return self.wait()

    def until(self, condition, seconds=60.0):
        """Wait until `condition()` is true; returns False where it ends before or the time is over."""
        began = looked = time.monotonic()
        while not condition():
            now = time.monotonic()
            if now > looked + 0.02:
                looked = now
                if self.poll() is not None or now > began + seconds:
                    return False
            time.sleep(0.0001)
        return True

    def said(self):
        return self.shown.read_text(encoding="utf-8")

    def _ended(self, *, patience):
        if self._code is None:
            self._code = self._warm.ask({"wait": self.process, "patience": patience})
        return self._code


def serve():
    """Answer the requests."""
    import torch._dynamo  # what optimizers import at their first step
    import torch.distributed.checkpoint
    import torch.distributed.fsdp  # noqa: F401

    import bbyte.terminal.training
    import bbyte.training.start  # noqa: F401
    from bbyte.cli import main

    answers = os.fdopen(os.dup(1), "w")
    for line in sys.stdin:
        request = json.loads(line)
        answers.write(
            json.dumps(_waited(**request) if "wait" in request else _forked(main, **request)) + "\n"
        )
        answers.flush()


def _forked(main, words, folder, shown, env, breaking):
    process = os.fork()
    if process:
        return process
    code = 70
    try:
        nothing, out = (
            os.open(os.devnull, os.O_RDONLY),
            os.open(shown, os.O_WRONLY | os.O_CREAT | os.O_APPEND),
        )
        for new, old in ((nothing, 0), (out, 1), (out, 2)):
            os.dup2(new, old)
        os.chdir(folder)
        os.environ.update(env)
        if breaking is not None:
            runpy.run_path(breaking)
        code = main(words)
    finally:
        os._exit(code)


def _waited(wait, patience=True):
    if wait is None:
        return None
    done, status = os.waitpid(wait, 0 if patience else os.WNOHANG)
    return os.waitstatus_to_exitcode(status) if done else None


if __name__ == "__main__":
    serve()
