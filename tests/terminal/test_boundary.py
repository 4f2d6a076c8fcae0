"""Every failure ends in a sentence, a hint and an exit code; only a bug shows a traceback."""

import errno
import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from bbyte.errors import BbyteError, DataError, InterruptedRunError, OutOfMemoryError, UsageError
from bbyte.terminal.boundary import run
from bbyte.terminal.flags import new_group, register


def outcome(capsys, raised: BaseException, *words: str):
    def fail() -> None:
        raise raised

    app = new_group("")
    register(app, "fail", fail, panel="Work")
    register(app, "other", fail, panel="Work")
    code = run(app, "prog", ["fail", *words])
    captured = capsys.readouterr()
    return code, captured.out, captured.err


@pytest.mark.parametrize(
    ("kind", "code"),
    [(BbyteError, 1), (UsageError, 2), (DataError, 3), (OutOfMemoryError, 4), (InterruptedRunError, 75)],
)
def test_our_errors(capsys, kind, code):
    label = "stopped" if kind is InterruptedRunError else "error"
    assert outcome(capsys, kind("it is so", "do that")) == (code, "", f"{label}: it is so\nhint: do that\n")
    assert outcome(capsys, kind("it is so")) == (code, "", f"{label}: it is so\n")


def test_many_problems_are_many_lines(capsys):
    _, _, err = outcome(capsys, UsageError("a is wrong\nb is wrong", "try c\ntry d"))
    assert err == "error: a is wrong\nerror: b is wrong\nhint: try c\nhint: try d\n"


def test_hostile_names_in_messages_are_shown_not_obeyed(capsys):
    assert outcome(capsys, DataError("\x1b]0;x\x07 is damaged"))[2] == "error: ␛]0;x␇ is damaged\n"


def test_json_errors_are_also_a_document(capsys):
    code, out, err = outcome(capsys, DataError("it is so", "do that"), "--json")
    assert json.loads(out) == {"error": "it is so", "hint": "do that", "exit_code": 3}
    assert (code, err) == (3, "error: it is so\nhint: do that\n")


@pytest.mark.parametrize(
    ("raised", "code", "sentence"),
    [
        (PermissionError(errno.EACCES, "Permission denied", "a/b"), 1, "error: a/b: Permission denied\n"),
        (
            OSError(errno.ENOSPC, "No space left on device", "a"),
            1,
            "error: a: No space left on device\nhint: free",
        ),
        (OSError(errno.EIO, "Input/output error"), 1, "error: Input/output error\n"),
        (MemoryError(), 4, "error: there is not enough memory"),
        (KeyboardInterrupt(), 130, "interrupted\n"),
        (SystemExit(143), 143, ""),
        (BrokenPipeError(), 141, ""),
    ],
)
def test_other_failures_that_are_foreseen(capsys, monkeypatch, raised, code, sentence):
    monkeypatch.setattr("bbyte.terminal.boundary._stop_writing", lambda: None)
    given, _, err = outcome(capsys, raised)
    assert given == code
    assert err.startswith(sentence)
    assert "Traceback" not in err


def test_a_bug_keeps_its_plain_traceback(capsys):
    code, _, err = outcome(capsys, KeyError("x"))
    assert code == 1
    assert err.startswith("Traceback (most recent call last):")
    assert err.endswith(
        "error: bbyte made a mistake: KeyError\nhint: please report it with the lines above\n"
    )
    assert "╭" not in err


CHATTY = """
import sys, time
from bbyte.terminal.boundary import run
from bbyte.terminal.flags import new_group, register
from bbyte.terminal.screen import Screen
def talk(screen: Screen) -> None:
    "Talk on."
    try:
        while True:
            screen.print("x" * 1000)
            time.sleep(0.001)
    finally:
        print("cleaned up", file=sys.stderr)
app = new_group("")
register(app, "talk", talk, panel="Work")
register(app, "other", talk, panel="Work")
sys.exit(run(app, "prog", ["talk"]))
"""


@pytest.mark.skipif(os.name == "nt", reason="POSIX pipes and signals")
def test_a_reader_that_leaves_ends_it_quietly():
    with subprocess.Popen(
        [sys.executable, "-c", CHATTY], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as child:
        assert child.stdout is not None
        assert child.stderr is not None
        child.stdout.readline()
        child.stdout.close()
        assert child.stderr.read() == "cleaned up\n"
        assert child.wait() == 141


@pytest.mark.skipif(os.name == "nt", reason="POSIX pipes and signals")
@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_signals_unwind_the_stack(number, code):
    with subprocess.Popen(
        [sys.executable, "-c", CHATTY], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as child:
        assert child.stdout is not None
        assert child.stderr is not None
        child.stdout.readline()
        child.send_signal(number)
        child.stdout.read()
        assert "cleaned up\n" in child.stderr.read()
        assert child.wait() == code


@pytest.mark.skipif(os.name == "nt", reason="POSIX shell")
@pytest.mark.parametrize(
    ("tail", "code", "words"),
    [
        (">&-", 0, ""),
        (">&- 2>&-", 0, ""),
        (">/dev/full", 1, "error: No space left on device\nhint: free some space and try again\n"),
        ("| head -c 1 >/dev/null", 0, ""),
    ],
)
def test_streams_that_are_closed_or_full(tail, code, words):
    if "full" in tail and not Path("/dev/full").exists():
        pytest.skip("no /dev/full here")
    line = f"'{sys.executable}' -m bbyte --help {tail}"
    done = subprocess.run(["sh", "-c", line], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (code, words)


def test_a_narrow_encoding_shows_escapes():
    program = CHATTY.split("def talk")[0] + (
        "def talk(screen: Screen) -> None:\n    screen.print('1024\\u00b3 \\u2713')\n"
        "app = new_group('')\n"
        "register(app, 'talk', talk, panel='Work')\n"
        "register(app, 'other', talk, panel='Work')\n"
        "sys.exit(run(app, 'prog', ['talk']))"
    )
    environment = {**os.environ, "PYTHONIOENCODING": "ascii"}
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, env=environment, check=True)
    assert done.stdout.split() == [b"1024\\xb3", b"\\u2713"]
