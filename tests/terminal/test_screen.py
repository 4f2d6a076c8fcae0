"""Product on stdout, talk on stderr, JSON for programs, raw bytes to pipes and safe ones to terminals."""

import json
import os
import re
import subprocess
import sys
import time
from pathlib import Path

import pytest
from real_terminal import seen_on_terminal

from bbyte.terminal.screen import Screen

HOSTILE = b"ok\n\x1b]0;owned\x07\x1b[2J\x9b31m\xff\xe2\x80\xaeend\n"


def in_process(code: str, *, environment: dict[str, str] | None = None) -> subprocess.CompletedProcess[bytes]:
    head = "from bbyte.terminal.screen import Screen\n"
    return subprocess.run(
        [sys.executable, "-c", head + code],
        capture_output=True,
        env={**os.environ, **(environment or {})},
        check=True,
    )


def on_a_terminal(code: str, environment: dict[str, str] | None = None) -> str:
    return seen_on_terminal("from bbyte.terminal.screen import Screen\n" + code, environment)


def test_product_and_talk_are_apart(capsys):
    with Screen() as screen:
        screen.print("product")
        screen.say("talk")
        screen.warn("careful")
    captured = capsys.readouterr()
    assert captured.out == "product\n"
    assert captured.err == "talk\nwarning: careful\n"


def test_quiet_keeps_warnings(capsys):
    with Screen(quiet=True) as screen:
        screen.say("talk")
        screen.warn("careful")
    assert capsys.readouterr().err == "warning: careful\n"


def test_talk_is_neither_markup_nor_wrapped(capsys):
    text = "[bold]x[/bold] :smile: " + "long " * 60
    Screen().say(text)
    assert capsys.readouterr().err == text + "\n"


def test_nothing_moves_in_a_pipe(capsys):
    with Screen() as screen, screen.progress("packing", 10) as bar:
        bar.update(5)
        bar.update(10, 10)
    assert not screen.animated
    assert capsys.readouterr().err == ""


def test_json_is_one_safe_line(capsys):
    Screen(json=True).emit_json(
        {"a": float("nan"), "p": Path("x"), "t": "\x1b\x7f\x9b\u202e\n", "l": (1, 2.5)}
    )
    out = capsys.readouterr().out
    assert out.count("\n") == 1
    assert out.isascii()
    assert out.strip().isprintable()
    assert json.loads(out) == {"a": None, "p": "x", "t": "\x1b\x7f\x9b\u202e\n", "l": [1, 2.5]}


def test_a_table_in_a_pipe_is_aligned_text(capsys):
    Screen().table("scores", ["name", "bpb"], [["gzip", "2.66"], ["ternary model", 2.1]])
    assert (
        capsys.readouterr().out == "scores\nname            bpb\ngzip           2.66\nternary model   2.1\n"
    )


def test_a_break_in_a_cell_does_not_add_a_row(capsys):
    rows = [("a\nok  b", "1"), ("c\td\re", "2")]
    for show in (Screen().table, Screen().markdown):
        show("t\nu", ("x\ny", "n"), rows)
        shown = capsys.readouterr().out
        assert [r"t\nu" in shown, r"x\ny" in shown, r"a\nok  b" in shown, r"c\td\re" in shown] == [True] * 4
        assert not any(line.startswith("ok") for line in shown.splitlines())


def test_bytes_go_raw_to_a_pipe():
    done = in_process(f"Screen().write_bytes({HOSTILE!r})")
    assert done.stdout == HOSTILE


def test_and_at_once():
    code = "import time\nfrom bbyte.terminal.screen import Screen\nScreen().write_bytes(b'x'); time.sleep(60)"
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE) as child:
        began = time.monotonic()
        assert child.stdout is not None
        assert child.stdout.read(1) == b"x"
        assert time.monotonic() - began < 30
        child.kill()


@pytest.mark.parametrize("variable", ["GITHUB_ACTIONS", "PY_COLORS"])
def test_colours_never_leak_into_pipes(variable):
    code = "s = Screen(); s.say('a'); s.table('t', ['x'], [[1]]); print(s.animated)"
    done = in_process(code, environment={variable: "true"})
    assert b"\x1b" not in done.stdout + done.stderr
    help_page = subprocess.run(
        [sys.executable, "-m", "bbyte", "--help"],
        capture_output=True,
        env={**os.environ, variable: "true"},
        check=True,
    )
    assert b"\x1b" not in help_page.stdout


def test_hostile_bytes_on_a_terminal():
    code = (
        f"hostile = {HOSTILE!r}\n"
        "with Screen() as s:\n"
        "    s.write_bytes(hostile[:9]); s.write_bytes(hostile[9:]); s.write_bytes(b'\\xe2\\x82')\n"
        "    text = hostile.decode('utf-8', 'surrogateescape')\n"
        "    s.print(text); s.say(text); s.warn(text); s.emit_json([text]); s.table(text, [text], [[text]])\n"
        "    with s.progress(text, 3) as bar: bar.update(1)\n"
    )
    seen = on_a_terminal(code, {"NO_COLOR": "1"})
    assert "owned" in seen
    assert "\\u{202e}" in seen
    assert "\ufffd" in seen
    # What is left are Rich's own: move, erase a line, show and hide the cursor, and (without colour) bold.
    rest = re.sub(r"\x1b\[(?:[0-9;]*[AGKm]|\?25[lh])|[\r\n\t]", "", seen)
    assert not [character for character in rest if not character.isprintable()]


def test_a_million_hostile_bytes_on_a_terminal():
    code = (
        "import random\n"
        "with Screen() as s:\n"
        "    r = random.Random(1)\n"
        "    for _ in range(100): s.write_bytes(r.randbytes(10000))\n"
    )
    seen = on_a_terminal(code)
    assert len(seen) > 500_000
    assert not set(seen) & set(map(chr, [*range(9), *range(11, 32), *range(0x7F, 0xA0)])) - {"\r"}


def test_a_bar_is_drawn_on_a_terminal():
    code = (
        "import time\n"
        "with Screen() as s, s.progress('packing', 1000) as bar:\n"
        "    for done in range(0, 1001, 100): bar.update(done); time.sleep(0.02)\n"
    )
    seen = on_a_terminal(code)
    assert "packing" in seen
    assert "━" in seen
    assert "B/s" in seen


@pytest.mark.parametrize("quieted", ["CI=1", "TERM=dumb"])
def test_nothing_moves_where_nobody_watches(quieted):
    key, value = quieted.split("=")
    seen = on_a_terminal("s = Screen(); print(s.animated)", {key: value})
    assert seen.strip() == "False"
    assert on_a_terminal("print(Screen().animated, Screen(quiet=True).animated)").strip() == "True False"
