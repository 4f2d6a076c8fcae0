"""The native core: to the bit what the twin computes, by every path, in every arrangement."""

import os
import platform

import numpy as np
import pytest
from blake3 import blake3
from engine_models import SHAPES
from made_weights import made_weights
from native_models import LONGEST, TEXT, by_twin, model, native
from test_pinned_logits import PINNED, TOKENS

from bbyte.engine import core
from bbyte.engine.native import Native, NativeModel
from bbyte.engine.twin import Twin

IS_EXPECTED = platform.system() in ("Linux", "Darwin")


@pytest.mark.skipif(
    os.environ.get("CI") != "true" or not IS_EXPECTED, reason="elsewhere a compiler may be missing"
)
def test_the_core_is_built_where_the_project_is_tested():
    assert core.library() is not None, core.missing()
    assert core.paths()[-1] == "plain"


def in_blocks(session, tokens, dice, most):
    """Logits after each byte, fed in blocks of random lengths."""
    found = []
    while session.length < tokens.shape[1]:
        start, length = session.length, int(dice.integers(1, most, endpoint=True))
        found.append(session.step(tokens[:, start : start + length], True))
    return np.concatenate(found, axis=1)


@native
@pytest.mark.parametrize("path", core.paths())
@pytest.mark.parametrize("cache32", [False, True])
@pytest.mark.parametrize("shape", SHAPES)
def test_its_bits_are_those_of_the_twin(shape, cache32, path):
    expected, dice = by_twin(shape, cache32), np.random.default_rng(len(shape))
    for threads in (1, 2, 4):
        for lanes, most in ((1, 1), (1, LONGEST), (2, 7), (3, 1), (5, 40)):
            session = Native(model(shape), lanes, LONGEST, cache32=cache32, threads=threads, path=path)
            assert (session.path, session.threads) == (path, threads)
            found = in_blocks(session, TEXT[:lanes], dice, most)
            assert found.dtype == np.float32
            assert found.tobytes() == expected[:lanes].tobytes(), (threads, lanes, most)
            assert session.logits().tobytes() == expected[:lanes, -1].tobytes()


@native
@pytest.mark.parametrize("path", core.paths())
@pytest.mark.parametrize("shape", SHAPES)
def test_its_logits_are_those_that_are_pinned(shape, path):
    for cache32, pinned in enumerate(PINNED[shape]):
        found = Native(model(shape), 2, 40, cache32=bool(cache32), path=path).step(TOKENS, True)
        assert blake3(found.astype("<f4").tobytes()).hexdigest()[:16] == pinned


@native
@pytest.mark.parametrize("path", core.paths())
@pytest.mark.parametrize("shape", ["grouped", "mamba2", "mamba1"])
def test_many_lanes_and_long_blocks(shape, path):
    """More rows than go through at once, more lanes than those, and more threads than lanes."""
    text = np.random.default_rng(3).integers(0, 256, (1, 300), dtype=np.uint8)
    expected = Twin(made_weights(SHAPES[shape]), 1, 300).step(text, True)
    alone = Native(model(shape), 1, 300, threads=9, path=path)
    assert alone.step(text, True).tobytes() == expected.tobytes()
    assert Native(model(shape), 1, 300, threads=2, path=path).step(text, False).tobytes() == (
        expected[:, -1].tobytes()
    )
    many = Native(model(shape), 140, 12, threads=3, path=path).step(text[:, :280].reshape(140, 2), True)
    first = [
        Twin(made_weights(SHAPES[shape]), 1, 2).step(pair, True) for pair in text[:, :8].reshape(4, 1, 2)
    ]
    assert many[:4].tobytes() == np.concatenate(first).tobytes()


@native
@pytest.mark.parametrize("trits_a_byte", [4, 5])
def test_both_packings(trits_a_byte):
    for shape in ("grouped", "odd", "floats", "mamba1"):
        weights = made_weights(SHAPES[shape], 3, trits_a_byte)
        found = Native(NativeModel(weights), 2, 40).step(TOKENS, True)
        assert found.tobytes() == Twin(weights, 2, 40).step(TOKENS, True).tobytes()


@native
@pytest.mark.parametrize("shape", SHAPES)
def test_nothing_is_left_after_clear_and_sessions_do_not_meet(shape):
    expected, one = by_twin(shape, False), Native(model(shape), 2, LONGEST)
    other = Native(model(shape), 2, LONGEST, threads=2)
    one.step(TEXT[2:4], False)
    one.clear()
    for t in range(12):
        assert one.step(TEXT[:2, t : t + 1], False).tobytes() == expected[:2, t].tobytes()
        assert other.step(TEXT[3:, t : t + 1], False).tobytes() == expected[3:, t].tobytes()
    assert one.length == 12


@native
def test_arrays_may_lie_in_any_way():
    wide = np.zeros((4, 2 * LONGEST), np.int64)
    wide[::2, ::2] = TEXT[:2]
    found = Native(model("odd"), 2, LONGEST).step(wide[::2, ::2], True)
    assert found.tobytes() == by_twin("odd", False)[:2].tobytes()
