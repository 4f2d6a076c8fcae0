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
RUNS = [
    ["--optimizer", "muon"],
    ["--optimizer", "adamw", "--keep", "1"],
    ["--optimizer", "muon", "--keep", "1", "--save-every", "1"],
    ["--optimizer", "adamw", "--keep-best", "--no-ternary", "--ema", "0.9"],
    ["--optimizer", "muon", "--keep", "0", "--save-every", "5"],
]


@pytest.fixture(scope="module")
def warm():
    with Warm() as warm:
        yield warm


def is_saving(run):
    return run.exists() and any(run.glob(".tmp-step-*"))


def kill_somewhere(command, run, dice, *, inside):
    """Kill a command at a random moment, or inside a save; whether it was inside one."""
    if inside:
        for _ in range(dice.randint(1, 4)):
            command.until(lambda: not is_saving(run))
            command.until(lambda: is_saving(run))
        time.sleep(dice.uniform(0, 0.001))
    else:
        time.sleep(dice.uniform(0, 0.2))
    code = command.kill()
    assert code in (-signal.SIGKILL, 0), command.said()
    return is_saving(run)


@pytest.mark.parametrize(
    ("kills", "seed"), [(8, 0), *(pytest.param(20, seed, marks=pytest.mark.slow) for seed in range(10))]
)
def test_killed_and_resumed_a_run_is_the_same_as_an_undisturbed_one(
    tmp_path, warm, record_property, kills, seed
):
    dice, run, shown = random.Random(seed), tmp_path / "run", tmp_path / "shown"
    (tmp_path / "book.txt").write_bytes(TEXT)
    words = [
        *SMALL, "--steps", str(STEPS), "--save-every", "2", "--eval-every", "7", "--seed", str(seed),
        *RUNS[seed % len(RUNS)],
    ]  # fmt: skip
    assert warm.run(tmp_path, shown, *words, "--out", "whole") == 0, shown.read_text()
    inside = reached = 0
    for n in range(kills):
        command = warm.start(tmp_path, shown, *words, "--out", "run", "--resume", "auto")
        inside += kill_somewhere(command, run, dice, inside=n % 2 == 0)
        reached, before = newest(run), reached
        assert reached >= before
        if reached == STEPS:
            break
    record_property("kills", n + 1)
    record_property("inside saves", inside)
    assert inside >= kills // 4
    if reached < STEPS:
        assert warm.run(tmp_path, shown, *words, "--out", "run", "--resume", "auto") == 0, shown.read_text()
    assert_same(run, tmp_path / "whole")
