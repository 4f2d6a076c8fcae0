"""Bits per byte by the engine: those of torch but for rounding, and the same by core and twin."""

import numpy as np
import pytest
from engine_models import SHAPES, packed

from bbyte.device import Placement
from bbyte.engine import core
from bbyte.evaluation import InMemory
from bbyte.exact_scoring import score_exactly
from bbyte.scoring import score_checkpoint

TEXT = bytes(np.random.default_rng(1).choice(list(b"the cat sat on a mat, "), 700).tolist())
ON_CPU = Placement("cpu", "fp32", 1, ())


@pytest.fixture(scope="module")
def found(tmp_path_factory):
    folder = tmp_path_factory.mktemp("packed")
    return {name: packed(folder / name, SHAPES[name]) for name in ("full", "mamba1_full", "grouped")}


@pytest.mark.parametrize(
    ("name", "context"), [("full", 64), ("full", 40), ("mamba1_full", 64), ("mamba1_full", "full")]
)
def test_it_is_the_score_of_torch(found, name, context):
    theirs = score_checkpoint(found[name], InMemory(TEXT), ON_CPU, context=context)
    ours = score_exactly(found[name], InMemory(TEXT), context=context, by="numpy")
    assert ours.bits_per_byte == pytest.approx(theirs.bits_per_byte, abs=1e-3)
    assert (ours.bytes, ours.digest, ours.context, ours.stride) == (
        theirs.bytes, theirs.digest, theirs.context, theirs.stride,
    )  # fmt: skip


@pytest.mark.skipif(core.library() is None, reason="there is no native core here")
@pytest.mark.parametrize("name", ["full", "mamba1_full", "grouped"])
def test_core_and_twin_give_the_same_figure(found, name):
    one, other = (score_exactly(found[name], InMemory(TEXT), context=64, by=by) for by in ("native", "numpy"))
    assert one == other
    threads = score_exactly(found[name], InMemory(TEXT), context=64, threads=3)
    assert threads.nats == one.nats
