"""What each byte costs: the parts of a figure that is known as a whole."""

import math

import numpy as np
import pytest
from next_byte_views import Uniform

from bbyte.analysis import scorers
from bbyte.analysis.surprisal import Scorer, surprisal
from bbyte.checkpoint import store
from bbyte.errors import BbyteError, DataError
from bbyte.evaluation import InMemory
from bbyte.exact_scoring import score_exactly

TEXT = b"the cat sat on the mat. " * 12 + b"\xff\x00\xc3\xa9"


def test_the_bits_of_the_bytes_are_the_bits_of_the_text(models):
    scorer, _ = scorers.by_engine(models["ternary"], by="numpy")
    found = surprisal(TEXT, scorer)
    whole = score_exactly(models["ternary"], InMemory(TEXT), context=64, by="numpy")
    assert len(found.bits) == len(found.entropy) == len(TEXT)
    assert found.bits.sum() == pytest.approx(whole.bits_per_byte * len(TEXT), rel=1e-12)
    assert found.score.bits_per_byte == pytest.approx(whole.bits_per_byte, rel=1e-12)
    assert found.score.digest == whole.digest


def test_torch_and_the_engine_agree_byte_by_byte(models):
    by_engine, _ = scorers.by_engine(models["full"], by="numpy")
    by_torch = scorers.by_torch(store.load(models["full"]))
    ours, theirs = surprisal(TEXT, by_engine), surprisal(TEXT, by_torch)
    np.testing.assert_allclose(ours.bits, theirs.bits, atol=0.05)
    np.testing.assert_allclose(ours.entropy, theirs.entropy, atol=0.05)


def test_a_byte_among_equals_costs_eight_bits():
    scorer = scorers.stepped(Uniform(), 16)
    found = surprisal(TEXT, scorer)
    np.testing.assert_allclose(found.bits, 8)
    np.testing.assert_allclose(found.entropy, 8)
    assert found.score.bits_per_byte == pytest.approx(8)


def test_a_stepped_view_is_fed_every_byte_once():
    view = Uniform()
    surprisal(TEXT, scorers.stepped(view, 16))
    assert bytes(view.fed) == TEXT


def test_stepping_gives_what_windows_give_where_one_window_holds_all(models):
    loaded = store.load(models["full"])
    windowed = surprisal(TEXT[:40], scorers.by_torch(loaded))
    stepped = surprisal(TEXT[:40], scorers.stepped(loaded.family.predictor(loaded.model, 64, 1), 64))
    np.testing.assert_allclose(windowed.bits, stepped.bits, atol=1e-3)


def test_the_family_that_bounds_is_stepped_through():
    from types import SimpleNamespace

    from bbyte.models.diffusion.config import DiffusionConfig
    from bbyte.models.families import family

    kind = family("diffusion")
    model = kind.build(DiffusionConfig(n_layer=1, d_model=16, n_head=2, d_ff=16)).eval()
    scorer = scorers.by_torch(SimpleNamespace(family=kind, model=model, meta=SimpleNamespace(context=12)))
    assert scorer.carries
    assert surprisal(b"abcdefghijklmnopq", scorer).score.bits_per_byte == pytest.approx(8, abs=0.5)


def test_what_cannot_be_scored_is_said():
    with pytest.raises(DataError, match="empty"):
        surprisal(b"", scorers.stepped(Uniform(), 16))
    never = Scorer(lambda rows, skip: np.where(np.arange(256) == 97, 0, -np.inf)[None, None], 8, 4)
    with pytest.raises(BbyteError, match="byte 0 no probability"):
        surprisal(b"b", never)
    broken = Scorer(lambda rows, skip: np.full((1, 1, 256), math.nan), 8, 4)
    with pytest.raises(BbyteError, match="no number"):
        surprisal(b"b", broken)
