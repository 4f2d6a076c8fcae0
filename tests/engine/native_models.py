"""The models of SHAPES in the native core, and what the twin makes of a text."""

from functools import cache

import numpy as np
import pytest
from engine_models import SHAPES
from made_weights import made_weights

from bbyte.engine import core
from bbyte.engine.native import NativeModel
from bbyte.engine.twin import Twin

LONGEST = 70
TEXT = np.random.default_rng(11).integers(0, 256, (5, LONGEST), dtype=np.uint8)
native = pytest.mark.skipif(core.library() is None, reason=f"no native core: {core.missing()}")


@cache
def model(shape):
    return NativeModel(made_weights(SHAPES[shape]))


@cache
def by_twin(shape, cache32):
    """Logits after each byte of TEXT, once for all; lanes do not depend on each other."""
    return Twin(made_weights(SHAPES[shape]), len(TEXT), LONGEST, cache32=cache32).step(TEXT, True)
