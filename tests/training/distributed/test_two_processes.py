"""Two processes train as one does: the same bytes, the same losses, one log, one folder."""

import pytest
from small_runs import losses, validations
from undisturbed import MODELS, small

WORDS = [
    "--steps",
    "12",
    "--save-every",
    "4",
    "--eval-every",
    "6",
    "--eval-bytes",
    "300",
    "--optimizer",
    "adamw",
]


@pytest.mark.parametrize("family", MODELS)
def test_losses_are_those_of_one_process(tmp_path, train, family):
    words = [*small(family), *WORDS]
    one, two = train(1, *words, "--out", "one"), train(2, *words, "--out", "two")
    assert one.wait() == [0], one.said()
    assert two.wait() == [0, 0], two.said()
    found, expected = losses(tmp_path / "two"), losses(tmp_path / "one")
    assert found.keys() == expected.keys()
    assert all(found[step] == pytest.approx(loss, abs=1e-5) for step, loss in expected.items())
    found, expected = validations(tmp_path / "two"), validations(tmp_path / "one")
    assert found == pytest.approx(expected, abs=1e-5)
