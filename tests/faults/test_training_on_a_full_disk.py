"""`bbyte train` where the disk fills up: told, tried again, given up after three times; nothing is lost."""

import os
from contextlib import contextmanager

import pytest
from small_disk import fill, read_only, small_disk
from undisturbed import SMALL, TEXT, assert_same, newest

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")

WORDS = [*SMALL, "--data", "../book.txt", "--save-every", "20", "--eval-every", "7", "--keep", "2"]


@pytest.fixture
def disk(tmp_path):
    (tmp_path / "book.txt").write_bytes(TEXT)
    with small_disk(tmp_path / "disk", 600) as disk:
        yield disk


def not_saved(command):
    return command.said().count("not saved in run: ")


@contextmanager
def full(run):
    ballast = fill(run.parent, 0)
    yield
    ballast.unlink()


@pytest.mark.parametrize(
    ("trouble", "said"),
    [
        (full, "No space left on device"),
        pytest.param(read_only, "Read-only file system", marks=pytest.mark.slow),
    ],
)
def test_after_three_failures_the_run_ends_and_can_be_resumed(tmp_path, warm, disk, trouble, said):
    words, run = [*WORDS, "--steps", "300", "--resume", "auto"], disk / "run"
    command = warm.start(disk, tmp_path / "shown", *words, "--out", "run")
    assert command.until(lambda: newest(run) >= 20), command.said()
    with trouble(run):
        assert command.wait() == 1, command.said()
    assert not_saved(command) == 3, command.said()
    assert command.said().count(f"{said}; trying again at the next interval") == 2
    assert f"{said}, 3 times in a row" in command.said()
    assert "Traceback" not in command.said()
    assert newest(run) >= 20
    assert not list(run.glob(".tmp-*"))
    for out in ("run", "whole"):
        command = warm.start(disk, tmp_path / f"shown-{out}", *words, "--out", out)
        assert command.wait() == 0, command.said()
    assert_same(run, disk / "whole")


def test_where_room_is_made_in_time_the_run_goes_on_as_if_nothing_had_been(tmp_path, warm, disk):
    words, run = [*WORDS, "--steps", "300", "--out"], disk / "run"
    command = warm.start(disk, tmp_path / "shown", *words, "run")
    assert command.until(lambda: newest(run) >= 20), command.said()
    with full(run):
        assert command.until(lambda: not_saved(command)), command.said()
    assert command.wait() == 0, command.said()
    assert 1 <= not_saved(command) <= 2
    assert warm.run(disk, tmp_path / "shown-whole", *words, "whole") == 0
    assert_same(run, disk / "whole")
