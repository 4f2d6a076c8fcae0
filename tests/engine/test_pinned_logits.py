"""Version 1 of the arithmetic, pinned: whatever computes other bits than these computes something else."""

import numpy as np
import pytest
from blake3 import blake3
from engine_models import SHAPES
from made_weights import made_weights

from bbyte.engine.twin import Twin

TOKENS = np.random.default_rng(9).integers(0, 256, (2, 40), dtype=np.uint8)
# Of each shape with a cache of 16 bits and with one of 32.
PINNED = {
    "grouped": ("b5ae85798ccdeb94", "509557d4ef01cef8"),
    "squared": ("e9cd9daaed3e2043", "8f4c8c1a4051faed"),
    "plain": ("b15d47d594764d7b", "a0c195caea898e87"),
    "floats": ("b608d4e3d8dde5b1", "983171d98b440cca"),
    "full": ("fa9899370d882d40", "d490e388f08a09b4"),
    "odd": ("7dc60298fb9eb84e", "028e343c5e6f7ba6"),
    "odd_full": ("6decb8338ffec40c", "a49e5eaf4c8af6be"),
    "mamba2": ("b0d3f88f89cb4efb", "b0d3f88f89cb4efb"),
    "mamba2_full": ("31bac51986425d36", "31bac51986425d36"),
    "mamba1": ("8cafd8fbe9c1c89f", "8cafd8fbe9c1c89f"),
    "mamba1_full": ("7328a6ae4492c633", "7328a6ae4492c633"),
    "mamba1_floats": ("fe181f3b4af7b758", "fe181f3b4af7b758"),
}


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("cache32", [False, True])
def test_logits_are_pinned(shape, cache32):
    logits = Twin(made_weights(SHAPES[shape]), 2, 40, cache32=cache32).step(TOKENS, True)
    assert 0.3 < logits.std() < 30
    assert blake3(logits.astype("<f4").tobytes()).hexdigest()[:16] == PINNED[shape][cache32]


def test_a_mamba_has_no_cache_of_16_bits():
    assert all((one == other) == ("mamba" in shape) for shape, (one, other) in PINNED.items())
