"""Two processes train as one does: the same bytes, the same losses, one log, one folder."""

import numpy as np
import pytest
from small_runs import losses, validations
from undisturbed import MODELS, small

from bbyte.checkpoint import find, store

WORDS = [
    "--steps", "12", "--save-every", "4", "--eval-every", "6", "--eval-bytes", "300",
    "--full-precision-start", "0.5", "--micro-batch", "1", "--batch-size", "6",
]  # fmt: skip


def check_same(tmp_path, train, *words):
    """Two processes, with the whole model in each and with halves, end as one does but for last digits."""
    runs = {
        "one": train(1, *words, *WORDS, "--out", "one"),
        "whole": train(2, *words, *WORDS, "--out", "whole"),
        "half": train(2, *words, *WORDS, "--out", "half", "--shard"),
    }
    for name, run in runs.items():
        assert set(run.wait()) == {0}, run.said()
        assert name == "one" or run[1].said() == ""  # the first speaks for both
        assert_same(tmp_path / name, tmp_path / "one")


def assert_same(run, one):
    assert losses(run) == pytest.approx(losses(one), abs=1e-5) and len(losses(run)) == 12
    assert validations(run) == pytest.approx(validations(one), abs=1e-5) and len(validations(run)) == 2
    checkpoints = [find.steps(folder) for folder in (run, one)]
    assert len(checkpoints[0]) == 3 and not list(run.glob(".tmp-*"))
    for ours, theirs in zip(*checkpoints, strict=True):
        mine, other = store.load(ours), store.load(theirs)
        assert mine.meta.step == other.meta.step
        weights = other.model.state_dict()
        for name, value in mine.model.state_dict().items():
            np.testing.assert_allclose(value, weights[name], atol=2e-4)


@pytest.mark.parametrize("family", MODELS)
def test_with_adamw(tmp_path, train, family):
    check_same(tmp_path, train, *small(family), "--optimizer", "adamw")


# Ternary weights are left out here: a last digit may turn a trit, and Muon's updates are all of one size.
def test_with_muon_and_averaged_weights(tmp_path, train):
    check_same(tmp_path, train, *small("ar"), "--no-ternary", "--optimizer", "muon", "--ema", "0.9")
