"""The native core after a fork, and where its caller has set the processor to another arithmetic."""

import os
import platform
import subprocess
import sys
from pathlib import Path

import pytest
from native_models import native

FOLDERS = [str(Path(__file__).parent), str(Path(__file__).parents[1] / "checkpoint")]
UPWARD = {"x86_64": 0x800, "aarch64": 0x400000, "arm64": 0x400000}
"""FE_UPWARD of fenv.h."""


@native
@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork")
def test_a_fork_computes_on():
    program = f"""
import os, sys
sys.path[:0] = {FOLDERS!r}
from native_models import TEXT, by_twin, model
from bbyte.engine.native import Native
session = Native(model("grouped"), 2, 70, threads=4)
session.step(TEXT[:2, :20], False)
expected = by_twin("grouped", False)[:2].tobytes()
child = os.fork()
found = session.step(TEXT[:2, 20:], True).tobytes()
session.clear()
good = found == by_twin("grouped", False)[:2, 20:].tobytes()
good = good and session.step(TEXT[:2], True).tobytes() == expected
if child:
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0, "the child"
assert good
"""
    subprocess.run([sys.executable, "-c", program], check=True, timeout=120)


@native
def test_the_callers_arithmetic_is_neither_used_nor_changed():
    """Subnormal numbers flushed, or rounding upwards: the same bits, and the caller's setting as it was."""
    program = f"""
import sys
sys.path[:0] = {FOLDERS!r}
import ctypes, torch
from native_models import SHAPES, TEXT, by_twin, model
from bbyte.engine.native import Native
SMALL = torch.tensor([1e-38])
UPWARD = {UPWARD.get(platform.machine())}
c = ctypes.CDLL(None)
for shape in SHAPES:
    expected = by_twin(shape, True)[:2].tobytes()
    tried = Native(model(shape), 2, 70, cache32=True, threads=2)
    flushes = torch.set_flush_denormal(True)
    found = tried.step(TEXT[:2], True).tobytes()
    assert not flushes or float((SMALL * 0.1).item()) == 0, "flushing was given up"
    torch.set_flush_denormal(False)
    assert found == expected, (shape, "flushing")
    tried.clear()
    if UPWARD is not None and c.fesetround(UPWARD) == 0:
        found = tried.step(TEXT[:2], True).tobytes()
        kept = c.fegetround()
        c.fesetround(0)
        assert kept == UPWARD
        assert found == expected, (shape, "upwards")
"""
    subprocess.run([sys.executable, "-c", program], check=True, timeout=300)
