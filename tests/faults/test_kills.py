"""`bbyte train` killed at random moments and resumed: no run is lost, each is as if it was undisturbed."""

import os
import random
import signal
import time

import pytest
from undisturbed import MODELS, TEXT, assert_same, newest, small

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")

SETTINGS = [
    ["--optimizer", "muon"],
    ["--optimizer", "adamw", "--keep", "1"],
    ["--optimizer", "muon", "--keep", "1", "--save-every", "1"],
    ["--optimizer", "adamw", "--keep-best", "--no-ternary", "--ema", "0.9"],
    ["--optimizer", "muon", "--keep", "0", "--save-every", "5"],
]


class Killed:
    """A run that is killed again and again: how far it got, and how many kills hit a save."""

    def __init__(self, folder):
        self.folder = folder
        self.reached = self.inside = 0

    def goes_on_by(self, command):
        self._command, self._began = command, time.time()

    def is_saving(self):
        """Whether the command is writing a checkpoint that is not yet in place."""
        return any(map(self._is_new, self.folder.glob(".tmp-step-*") if self.folder.exists() else ()))

    def _is_new(self, temporary):
        try:
            return int(temporary.name[-7:]) > self.reached and temporary.stat().st_mtime > self._began
        except FileNotFoundError:
            return False

    def kill_inside_a_save(self, dice):
        """Kill the command while it writes a checkpoint; it is stopped first, to see that it does."""
        saves = dice.randint(0, 3)
        while self._command.until(self.is_saving):
            time.sleep(dice.uniform(0, 0.001))
            self._command.send(signal.SIGSTOP)
            if saves == 0 and self.is_saving():
                break
            self._command.send(signal.SIGCONT)
            self._command.until(lambda: not self.is_saving())
            saves = max(0, saves - 1)
        self._kill()

    def kill_at_the_start(self, dice):
        time.sleep(dice.uniform(0, 0.3))
        self._kill()

    def kill_in_training(self, dice):
        step = self.reached + dice.randint(1, 20)
        self._command.until(lambda: f" {step}/" in self._command.said())
        time.sleep(dice.uniform(0, 0.01))
        self._kill()

    def _kill(self):
        assert self._command.kill() == -signal.SIGKILL, self._command.said()
        before, self.reached = self.reached, newest(self.folder)
        assert self.reached >= before  # no checkpoint is lost
        self.inside += self.is_saving()


def kill_and_resume(folder, warm, *, family, seed, kills, steps):
    """Kill a run that often, always resuming it; returns how many kills hit a save.

    At the end the run is the same as one that nothing disturbed.
    """
    dice, run, shown = random.Random(seed), Killed(folder / "run"), folder / "shown"
    folder.mkdir()
    (folder / "book.txt").write_bytes(TEXT)
    words = [
        *small(family), "--steps", str(steps), "--save-every", "2", "--eval-every", "7", "--seed", str(seed),
        *SETTINGS[seed % len(SETTINGS)],
    ]  # fmt: skip
    assert warm.run(folder, shown, *words, "--out", "whole") == 0, shown.read_text()
    words += ["--out", "run", "--resume", "auto"]
    moments = (run.kill_at_the_start, run.kill_inside_a_save, run.kill_in_training, run.kill_inside_a_save)
    for n in range(kills):
        run.goes_on_by(warm.start(folder, folder / f"shown-{n}", *words))
        moments[n % 4](dice)
    assert warm.run(folder, shown, *words) == 0, shown.read_text()
    assert_same(run.folder, folder / "whole")
    return run.inside


@pytest.mark.parametrize("family", MODELS)
def test_a_run_that_was_killed_four_times(tmp_path, warm, family):
    assert kill_and_resume(tmp_path / "0", warm, family=family, seed=0, kills=4, steps=100) >= 1


@pytest.mark.slow
@pytest.mark.parametrize("family", MODELS)
def test_a_hundred_kills_of_five_runs_at_least_25_of_them_inside_saves(
    tmp_path, warm, family, record_property
):
    inside = [
        kill_and_resume(tmp_path / str(seed), warm, family=family, seed=seed, kills=20, steps=400)
        for seed in range(5)
    ]
    record_property("kills inside saves", sum(inside))
    assert sum(inside) >= 25
