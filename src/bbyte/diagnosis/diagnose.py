"""What this machine and this installation can do, and what of that is broken."""

import dataclasses
import platform
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bbyte.device import usable_cores
from bbyte.diagnosis import installation, machine
from bbyte.diagnosis.installation import Installation
from bbyte.diagnosis.loading import Loaded, Loading
from bbyte.diagnosis.machine import Completion, Place, Processor

ARTIFACTS = Path("artifacts")
_TORCH = "torch"


@dataclass(frozen=True)
class Problem:
    """Something that bbyte needs and that does not work, and what mends it."""

    what: str
    remedy: str


@dataclass(frozen=True)
class Diagnosis:
    """Everything that was found. `engine` and `device` are what `loading.QUESTIONS` answers.

    seconds: what loading the libraries, in a process of its own, took.
    """

    python: str
    platform: str
    processor: Processor
    cores: int | None
    memory: int | None
    installation: Installation
    engine: Loaded
    device: Loaded
    nvidia_driver: bool
    artifacts: Place
    completion: Completion
    problems: tuple[Problem, ...]
    seconds: float

    def to_dict(self) -> dict[str, Any]:
        """The same for programs; of each extra also what it lacks and the line that installs it."""
        document = dataclasses.asdict(self)
        for told, extra in zip(document["installation"]["extras"], self.installation.extras, strict=True):
            told |= {"use": extra.use, "lacking": extra.lacking, "remedy": extra.remedy}
        return document


def diagnose() -> Diagnosis:
    """Look at everything. Raises nothing: what is broken is among the problems."""
    asked = installation.installation()
    names = [package.name for package in asked.needed if not package.problem and package.name != _TORCH]
    began = time.monotonic()
    loading = Loading([*names, "engine", _TORCH, "device"])
    parts: dict[str, Any] = {
        "python": installation.python(), "platform": platform.platform(), "processor": machine.processor(),
        "cores": _cores(), "memory": machine.memory(), "nvidia_driver": machine.has_nvidia_driver(),
        "artifacts": machine.place_of(ARTIFACTS), "completion": machine.completion(),
    }  # fmt: skip
    loaded = loading.results()
    return Diagnosis(
        installation=asked, engine=loaded["engine"], device=loaded["device"],
        problems=_problems(asked, loaded), seconds=time.monotonic() - began, **parts,
    )  # fmt: skip


def _problems(asked: Installation, loaded: Mapping[str, Loaded]) -> tuple[Problem, ...]:
    found = []
    if not asked.version:
        found.append(
            Problem("bbyte is not installed, only run from its sources", "in their folder: pip install -e .")
        )
    for package in asked.needed:
        error = loaded[package.name].error if package.name in loaded else ""
        if package.problem:
            found.append(Problem(package.problem, package.remedy))
        elif error:
            again = package.remedy.replace("install", "install --force-reinstall", 1)
            found.append(Problem(f"{package.name} {package.version} does not load: {error}", again))
    if loaded["engine"].error:
        found.append(Problem(f"the engine does not load: {loaded['engine'].error}", "install bbyte again"))
    if loaded["device"].error and not loaded[_TORCH].error:
        found.append(
            Problem(f"torch finds no device: {loaded['device'].error}", "--device cpu may still work")
        )
    return tuple(found)


def _cores() -> int | None:
    try:
        return usable_cores()
    except Exception:  # where it takes psutil, and that is broken, which is said elsewhere
        return None
