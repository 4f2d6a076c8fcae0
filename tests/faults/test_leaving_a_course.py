"""A run that goes on from an earlier checkpoint has left what came after it, even if it is killed at once."""

import os
import re

import pytest
from undisturbed import SMALL, TEXT, assert_same, newest

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")


def test_killed_before_its_first_save_it_is_resumed_where_it_went_on(tmp_path, warm):
    (tmp_path / "book.txt").write_bytes(TEXT)
    words, shown, run = [*SMALL, "--steps", "400", "--keep", "0"], tmp_path / "shown", tmp_path / "run"
    words += ["--save-every", "100", "--eval-every", "0"]
    assert warm.run(tmp_path, shown, *words, "--out", "whole") == 0, shown.read_text()
    command = warm.start(tmp_path, tmp_path / "first", *words, "--out", "run")
    command.until(lambda: newest(run) == 300)
    command.kill()
    command = warm.start(tmp_path, tmp_path / "second", *words, "--resume", "run/step-0000100")
    command.until(lambda: re.search(r"^step +120/", command.said(), re.M))
    command.kill()
    assert newest(run) == 100
    assert warm.run(tmp_path, shown, *words, "--out", "run", "--resume", "auto") == 0, shown.read_text()
    assert_same(run, tmp_path / "whole")
