"""The coder under sanitizers, with random texts, models and garbage: fuzz_coder.c."""

import platform
import subprocess
from pathlib import Path

import pytest
from compiled import compiled, compiler, works

SOURCE = Path(__file__).with_name("fuzz_coder.c")
PLAIN_CALLS = "-DINLINE=static inline"
WRAPPED = [f"-Wl,--wrap={name}" for name in ("posix_memalign", "malloc", "calloc", "realloc")]
KINDS = {
    "memory": ("-fsanitize=address,undefined,float-cast-overflow", "-fno-sanitize-recover=all"),
    "threads": ("-fsanitize=thread",),
}
pytestmark = pytest.mark.skipif(
    platform.system() != "Linux", reason="the program is linked with an option of Linux' linker"
)


def run(folder, kind, level, first, count, threads):
    by = compiler("cc", "gcc", "clang")
    if not works(by, folder, *KINDS[kind]):
        pytest.skip(f"what is compiled with {KINDS[kind][0]} does not run here")
    program = compiled(by, folder / "fuzz", SOURCE, level, "-g", PLAIN_CALLS, *WRAPPED, *KINDS[kind])
    words = [program, str(first), str(count), str(threads)]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    assert done.returncode == 0, (done.stdout + done.stderr)[:6000]


def test_memory_and_operations(tmp_path):
    run(tmp_path, "memory", "-O0", 0, 25, 2)


def test_threads(tmp_path):
    run(tmp_path, "threads", "-O1", 0, 10, 3)


@pytest.mark.slow
@pytest.mark.parametrize("level", ["-O0", "-O1", "-O3"])
def test_memory_and_operations_at_length(tmp_path, level):
    run(tmp_path, "memory", level, 1000, 1500, 3)


@pytest.mark.slow
def test_threads_at_length(tmp_path):
    run(tmp_path, "threads", "-O2", 1000, 500, 4)
