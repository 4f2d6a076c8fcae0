"""The same bits from other compilers, and with NEON on an emulated 64-bit ARM: drive_core.c."""

import platform
from pathlib import Path

import numpy as np
import pytest
from compiled import compiled, compiler, works
from engine_models import SHAPES
from made_weights import made_weights
from recorded_core import read, recorded, run

from bbyte.engine import core
from bbyte.engine.twin import Twin
from bbyte.generation.sampler import sample
from bbyte.generation.sampling import Sampling

SOURCE = Path(__file__).with_name("drive_core.c")
LANES, POSITIONS, WRITTEN = 3, 24, 4
TOKENS = np.random.default_rng(17).integers(0, 256, (LANES, POSITIONS), dtype=np.uint8)
SAMPLING = Sampling(0.8, 40, 0.9, 0.01, 1.2, 16, "valid", 2**64 - 3)
SETTINGS = core.SamplingSettings(0.8, 0.9, 0.01, 1.2, 40, 16, 2**64 - 3, 1)
ARRANGEMENTS = [(1, False, 24), (2, True, 5), (4, False, 1)]
"""Threads, whether the cache has 32 bits, and positions of a block."""
pytestmark = pytest.mark.skipif(platform.system() == "Windows", reason="its pipes change bytes")


def expected(weights, cache32):
    """Logits and texts by the twin."""
    twin, text = Twin(weights, LANES, POSITIONS + WRITTEN, cache32=cache32), TOKENS
    logits = twin.step(TOKENS, True)
    last = logits[:, -1]
    for position in range(POSITIONS, POSITIONS + WRITTEN):
        text = np.concatenate([text, sample(last, SAMPLING, position, text)[:, None]], axis=1)
        last = twin.step(text[:, -1:], False)
    return logits, text


def assert_equal(words, shape, monkeypatch, paths):
    weights = made_weights(SHAPES[shape], seed=2)
    recorder = recorded(monkeypatch, weights)
    runs = [(path, *arrangement) for path in paths for arrangement in ARRANGEMENTS]
    for path, threads, cache32, most in runs:
        recorder.session(
            weights.blueprint, SETTINGS, TOKENS, capacity=POSITIONS + WRITTEN, threads=threads,
            cache32=cache32, path=path, most=most, written=WRITTEN,
        )  # fmt: skip
    output = run(words, recorder)
    right = {cache32: expected(weights, cache32) for cache32 in (False, True)}
    for path, threads, cache32, most in runs:
        logits, text, output = read(output, LANES, POSITIONS, most, WRITTEN)
        assert logits.tobytes() == right[cache32][0].tobytes(), (path, threads, cache32, most)
        assert text.tolist() == right[cache32][1].tolist()
    assert not output


@pytest.fixture(scope="module")
def on_arm(tmp_path_factory):
    """The words that run the program on an emulated ARM processor."""
    by, emulator = compiler("aarch64-linux-gnu-gcc"), compiler("qemu-aarch64", "qemu-aarch64-static")
    target = tmp_path_factory.mktemp("arm") / "drive"
    return [emulator, compiled(by, target, SOURCE, "-O3", "-static")]


@pytest.mark.parametrize("shape", SHAPES)
def test_with_neon(on_arm, shape, monkeypatch):
    assert_equal(on_arm, shape, monkeypatch, ["plain"])


@pytest.fixture(scope="module", params=[("gcc", "-O1"), ("clang", "-O3")], ids=["gcc -O1", "clang -O3"])
def otherwise(request, tmp_path_factory):
    """The program by another compiler, or optimised otherwise, than the core that is installed."""
    name, level = request.param
    folder = tmp_path_factory.mktemp("otherwise")
    by = compiler(name)
    if not works(by, folder):
        pytest.skip(f"what {name} compiles does not run here")
    return [compiled(by, folder / "drive", SOURCE, level)]


@pytest.mark.parametrize("shape", SHAPES)
def test_compiled_otherwise(otherwise, shape, monkeypatch):
    assert_equal(otherwise, shape, monkeypatch, core.paths() or ["plain"])
