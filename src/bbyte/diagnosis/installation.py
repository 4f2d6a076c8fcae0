"""What bbyte asks of the packages around it, and which of them are installed."""

import platform
import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from importlib import metadata

PACKAGE = "bbyte"
FOR_DEVELOPERS = ("test", "dev")
USES = {
    "bitsandbytes": "the optimizer adamw8bit",
    "mamba-ssm": "its CUDA kernels, on a machine with CUDA",
    "matplotlib": "pictures of bbyte plot",
    "gguf": "bbyte export gguf",
    "lm_eval": "bbyte lm-eval",
    "tensorboard": "--track tensorboard",
}
"""What an extra is for, by its first package."""
_BUILT_AGAINST_TORCH = ("mamba-ssm", "causal-conv1d")


@dataclass(frozen=True)
class Package:
    """A package that is asked for: its version, "" where it is not installed, and the oldest that will do."""

    name: str
    version: str
    least: str

    @property
    def problem(self) -> str:
        """What is wrong with it; "" where nothing is."""
        if not self.version:
            return f"{self.name} is not installed"
        if _numbers(self.version) < _numbers(self.least):
            return f"{self.name} {self.version} is older than {self.least}"
        return ""

    @property
    def remedy(self) -> str:
        """The line that installs it."""
        return f"pip install '{self.name}{f'>={self.least}' if self.least else ''}'"


@dataclass(frozen=True)
class Extra:
    """An optional part of bbyte, and the packages it consists of."""

    name: str
    packages: tuple[Package, ...]

    @property
    def use(self) -> str:
        """What it is for, in a few words; "" where nothing uses it yet."""
        return USES.get(self.packages[0].name, "")

    @property
    def lacking(self) -> tuple[str, ...]:
        """Those of its packages that are not installed, or too old."""
        return tuple(package.name for package in self.packages if package.problem)

    @property
    def remedy(self) -> str:
        """The line that installs it."""
        built = any(package.name in _BUILT_AGAINST_TORCH for package in self.packages)
        return f"pip install {'--no-build-isolation ' if built else ''}'{PACKAGE}[{self.name}]'"


@dataclass(frozen=True)
class Installation:
    """What bbyte needs, and what it can use besides. Nothing is known where bbyte itself is not installed."""

    version: str
    needed: tuple[Package, ...]
    extras: tuple[Extra, ...]


def installation() -> Installation:
    """What the metadata of the installed bbyte asks for, and what is there of it. Imports none of it."""
    try:
        about = metadata.distribution(PACKAGE)
    except metadata.PackageNotFoundError:
        return Installation("", (), ())
    needed: list[Package] = []
    extras: dict[str, list[Package]] = {}
    for extra, package in _asked(about.requires or []):
        if not extra:
            needed.append(package)
        elif extra not in FOR_DEVELOPERS:
            extras.setdefault(extra, []).append(package)
    return Installation(
        about.version, tuple(needed), tuple(Extra(name, tuple(found)) for name, found in extras.items())
    )


def _asked(requirements: list[str]) -> Iterator[tuple[str, Package]]:
    """The extra ("" for none) and the package of each requirement that counts on this Python."""
    for line in requirements:
        wanted, _, marker = line.partition(";")
        name = re.match(r"[\w.-]+", wanted.strip())
        extra = re.search(r"extra\s*==\s*[\"']([\w-]+)", marker)
        if name is None or not _counts(marker):
            continue
        least = re.search(r">=\s*([\w.]+)", wanted)
        yield extra[1] if extra else "", Package(name[0], _installed(name[0]), least[1] if least else "")


def _counts(marker: str) -> bool:
    """Whether the conditions on Python's version, the only kind that bbyte's packages have, hold here."""
    for operator, version in re.findall(r"python_version\s*(<|>=)\s*[\"']([\d.]+)", marker):
        older = sys.version_info[:2] < _numbers(version)
        if older != (operator == "<"):
            return False
    return True


def _installed(name: str) -> str:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return ""


def _numbers(version: str) -> tuple[int, ...]:
    """The release of a version, to compare: 2.13.0+cpu is (2, 13)."""
    numbers = [int(part) for part in re.split(r"[^\d.]", version)[0].split(".") if part]
    while numbers and not numbers[-1]:
        numbers.pop()
    return tuple(numbers)


def python() -> str:
    """The Python that runs this, in words."""
    return f"{platform.python_implementation()} {platform.python_version()}"
