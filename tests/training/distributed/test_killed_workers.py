"""One of two processes is killed at any moment: the other ends too, and the run goes on without a loss."""

import random
import re
import signal
import subprocess
import sys
import time

import psutil
import pytest
from undisturbed import TEXT, assert_same, newest, small

WORDS = [
    *small("ar"), "--steps", "120", "--save-every", "5", "--eval-every", "20", "--batch-size", "4",
    "--optimizer", "adamw", "--threads", "1",
]  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize("more", [[], ["--shard"]], ids=["whole", "part"])
def test_one_of_two_killed_twenty_times_at_random_moments(tmp_path, train, record_property, more):
    dice, run, words = random.Random(0), tmp_path / "run", [*WORDS, *more]
    reached, inside = 0, 0
    for _ in range(20):
        several = train(2, *words, "--out", "run", "--resume", "auto")
        moment = min(110, reached + dice.randint(1, 12))
        several.reaches(moment)
        time.sleep(dice.uniform(0, 0.05))
        inside += any(run.glob(".tmp-*")) if run.exists() else 0
        victim = dice.randint(0, 1)
        several[victim].send(signal.SIGKILL)
        codes = several.wait(30)
        assert codes[victim] == -signal.SIGKILL and codes[1 - victim] == 1, several.said()
        assert "cannot go on: another one has ended" in several[1 - victim].said()
        assert "Traceback" not in several.said()
        assert newest(run) >= reached
        reached = newest(run)
    record_property("kills beside a save", inside)
    for out in ("run", "undisturbed"):
        several = train(2, *words, "--out", out, "--resume", "auto")
        assert several.wait() == [0, 0], several.said()
    assert_same(run, tmp_path / "undisturbed")


@pytest.mark.parametrize("kills", [1, pytest.param(20, marks=pytest.mark.slow)])
def test_torchrun_starts_them_again(tmp_path, train, kills):
    """A worker a launch is killed by its number; torchrun restarts all of them, with the same words."""
    (tmp_path / "book.txt").write_bytes(TEXT)
    dice, run = random.Random(kills), tmp_path / "run"
    launch = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    words = [*launch, "--max-restarts", str(kills), "-m", "bbyte", *WORDS, "--out", "run", "--resume", "auto"]
    with (tmp_path / "said").open("w+") as said:
        torchrun = subprocess.Popen(
            [sys.executable, *words], cwd=tmp_path, stdout=said, stderr=said, stdin=subprocess.DEVNULL
        )
        try:
            for number in range(kills):
                wait_for_steps(torchrun, tmp_path / "said", number, dice.randint(1, 110 // kills))
                workers = psutil.Process(torchrun.pid).children()
                assert len(workers) == 2
                dice.choice(workers).kill()
            assert torchrun.wait(120) == 0, (tmp_path / "said").read_text()
        finally:
            torchrun.kill()
    undisturbed = train(2, *WORDS, "--out", "undisturbed")
    assert undisturbed.wait() == [0, 0]
    assert_same(run, tmp_path / "undisturbed")


def wait_for_steps(torchrun, said, starts, steps):
    """Wait until so many steps were told after the run has begun once more than `starts` times."""
    end = time.monotonic() + 120
    while time.monotonic() < end:
        assert torchrun.poll() is None, said.read_text()
        begun = said.read_text().split("parameters, steps ")
        if len(begun) > starts + 1 and len(re.findall(r"^step +\d+/", begun[-1], re.MULTILINE)) >= steps:
            return
        time.sleep(0.001)
    raise AssertionError(said.read_text())
