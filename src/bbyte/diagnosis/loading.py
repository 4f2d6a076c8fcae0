"""Whether libraries load, tried in a process of its own: what ends or hangs there does no harm here.

    python -m bbyte.diagnosis.loading numpy torch engine device

Each word is answered by two lines of JSON on stdout: that it is begun, and what was found.
"""

import importlib
import json
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

PATIENCE = 120.0
"""Seconds that all libraries together may take: a first import of torch from a slow disk takes half of it."""


@dataclass(frozen=True)
class Loaded:
    """What loading something came to: `found` is what it said of itself, `error` why it did not load."""

    found: Any = None
    error: str = ""


class Loading:
    """Libraries being loaded in another process, while this one goes on.

    A name is that of a module, or one of `QUESTIONS`, which are told what was found instead.
    """

    def __init__(self, names: Sequence[str], patience: float = PATIENCE) -> None:
        self._names, self._until = tuple(names), time.monotonic() + patience
        self._process = _start(self._names)

    def results(self) -> dict[str, Loaded]:
        """What became of each, by its name; waits for it. Where one ends the process, the next go on."""
        results: dict[str, Loaded] = {}
        while True:
            ending = self._end()
            begun = [name for name in self._names if name in ending.said]
            results |= {name: ending.said[name] for name in begun}
            left = [name for name in self._names if name not in results]
            if ending.at in self._names and ending.at not in begun:
                results[ending.at] = Loaded(error=ending.why)
                left.remove(ending.at)
            elif left and not begun:  # not even a first word: Python itself, or bbyte, does not start there
                return results | dict.fromkeys(left, Loaded(error=ending.why))
            if not left:
                return results
            self._names = tuple(left)
            self._process = _start(self._names)

    def _end(self) -> "_Ending":
        try:
            out, err = self._process.communicate(timeout=max(1.0, self._until - time.monotonic()))
            lines = err.decode("utf-8", "replace").strip().splitlines()
            code = self._process.returncode
            why = f"ended by signal {-code}" if code < 0 else (lines or [f"ended with code {code}"])[-1]
        except subprocess.TimeoutExpired:
            self._process.kill()
            out, _ = self._process.communicate()
            why = "took too long to load"
        return _read(out, why)


@dataclass
class _Ending:
    said: dict[str, Loaded]
    at: str
    why: str


def _start(names: Sequence[str]) -> "subprocess.Popen[bytes]":
    words = [sys.executable, "-m", __name__, *names]
    return subprocess.Popen(words, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE)  # noqa: S603


def _read(out: bytes, why: str) -> _Ending:
    ending = _Ending({}, "", why)
    for line in out.splitlines():
        try:
            document = json.loads(line)
            ending.at = document["at"]
            if "error" in document:
                ending.said[ending.at] = Loaded(document["found"], document["error"])
        except (ValueError, TypeError, KeyError):
            continue  # what a library prints while it loads
    return ending


def _device() -> Any:
    """The device that `--device auto` takes, and the GPUs there are, with their memory."""
    import torch

    from bbyte.device import Runtime, place
    from bbyte.training.planning.room import found

    placement = place(Runtime())
    gpus = []
    for number in range(torch.cuda.device_count()):
        about = torch.cuda.get_device_properties(number)
        gpus.append({"name": about.name, "bytes": about.total_memory})
    if placement.device == "mps":
        gpus.append({"name": "Apple GPU", "bytes": None})
    room = found(placement)
    return {
        "device": placement.device, "precision": placement.precision, "reasons": placement.reasons,
        "gpus": gpus, "cuda": torch.version.cuda, "room": room.size, "where": room.where,
    }  # fmt: skip


def _engine() -> Any:
    """The paths of the engine's native core here, the best first; or why there is no core."""
    from bbyte.engine import core

    return {"paths": core.paths() if core.library() is not None else [], "missing": core.missing()}


QUESTIONS: Mapping[str, Callable[[], Any]] = {"engine": _engine, "device": _device}


def _answer(name: str) -> None:
    _say({"at": name})
    try:
        found, error = QUESTIONS[name]() if name in QUESTIONS else importlib.import_module(name) and None, ""
    except Exception as problem:  # whatever is wrong with it
        said = str(problem).strip().splitlines()
        found, error = None, f"{type(problem).__name__}: {said[0] if said else ''}".rstrip(": ")
    _say({"at": name, "found": found, "error": error})


def _say(document: Mapping[str, Any]) -> None:
    sys.stdout.write("\n" + json.dumps(document) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    for each in sys.argv[1:]:
        _answer(each)
