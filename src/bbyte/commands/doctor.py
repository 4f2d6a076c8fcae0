"""`bbyte doctor`: what this machine and this installation can do, and what is broken."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

import typer

from bbyte.errors import BbyteError
from bbyte.figures import scaled
from bbyte.terminal.screen import Screen, one_line

if TYPE_CHECKING:
    from bbyte.diagnosis.diagnose import Diagnosis

EXAMPLES = ("bbyte doctor", "bbyte doctor --json")
_WIDTH = 11


def doctor(screen: Screen) -> None:
    """Say what this machine can do: processor, GPU, engine, packages, extras, disk, completion.

    Exit code 1 if something that bbyte needs is missing or broken; what mends it is said.
    """
    from bbyte import __version__
    from bbyte.diagnosis.diagnose import diagnose

    found = diagnose()
    failure = None
    if found.problems:
        count = len(found.problems)
        rest = f" (and {count - 1} more, above)" if count > 1 else ""
        failure = BbyteError(one_line(found.problems[0].what) + rest, found.problems[0].remedy)
    if screen.json:
        told = {"error": failure.message, "hint": failure.hint, "exit_code": 1} if failure else {}
        screen.emit_json({"bbyte": __version__, **found.to_dict(), **told})
        if failure is not None:
            raise typer.Exit(failure.exit_code)
        return
    screen.print(f"{'bbyte':<{_WIDTH}}{__version__} on {found.python}, {found.platform}")
    for name, text in lines(found):
        screen.print(one_line(f"{name:<{_WIDTH}}{text}"))
    screen.say(f"libraries loaded in {found.seconds:.1f} s")
    if failure is not None:
        raise failure


def lines(found: "Diagnosis") -> Iterator[tuple[str, str]]:
    """What each line is about, empty where that of the line before goes on, and what it says."""
    yield from _machine(found)
    yield from _engine(found)
    yield from _torch(found)
    yield from _packages(found)
    yield from _places(found)


def _machine(found: "Diagnosis") -> Iterator[tuple[str, str]]:
    cores = "" if found.cores is None else f", {found.cores} core{'s' if found.cores != 1 else ''}"
    instructions = found.processor.instructions
    known = (
        "" if instructions is None else f": {', '.join(instructions) or 'no vector instructions that help'}"
    )
    yield "processor", f"{found.processor.name}{cores}{known}"
    yield "memory", "unknown" if found.memory is None else f"{scaled(found.memory)}B"


def _engine(found: "Diagnosis") -> Iterator[tuple[str, str]]:
    if found.engine.error:
        yield "engine", f"broken: {found.engine.error}"
    elif found.engine.found["paths"]:
        best, *others = found.engine.found["paths"]
        yield "engine", f"native, by {best}" + (f" (also here: {', '.join(others)})" if others else "")
    else:
        yield "engine", f"no native core: {found.engine.found['missing']}"
        yield "", "with a C compiler (gcc, clang) here, installing bbyte again builds it"
        yield "", "without it its twin in numpy gives the same bits, slowly, and torch generates"


def _torch(found: "Diagnosis") -> Iterator[tuple[str, str]]:
    torch = next((package for package in found.installation.needed if package.name == "torch"), None)
    version = torch.version if torch is not None else ""
    if found.device.error:
        yield "torch", f"{version} broken: {found.device.error}".strip()
        return
    device = found.device.found
    yield "torch", f"{version} computes on {device['device']} in {device['precision']}".strip()
    yield from (("", reason) for reason in device["reasons"])
    yield "", f"{scaled(device['room'])}B {device['where']}"
    for gpu in device["gpus"]:
        yield "GPU", gpu["name"] + (f", {scaled(gpu['bytes'])}B" if gpu["bytes"] else "")
    if not device["gpus"]:
        yield "GPU", "none that torch sees"
        if found.nvidia_driver:
            why = "this torch was built without CUDA" if not device["cuda"] else "its CUDA finds no GPU"
            yield "", f"there is a driver of NVIDIA, but {why}: https://pytorch.org/get-started/locally"


def _packages(found: "Diagnosis") -> Iterator[tuple[str, str]]:
    needed = found.installation.needed
    wrong = found.problems
    yield "packages", f"all {len(needed)} that bbyte needs" if not wrong else f"{len(wrong)} to mend:"
    for problem in wrong:
        yield "", f"{problem.what}: {problem.remedy}"
    title = "extras"
    for extra in found.installation.extras:
        use = f" ({extra.use})" if extra.use else ""
        state = f"lacks {', '.join(extra.lacking)}: {extra.remedy}" if extra.lacking else "installed"
        yield title, f"{extra.name}{use}: {state}"
        title = ""


def _places(found: "Diagnosis") -> Iterator[tuple[str, str]]:
    place = found.artifacts
    free = "" if place.free is None else f", {scaled(place.free)}B free"
    yield "artifacts", f"{place.path}{free}"
    if not place.writable:
        yield "", "nothing can be written there: start bbyte in a folder of your own, or use --out"
    shell, file = found.completion.shell, found.completion.file
    if not shell:
        yield "completion", "unknown shell: SHELL is not set"
    elif file is None:
        yield (
            "completion",
            f"none found for {shell}: bbyte's folder completions/ has one to copy, and says where to",
        )
    else:
        yield "completion", f"{shell}: {file}"
