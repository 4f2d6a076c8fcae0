"""bbyte plot run, as it is typed."""

import json
import re
import sys

import pytest
from real_terminal import seen_on_terminal
from written_run import bpb, row, validation, write

from bbyte.cli import main


def higher(step):
    yield row(step, 400, bpb=bpb(step) + 1)
    if step % 50 == 0:
        yield validation(step, val_bpb=bpb(step) + 1.1)


@pytest.fixture
def place(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    root = tmp_path / "artifacts" / "checkpoints"
    write(root / "20250101-120000-tales")
    log = [entry for step in range(10, 251, 10) for entry in higher(step)]
    write(root / "20250102-120000-poems", steps=400, done=250, log=log)
    return tmp_path


def said(capfd, *words, code=0):
    assert main(["plot", "run", *words]) == code
    return capfd.readouterr()


def test_in_a_pipe_a_picture_is_made(place, capfd):
    pytest.importorskip("matplotlib")
    shown = said(capfd, "tales", "poems")
    assert shown.out == "" and shown.err == "drawn artifacts/plots/tales-poems-steps.png\n"
    assert (place / "artifacts/plots/tales-poems-steps.png").read_bytes().startswith(b"\x89PNG")


def test_a_picture_where_it_is_wanted(place, capfd):
    pytest.importorskip("matplotlib")
    said(capfd, "tales", "--out", "deep/er/x.svg", "--x", "seconds")
    text = (place / "deep/er/x.svg").read_text("utf-8")
    assert "seconds of training" in text and "tales" in text


def test_in_text(place, capfd):
    out = said(capfd, "tales", "poems", "--terminal").out
    lines = out.splitlines()
    assert lines[0].startswith("bits per byte over steps")
    assert f"tales  {bpb(200) + 0.1:.3f} at best" in lines[1] and "poems" in lines[2]
    assert out.count("◆") == 1 + 4 and out.count("●") == 1 + 5
    assert max(map(len, lines)) <= 80
    assert not (place / "artifacts/plots").exists()


def test_the_line_falls_and_ends_where_the_run_did(place, capfd):
    rows = said(capfd, "poems", "--terminal", "--x", "bytes").out.splitlines()[2:-1]
    marks = [(row.index("◆"), n) for n, row in enumerate(rows) if "◆" in row]
    assert [n for _, n in sorted(marks)] == sorted(n for _, n in marks)
    assert max(column for column, _ in marks) == 79


def test_as_json(place, capfd):
    found = json.loads(said(capfd, "tales", "--json", "--x", "bytes").out)
    assert found["x"] == "bytes" and found["file"] is None
    assert found["runs"][0]["validation"][-1] == [200_000, bpb(200) + 0.1]


def test_on_a_terminal_it_is_drawn_there(place):
    seen = seen_on_terminal(
        "from bbyte.cli import main; main(['plot', 'run', 'tales', 'poems'])", {"NO_COLOR": "1"}
    )
    assert "◆" in seen and "●" in seen
    assert max(map(len, re.sub(r"\x1b\[[\d;]*m", "", seen).splitlines())) <= 80
    assert not (place / "artifacts/plots").exists()


def test_a_run_named_twice_is_drawn_once(place, capfd):
    assert said(capfd, "tales", "0101", "--terminal").out.count("at best") == 1


@pytest.mark.parametrize(
    ("words", "message", "code"),
    [
        (["nothing"], "no run called", 2), (["tales", "--out", "x.pdf"], ".png or .svg", 2),
        (["tales", "--x", "hours"], "expected one of steps, bytes, seconds", 2),
        (["empty"], "nothing was logged", 1),
    ],
)  # fmt: skip
def test_what_cannot_be_drawn_is_said(place, capfd, words, message, code):
    write(place / "artifacts/checkpoints/empty", log=[], checkpoints=())
    assert message in said(capfd, *words, code=code).err


def test_without_matplotlib_the_extra_is_named(place, capfd, monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    assert "pip install 'bbyte[plot]'" in said(capfd, "tales", code=2).err
    assert "◆" in said(capfd, "tales", "--terminal").out


def test_hostile_runs_are_drawn_without_harm(place, capfd):
    evil = "e\x1b[31m\u202e$\\frac<i>&\x00"[:-1]
    log = [
        row(1, 9, bpb=-1e11),
        row(2, 9, bpb=1e300),
        row(4 * 10**18, 9),
        validation(7, val_bpb=1e11),
        validation(3),
    ]
    write(place / "artifacts/checkpoints" / evil, log=log, checkpoints=())
    out = said(capfd, "frac", "--terminal").out
    assert "\x1b" not in out and "\u202e" not in out
    pytest.importorskip("matplotlib")
    from xml.etree import ElementTree

    said(capfd, "frac", "--out", "x.svg")
    ElementTree.fromstring((place / "x.svg").read_text("utf-8"))  # noqa: S314 - our own
    said(capfd, "frac")
    (drawn,) = (place / "artifacts/plots").iterdir()
    assert drawn.name.isascii() and drawn.name.isprintable()
