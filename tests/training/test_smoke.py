"""The smoke test passes where training works, and fails where it does not."""

import tempfile
from pathlib import Path

import pytest

from bbyte.errors import BbyteError
from bbyte.models.families import families
from bbyte.training import smoke
from bbyte.training.update import Update


@pytest.mark.parametrize("name", tuple(families()))
def test_every_family_passes_and_nothing_is_left_behind(name, tmp_path, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    assert smoke.smoke_test(name).startswith(f"{name}: 10 steps, loss 5.")
    assert not list(tmp_path.glob("bbyte-*"))


def test_a_model_that_does_not_learn_fails(monkeypatch):
    monkeypatch.setattr(Update, "__call__", frozen(Update.__call__))
    with pytest.raises(BbyteError, match="the smoke test failed: the loss did not fall"):
        smoke.smoke_test("ar")


def frozen(step):
    def take(self, *args):
        self.optimizers.step = lambda found_inf: self.model.zero_grad()
        outcome = step(self, *args)
        return type(outcome)(outcome.loss * 0 + 5.5, outcome.norm, outcome.fault)

    return take


def test_the_made_up_bytes_are_always_the_same_and_not_of_one_kind():
    assert smoke.made_up(1000) == smoke.made_up(2000)[:1000]
    assert len(set(smoke.made_up(1000))) > 10


def test_the_command_says_so_in_one_line(capfd, tmp_path, monkeypatch):
    from bbyte.cli import main

    monkeypatch.chdir(tmp_path)
    assert main(["train", "ar", "--smoke-test"]) == 0
    assert "resumed bit for bit" in capfd.readouterr().out
    assert list(Path().iterdir()) == []
