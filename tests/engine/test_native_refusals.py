"""What the native core refuses, and what it makes of weights that are no numbers."""

import threading
from dataclasses import replace

import numpy as np
import pytest
from engine_models import SHAPES
from made_weights import made_weights
from native_models import TEXT, by_twin, model, native

from bbyte.engine import core
from bbyte.engine.native import Native, NativeModel
from bbyte.engine.twin import Twin
from bbyte.errors import BbyteError, DataError, OutOfMemoryError


@native
@pytest.mark.parametrize("shape", ["grouped", "mamba2"])
def test_what_does_not_fit_is_refused_and_changes_nothing(shape):
    session = Native(model(shape), 2, 10)
    expected = session.step(TEXT[:2, :8], False)
    for wrong in (TEXT[:1, :1], TEXT[:3, :1], TEXT[:2, :0]):
        with pytest.raises(ValueError, match="not those of 2 lanes"):
            session.step(wrong, False)
    if shape == "grouped":
        with pytest.raises(ValueError, match=r"8 \+ 3 positions do not fit in 10"):
            session.step(TEXT[:2, :3], False)
        with pytest.raises(ValueError, match="refuses"):
            session.write(core.SamplingSettings(1, 1, 0, 1, 0, 1, 0, 0), 3, 0, TEXT[:2].copy(), 8)
    assert session.length == 8
    assert session.logits().tobytes() == expected.tobytes()
    assert session.step(TEXT[:2, 8:10], True).tobytes() == by_twin(shape, False)[:2, 8:10].tobytes()


@native
@pytest.mark.parametrize(("lanes", "capacity"), [(70_000, 8), (2**32 + 1, 8), (1, 1 << 25), (0, 8), (1, 0)])
def test_sessions_out_of_all_bounds(lanes, capacity):
    with pytest.raises(OutOfMemoryError, match=f"no memory for {lanes} lanes of {capacity} bytes"):
        Native(model("mamba2"), lanes, capacity)


@native
def test_two_threads_in_one_session_are_told_so():
    session, told = Native(model("grouped"), 2, 1000), []

    def compute():
        try:
            for _ in range(20):
                session.clear()
                session.step(np.zeros((2, 1000), np.uint8), False)
        except (BbyteError, ValueError) as error:
            told.append(str(error))

    threads = [threading.Thread(target=compute) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert "two threads compute with the same streams at once" in told
    session.clear()
    assert session.step(TEXT[:2], True).tobytes() == by_twin("grouped", False)[:2].tobytes()


@native
def test_weights_of_other_sizes_or_that_are_none():
    weights = made_weights(SHAPES["grouped"])
    first, *others = weights.layers
    qkv, down = first.matrices["qkv"], first.matrices["down"]

    def given(**matrices):
        layer = replace(first, matrices={**first.matrices, **matrices})
        return replace(weights, layers=(layer, *others))

    for wrong in (given(qkv=down), given(down=replace(down, columns=95))):
        with pytest.raises(ValueError, match="refuses what it was given"):
            NativeModel(wrong)
    with pytest.raises(ValueError, match="refuses what it was given"):
        NativeModel(replace(weights, final_norm=weights.final_norm[1:]))
    for at, byte in ((0, 3), (5, 0x0C), (-1, 0xC0)):
        damaged = qkv.packed.copy()
        damaged.reshape(-1)[at] = byte
        with pytest.raises(DataError, match="no packed trits"):
            NativeModel(given(qkv=replace(qkv, packed=damaged)))
    with pytest.raises(BbyteError, match="model of these sizes"):
        NativeModel(replace(weights, blueprint=replace(weights.blueprint, n_head=3)))
    with pytest.raises(OutOfMemoryError):
        lacking = {role: one for role, one in first.vectors.items() if role != "norm"}
        Native(NativeModel(replace(weights, layers=(replace(first, vectors=lacking), *others))), 1, 8)


@native
@pytest.mark.parametrize("path", core.paths())
@pytest.mark.parametrize("shape", SHAPES)
def test_what_is_no_number_is_lost_nowhere(shape, path):
    """A weight that is none makes the logits none, wherever it stands, as in the twin: no byte is drawn."""
    dice = np.random.default_rng(7)
    for role, value in [(role, value) for role in _floats(shape) for value in (np.nan, np.inf)]:
        weights = made_weights(SHAPES[shape])
        numbers = _floats_of(weights.layers[0], role)
        numbers.flat[dice.integers(numbers.size)] = value
        expected = np.isfinite(Twin(weights, 1, 8).step(TEXT[:1, :8], True))
        found = np.isfinite(Native(NativeModel(weights), 1, 8, path=path).step(TEXT[:1, :8], True))
        assert (found.all(axis=-1) == expected.all(axis=-1)).all(), (role, value)


def _floats(shape):
    layer = made_weights(SHAPES[shape]).layers[0]
    return [*layer.vectors, *layer.matrices]


def _floats_of(layer, role):
    if role in layer.vectors:
        return layer.vectors[role]
    return layer.matrices[role].scales if layer.matrices[role].values is None else layer.matrices[role].values
