"""SIGINT, SIGTERM, SIGUSR1 in `bbyte train`: the first ends the step and saves, the second leaves at once."""

import os
import random
import re
import signal
import time

import pytest
from undisturbed import SMALL, TEXT, assert_same, newest

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")

INTERRUPTED = 75
SIGNALS = [getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGUSR1") if hasattr(signal, name)]
WORDS = [*SMALL, "--steps", "80", "--save-every", "10", "--eval-every", "7", "--keep", "0"]
LONG_STEPS = ["--batch-size", "2048", "--seq-len", "64", "--steps", "100", "--save-every", "1"]


@pytest.fixture
def train(warm, tmp_path):
    """Start `bbyte train`; it is killed when the test has ended."""
    (tmp_path / "book.txt").write_bytes(TEXT)
    started = []

    def start(*words, out="run"):
        shown = tmp_path / f"shown-{len(started)}"
        started.append(warm.start(tmp_path, shown, *words, "--out", out, "--resume", "auto"))
        return started[-1]

    yield start
    for command in started:
        command.kill()


def finish(train, run, *words):
    """Resume a run to its end; it is the same as an undisturbed one."""
    for out in ("run", "whole"):
        command = train(*WORDS, *words, out=out)
        assert command.wait() == 0, command.said()
    extra = {path.name for path in run.glob("step-*")} - {
        path.name for path in run.with_name("whole").iterdir()
    }
    for name in extra:  # those that the signals asked for
        for path in (run / name).iterdir():
            path.unlink()
        (run / name).rmdir()
    assert_same(run, run.with_name("whole"))


@pytest.mark.parametrize("number", SIGNALS)
def test_the_first_signal_saves_and_the_run_is_resumed_bit_for_bit(tmp_path, train, number):
    command = train(*WORDS)
    assert command.until(lambda: " 35/" in command.said())
    command.send(number)
    assert command.wait() == INTERRUPTED, command.said()
    reached = newest(tmp_path / "run")
    assert reached >= 35
    assert re.search(rf"{number.name} at step {reached}\b.*saved", command.said())
    assert "--resume run goes on" in command.said()
    assert "Traceback" not in command.said()
    finish(train, tmp_path / "run")


@pytest.mark.parametrize(
    "number", [SIGNALS[0], *(pytest.param(n, marks=pytest.mark.slow) for n in SIGNALS[1:])]
)
def test_the_second_signal_leaves_at_once(tmp_path, train, number):
    command = train(*WORDS, *LONG_STEPS)
    assert command.until(lambda: newest(tmp_path / "run") >= 1)
    command.send(number)
    assert command.until(lambda: "once more leaves at once" in command.said())
    command.send(number)
    assert command.wait() == 128 + number, command.said()
    assert "Traceback" not in command.said()
    assert newest(tmp_path / "run") >= 1
    again = train(*WORDS, *LONG_STEPS)
    assert again.until(lambda: newest(tmp_path / "run") >= 4)


def test_two_signals_inside_a_save_leave_the_checkpoint_before(tmp_path, train):
    run = tmp_path / "run"
    for _ in range(10):
        reached = newest(run)
        command = train(*WORDS, "--save-every", "1", "--steps", "100000")
        assert command.until(lambda reached=reached: newest(run) > reached)
        while command.until(lambda: any(run.glob(".tmp-step-*"))):
            command.send(signal.SIGSTOP)
            if any(run.glob(".tmp-step-*")):
                break
            command.send(signal.SIGCONT)
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGCONT):
            command.send(number)
        assert command.wait() in (128 + signal.SIGINT, 128 + signal.SIGTERM), command.said()
        assert "Traceback" not in command.said()
        assert newest(run) > reached


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(3))
def test_signals_at_random_moments(tmp_path, train, record_property, seed):
    dice, run = random.Random(seed), tmp_path / "run"
    ends = []
    for _ in range(20):
        reached, number = newest(run), dice.choice(SIGNALS)
        command = train(*WORDS, "--steps", "300")
        end = f" {reached + dice.randint(1, 6)}/"
        command.until(lambda command=command, end=end: end in command.said(), dice.uniform(0, 2))
        time.sleep(dice.uniform(0, 0.01))
        command.send(number)
        ends.append(command.wait())
        before_training = (128 + number, -number)  # there is nothing to save yet
        assert ends[-1] in (INTERRUPTED, *before_training), command.said()
        assert newest(run) >= reached
    record_property("signals answered with a checkpoint", ends.count(INTERRUPTED))
    assert ends.count(INTERRUPTED) >= 5
    finish(train, run, "--steps", "300")
