"""A run on a terminal, in a pipe and as JSON; the picture fits, the curve follows the run."""

import io
import json
import re
from itertools import takewhile
from pathlib import Path

import pytest
from made_up_run import events
from real_terminal import seen_on_terminal
from rich.console import Console

from bbyte.terminal.curve import curve
from bbyte.terminal.history import History
from bbyte.terminal.picture import render, svg
from bbyte.terminal.screen import Screen
from bbyte.terminal.training import show
from bbyte.training.events import Finished, Stepped


def history_until(step: int, **kind) -> History:
    history = History()
    for event in takewhile(
        lambda event: not isinstance(event, Stepped) or event.step <= step, events(**kind)
    ):
        history.take(event)
    return history


def drawn(history: History, width: int, height: int) -> list[str]:
    console = Console(file=io.StringIO(), width=width, height=height, force_terminal=True, no_color=True)
    with console.capture() as capture:
        console.print(render(history, width, height))
    return re.sub(r"\x1b\[[0-9;]*m", "", capture.get()).splitlines()


def test_plain_lines_follow_log_every(capsys):
    finished = show(events(steps=500, ternary_from=200), Screen(), log_every=100)
    assert isinstance(finished, Finished)
    captured = capsys.readouterr()
    assert captured.out == ""
    lines = captured.err.splitlines()
    assert lines[:2] == [
        "ar 20250101-120000-tiny: 463 k parameters, steps 1 to 500",
        "data: Python's own documentation",
    ]
    steps = [line for line in lines if line.startswith("step") and "train" in line]
    assert [line.split("/")[0] for line in steps] == [f"step {step}" for step in (100, 200, 300, 400, 500)]
    assert steps[0].endswith("full precision")
    assert steps[-1].endswith("ternary")
    assert lines[-2].startswith("done: 500 steps in 1:52, val 2.")
    assert not [line for line in lines if "<=" in line]


def test_a_bound_is_shown_as_one(capsys):
    show(events(steps=250, is_bound=True), Screen(), log_every=1000)
    err = capsys.readouterr().err
    assert err.count("<= ") == 4
    assert "val <= " in "".join(drawn(history_until(400, is_bound=True), 80, 24)).replace("  ", " ").replace(
        "  ", " "
    )


def test_warnings_are_said_even_when_quiet(capsys):
    show(events(steps=20, bad_step=7), Screen(quiet=True))
    assert capsys.readouterr().err == "warning: step 7 was not a number and was skipped ␛[31m\n"


def test_json_lines_hold_every_event(capsys):
    show(events(steps=250, bad_step=7), Screen(json=True), log_every=100)
    rows = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [row["event"] for row in rows[:2]] == ["started", "stepped"]
    assert sum(row["event"] == "stepped" for row in rows) == 250
    assert rows[7]["bpb"] is None
    assert rows[-1]["event"] == "finished"


def test_an_interrupted_run_returns_nothing(capsys):
    assert show(takewhile(lambda event: not isinstance(event, Finished), events(steps=20)), Screen()) is None


@pytest.mark.parametrize("step", [0, 1, 2, 3, 40, 900, 3000])
@pytest.mark.parametrize("size", [(80, 24), (60, 18), (100, 40), (50, 10), (40, 8)])
def test_the_picture_fits(step, size):
    lines = drawn(history_until(step), *size)
    assert len(lines) <= max(size[1], 10)
    assert {len(line) for line in lines} == {size[0]}


def test_the_picture_says_what_matters():
    text = "\n".join(drawn(history_until(2400), 80, 24))
    for part in (
        "bbyte train ar", "20250101-120000-tiny", "463 k", "2,400", "/ 3,000", "80%", "0:22 left",
        "ternary from step 1,200", "window", "64 bytes", "1.83 MB/s", "312 MB", "◆", "┊", "step-0002000",
    ):  # fmt: skip
        assert part.replace(" k", "\N{NO-BREAK SPACE}k") in text or part in text


def test_the_empty_picture_is_drawn_too():
    assert drawn(History(), 80, 24)


def test_memory_does_not_grow_with_the_run():
    history = History()
    for event in events(steps=20_000):
        history.take(event)
    assert len(history.raw) <= 2000
    assert history.raw[0][0] == 1
    assert history.raw[-1][0] > 19_900


def test_a_nan_does_not_wipe_out_the_average():
    assert history_until(100, bad_step=50).train_bpb == pytest.approx(3.8, abs=0.6)


def test_the_curve_falls_from_left_to_right():
    points = [(step, 8.0 - step / 200) for step in range(1000)]
    rows = [line.plain for line in curve(60, 10, points, points, [(500, 5.5)], None)]
    columns = [
        next(place for place, sign in enumerate(row[7:]) if sign not in " \u2800") for row in rows[:10]
    ]
    assert columns == sorted(columns)
    assert "◆" in "".join(rows)
    assert len(rows) == 11


@pytest.mark.parametrize("value", [0.0, 2.0, 1e-9, 1e6])
def test_a_flat_curve_is_drawn(value):
    points = [(step, value) for step in range(5)]
    assert len(curve(60, 8, points, points, [], 2)) == 9


def test_the_picture_exports_as_svg():
    document = svg(history_until(900), "bbyte train ar")
    assert document.startswith("<svg")
    assert "bits" in document
    assert "url(http" not in document
    assert "src:" not in document


LIVE = """
import sys
sys.path.insert(0, {here!r})
from made_up_run import events
from real_terminal import seen_on_terminal
from bbyte.terminal.screen import Screen
from bbyte.terminal.training import show
show(events(bad_step=7), Screen())
"""


def test_the_live_screen_on_a_terminal():
    seen = seen_on_terminal(LIVE.format(here=str(Path(__file__).parent)))
    assert "was skipped ␛[31m" in seen
    assert seen.count("\x1b[?25l") == 1
    assert "\x1b[?25h" in seen
    assert seen.rstrip().endswith("step-0003000")
    assert "100%" in seen
