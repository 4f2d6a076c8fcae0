"""The core under sanitizers, with random models right and wrong: fuzz_core.c.

No access beside the memory, no undefined operation, no leak, and no two threads at one number that are not
ordered; what is wrong is refused; and every path, thread and split gives the same bits and the same text.
"""

import platform
import subprocess
from pathlib import Path

import pytest
from compiled import compiled, compiler, works

SOURCE = Path(__file__).with_name("fuzz_core.c")
PLAIN_CALLS = "-DINLINE=static inline"
"""Sanitizers take minutes over code that is inlined by force."""
KINDS = {
    "memory": ("-fsanitize=address,undefined", "-fno-sanitize-recover=all"),
    "threads": ("-fsanitize=thread",),
}
pytestmark = pytest.mark.skipif(
    platform.system() != "Linux", reason="the program is linked with an option of Linux' linker"
)


def run(folder, kind, level, first, count, threads):
    by = compiler("cc", "gcc", "clang")
    if not works(by, folder, *KINDS[kind]):
        pytest.skip(f"what is compiled with {KINDS[kind][0]} does not run here")
    program = compiled(
        by, folder / "fuzz", SOURCE, level, "-g", PLAIN_CALLS, "-Wl,--wrap=posix_memalign", *KINDS[kind]
    )
    words = [program, str(first), str(count), str(threads)]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    assert done.returncode == 0, (done.stdout + done.stderr)[:6000]


def test_memory_and_operations(tmp_path):
    run(tmp_path, "memory", "-O0", 0, 25, 2)


def test_threads(tmp_path):
    run(tmp_path, "threads", "-O1", 0, 15, 4)


@pytest.mark.slow
@pytest.mark.parametrize("level", ["-O0", "-O1", "-O3"])
def test_memory_and_operations_at_length(tmp_path, level):
    run(tmp_path, "memory", level, 1000, 2000, 3)


@pytest.mark.slow
def test_threads_at_length(tmp_path):
    run(tmp_path, "threads", "-O2", 1000, 1000, 4)
