"""`bbyte train` killed at random moments and resumed: no run is lost, each is as if it was undisturbed."""

import os
import random
import signal
import time

import pytest
from undisturbed import SMALL, TEXT, assert_same, newest
from warm import Warm

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")

STEPS = 400
SETTINGS = [
    ["--optimizer", "muon"],
    ["--optimizer", "adamw", "--keep", "1"],
    ["--optimizer", "muon", "--keep", "1", "--save-every", "1"],
    ["--optimizer", "adamw", "--keep-best", "--no-ternary", "--ema", "0.9"],
    ["--optimizer", "muon", "--keep", "0", "--save-every", "5"],
]


def saving(run):
    """The temporary folders of saves."""
    return list(run.glob(".tmp-step-*")) if run.exists() else []


def kill_inside_a_save(command, run, dice):
    """Kill a command while it writes a checkpoint, wherever in it: it is stopped first, to see that it does."""
    patience = dice.randint(1, 4)
    while command.until(lambda: saving(run)):
        time.sleep(dice.uniform(0, 0.001))
        command.send(signal.SIGSTOP)
        patience -= 1
        if patience < 0 and saving(run):
            break
        command.send(signal.SIGCONT)
        command.until(lambda: not saving(run))
    return command.kill()


def kill_anywhere(command, dice):
    time.sleep(dice.uniform(0, 0.2))
    return command.kill()


def kill_and_resume(folder, warm, seed, kills):
    """Kill a run that often, always resuming it; returns how many kills hit a save that was not yet in place.

    At the end the run is the same as one that nothing disturbed.
    """
    dice, run, shown = random.Random(seed), folder / "run", folder / "shown"
    folder.mkdir()
    (folder / "book.txt").write_bytes(TEXT)
    words = [
        *SMALL, "--steps", str(STEPS), "--save-every", "2", "--eval-every", "7", "--seed", str(seed),
        *SETTINGS[seed % len(SETTINGS)],
    ]  # fmt: skip
    assert warm.run(folder, shown, *words, "--out", "whole") == 0, shown.read_text()
    inside = reached = 0
    for n in range(kills):
        command = warm.start(folder, shown, *words, "--out", "run", "--resume", "auto")
        code = kill_inside_a_save(command, run, dice) if n % 2 else kill_anywhere(command, dice)
        assert code == -signal.SIGKILL, command.said()
        reached, before = newest(run), reached
        assert (
            before <= reached < STEPS
        )  # no checkpoint is lost; and the run must not end before it is killed
        inside += any(int(path.name[-7:]) > reached for path in saving(run))
    assert warm.run(folder, shown, *words, "--out", "run", "--resume", "auto") == 0, shown.read_text()
    assert_same(run, folder / "whole")
    return inside


def test_a_run_that_was_killed_eight_times(tmp_path):
    with Warm() as warm:
        assert kill_and_resume(tmp_path / "0", warm, seed=0, kills=8) >= 1


@pytest.mark.slow
def test_two_hundred_kills_of_ten_runs_at_least_fifty_of_them_inside_saves(tmp_path, record_property):
    with Warm() as warm:
        inside = [kill_and_resume(tmp_path / str(seed), warm, seed, kills=20) for seed in range(10)]
    record_property("kills inside saves", sum(inside))
    assert sum(inside) >= 50
