"""The same streams from other compilers, and with NEON on an emulated ARM: the digests of fuzz_coder.c."""

import platform
import subprocess
from pathlib import Path

import pytest
from compiled import compiled, compiler, works

SOURCE = Path(__file__).with_name("fuzz_coder.c")
WRAPPED = [f"-Wl,--wrap={name}" for name in ("posix_memalign", "malloc", "calloc", "realloc")]
PINNED = "719ab2e4c975b2a3"
pytestmark = pytest.mark.skipif(
    platform.system() != "Linux", reason="the program is linked with an option of Linux' linker"
)


def digest(*words):
    return subprocess.run([*words, "0", "60", "2"], capture_output=True, text=True, check=True).stdout.strip()


@pytest.mark.parametrize(("name", "level"), [("gcc", "-O1"), ("clang", "-O3")])
def test_compiled_otherwise(tmp_path, name, level):
    by = compiler(name)
    if not works(by, tmp_path):
        pytest.skip(f"what {name} compiles does not run here")
    assert digest(compiled(by, tmp_path / "fuzz", SOURCE, level, *WRAPPED)) == PINNED


def test_with_neon(tmp_path):
    by, emulator = compiler("aarch64-linux-gnu-gcc"), compiler("qemu-aarch64", "qemu-aarch64-static")
    program = compiled(by, tmp_path / "fuzz", SOURCE, "-O3", "-static", *WRAPPED)
    assert digest(emulator, program) == PINNED
