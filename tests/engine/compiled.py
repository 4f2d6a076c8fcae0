"""The core's C sources with a program of a test's own, by a compiler and with flags of its choice."""

import shutil
import subprocess
from pathlib import Path

import pytest

NATIVE = Path(__file__).parents[2] / "src/bbyte/engine/native"
FLAGS = [
    "-std=gnu11", "-Wno-psabi", "-ffp-contract=off", "-fno-math-errno", "-pthread", f"-I{NATIVE}",
]  # fmt: skip
TRIVIAL = "int main(void) { return 0; }\n"


def compiler(*names):
    """The first of these that is here; skips the test where none is."""
    found = [path for name in names if (path := shutil.which(name))]
    return found[0] if found else pytest.skip(f"no {' or '.join(names)} here")


def compiled(by, target, source, *flags):
    """`source` and the core as the program `target`, as such flags have it."""
    sources = [str(source), *sorted(str(path) for path in NATIVE.glob("*.c"))]
    done = subprocess.run(
        [by, *FLAGS, *flags, *sources, "-o", target, "-lm"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr[:4000]
    return target


def works(by, folder, *flags):
    """Whether what is compiled with such flags runs here: not every system has what a sanitizer needs."""
    source, target = folder / "trivial.c", folder / "trivial"
    source.write_text(TRIVIAL)
    try:
        subprocess.run([by, *flags, source, "-o", target], capture_output=True, check=True)
        subprocess.run([target], capture_output=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        return False
    return True
