"""Two processes train as one does: the same bytes, the same losses, one log, one folder."""

import pytest
from small_runs import losses, validations
from undisturbed import MODELS, small

from bbyte.checkpoint import find, store

WORDS = [
    "--steps", "12", "--save-every", "4", "--eval-every", "6", "--eval-bytes", "300", "--optimizer", "adamw",
    "--full-precision-start", "0.5", "--micro-batch", "1", "--batch-size", "6",
]  # fmt: skip


def check_same(tmp_path, train, words, *, shard=False):
    """One process and two end with the same log and the same checkpoints, but for the last digits."""
    one = train(1, *words, "--out", "one")
    two = train(2, *words, "--out", "two", *["--shard"] * shard)
    assert one.wait() == [0], one.said()
    assert two.wait() == [0, 0], two.said()
    assert two[1].said() == ""  # the first speaks for both
    found, expected = losses(tmp_path / "two"), losses(tmp_path / "one")
    assert found == pytest.approx(expected, abs=1e-5) and len(found) == 12
    found, expected = validations(tmp_path / "two"), validations(tmp_path / "one")
    assert found == pytest.approx(expected, abs=1e-5) and sorted(found) == [6, 12]
    ours, theirs = (find.steps(tmp_path / run) for run in ("two", "one"))
    assert [path.name for path in ours] == [path.name for path in theirs]
    for mine, other in zip(ours, theirs, strict=True):
        loaded, expected = store.load(mine), store.load(other)
        assert loaded.found.skipped == ()
        assert loaded.meta.environment["world_size"] == 2
        for name, value in loaded.model.state_dict().items():
            assert value.numpy() == pytest.approx(expected.model.state_dict()[name].numpy(), abs=2e-4)
    assert not list((tmp_path / "two").glob(".tmp-*"))


@pytest.mark.parametrize("family", MODELS)
def test_each_with_the_whole_model(tmp_path, train, family):
    check_same(tmp_path, train, [*small(family), *WORDS])


@pytest.mark.parametrize("family", MODELS)
def test_each_with_a_part_of_the_model(tmp_path, train, family):
    check_same(tmp_path, train, [*small(family), *WORDS], shard=True)


@pytest.mark.parametrize("settings", [["--optimizer", "muon"], ["--no-ternary", "--ema", "0.9"]])
@pytest.mark.parametrize("shard", [False, True])
def test_with_other_optimizers(tmp_path, train, settings, shard):
    check_same(tmp_path, train, [*small("ar"), *WORDS, *settings], shard=shard)
