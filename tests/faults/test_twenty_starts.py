"""Twenty processes that want to train in one folder at once: one does, the others say which, and leave."""

import os
import platform
import re
import signal

import pytest
from undisturbed import SMALL, TEXT, newest

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")

WORDS = [
    *SMALL,
    "--out",
    "run",
    "--steps",
    "100000",
    "--save-every",
    "50",
    "--eval-every",
    "0",
    "--warmup-steps",
    "3",
]


@pytest.fixture
def starts(warm, tmp_path):
    (tmp_path / "book.txt").write_bytes(TEXT)
    started = []

    def start(number, *words):
        """Start commands, which all begin at the same moment."""
        for _ in range(number):
            started.append(warm.start(tmp_path, tmp_path / f"shown-{len(started)}", *WORDS, *words))
            started[-1].send(signal.SIGSTOP)
        for command in started[-number:]:
            command.send(signal.SIGCONT)
        return started[-number:]

    yield start
    for command in started:
        command.kill()


def check_one_trains(commands):
    """One of the commands trains; each of the others left with 1, naming that one's process and host."""
    for command in commands:
        command.until(lambda command=command: re.search(r"^step +[\d,]+/", command.said(), re.M))
    running = [command for command in commands if command.poll() is None]
    assert len(running) == 1, [(command.poll(), command.said()) for command in commands]
    for command in commands:
        if command is not running[0]:
            assert command.poll() == 1, command.said()
            said = re.search(r"error: another process is training in run \((.*)\)\nhint: ", command.said())
            assert said, command.said()
            assert said[1] == f"process {running[0].process} on {platform.node()}"
    return running[0]


@pytest.mark.parametrize(
    "words",
    [
        pytest.param([], id="anew"),
        pytest.param(["--resume", "auto"], id="resume", marks=pytest.mark.slow),
        pytest.param(["--allow-overwrite"], id="overwrite", marks=pytest.mark.slow),
    ],
)
def test_of_twenty_starts_in_one_folder_one_trains(tmp_path, starts, words):
    trains = check_one_trains(starts(20, *words))
    trains.until(lambda: newest(tmp_path / "run"))
    trains.kill()
    reached = newest(tmp_path / "run")
    assert reached >= 50
    resumes = check_one_trains(starts(20, "--resume", "auto"))  # what a killed one left keeps nobody out
    resumes.until(lambda: newest(tmp_path / "run") > reached)
    resumes.kill()
    assert newest(tmp_path / "run") > reached
