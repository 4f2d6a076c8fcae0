"""bbyte play, as it is typed: through a pseudo-terminal, and through a pipe."""

import os
import subprocess
import sys

import pytest
from engine_models import SHAPES, packed
from fresh import checkpoint
from typist import Typist

from bbyte.cli import main
from bbyte.engine import core
from bbyte.sanitize import sanitize_bytes

on_a_terminal = pytest.mark.skipif(sys.platform == "win32", reason="needs a pseudo-terminal")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    root = tmp_path_factory.mktemp("models")
    packed(root / "ternary", SHAPES["grouped"])
    checkpoint(root / "holes", family="diffusion")
    return root


def piped(folder, lines, *words, code=0):
    done = subprocess.run(
        [sys.executable, "-m", "bbyte", "play", *words],
        input=lines,
        capture_output=True,
        cwd=folder,
        timeout=100,
    )
    assert done.returncode == code, done.stderr
    assert b"Traceback" not in done.stderr
    return done.stdout, done.stderr.decode()


def generated(capfdbinary, folder, prompt, n, *words):
    words = ("--prompt", prompt, "--max-new-tokens", str(n), "--no-echo", "-q", *words)
    assert main(["generate", "--ckpt", str(folder / "ternary"), *words]) == 0
    return capfdbinary.readouterr().out


def test_lines_of_a_pipe_are_a_session(folder, tmp_path, capfdbinary):
    story = tmp_path / "story.bin"
    lines = (
        b"/temp 0\n/penalty 1\n/length 30\nOnce\\\nupon\n/hex\n\n/save %b\n/quit\nnever read\n"
        % os.fsencode(story)
    )
    out, said = piped(folder, lines, "ternary", "--top-p", "1")
    text = generated(capfdbinary, folder, "Once\nupon", 60, "--temperature", "0")
    first, second = text[:30], text[30:]
    assert out.startswith(first + b"\n00000000  " + first[:8].hex(" ").encode())
    assert out.endswith(b"\n" + second + b"\n")
    assert story.read_bytes() == b"Once\nupon" + text
    assert "temperature 0.0\n" in said and "69 bytes saved" in said
    assert piped(folder, lines, "ternary", code=2)[1].startswith("computed") or core.library() is None


def test_the_defaults_and_any_bytes(folder, capfdbinary):
    out, _ = piped(folder, b"a\xff\x00\n", "ternary", "--length", "50", "--seed", "3")
    settings = ("--temperature=0.8", "--top-k=50", "--top-p=0.9", "--repetition-penalty=1.1", "--seed=3")
    (folder / "prompt").write_bytes(b"a\xff\x00")
    words = ("--prompt-file", str(folder / "prompt"), "--max-new-tokens", "50", "--no-echo", "-q", *settings)
    assert main(["generate", "--ckpt", str(folder / "ternary"), *words]) == 0
    assert out == capfdbinary.readouterr().out + b"\n"


def test_holes_and_another_model(folder):
    lines = b"/length 5\nab\n/model holes\n/infill a[MASK*4]b\n\n/config\n"
    out, said = piped(folder, lines, "ternary")
    first, filled, second, rest = out[:6], out[6:13], out[13:19], out[19:].decode()
    assert (first[5:], filled[:1], filled[5:], second[5:]) == (b"\n", b"a", b"b\n", b"\n")
    assert "diffusion" in rest and "12 bytes" in rest
    assert "holes" in said
    assert "one of family diffusion is needed" in piped(folder, b"/infill a[MASK]\n", "ternary", code=2)[1]


@pytest.mark.parametrize(
    ("words", "lines", "code", "message"),
    [
        (("nowhere",), b"", 2, "nowhere does not exist"),
        (("ternary", "--json"), b"", 2, "no result to give as JSON"),
        (("ternary", "--length", "0"), b"", 2, "length 0"),
        (("ternary",), b"/nonsense\nnever\n", 2, "there is no command /nonsense"),
        (("ternary",), b"/load missing\nnever\n", 1, "missing"),
    ],
)
def test_what_goes_wrong_in_a_pipe_ends_it_with_a_sentence(folder, words, lines, code, message):
    out, said = piped(folder, lines, *words, code=code)
    assert message in said
    assert b"never" not in out


def play(folder, *words):
    return Typist(["-m", "bbyte", "play", "ternary", *words], folder)


@on_a_terminal
def test_a_conversation(folder, capfdbinary):
    terminal = play(folder, "--repetition-penalty", "1", "--top-p", "1", "--length", "25")
    terminal.type("/tem\t")
    terminal.wait(rb"(?s)m.*?p")  # completed
    terminal.child.send("0\r")
    assert "temperature 0.0" in terminal.type("Once\x1b\rupon\\\ra\r")
    text = generated(capfdbinary, folder, "Once\nupon\na", 50, "--temperature", "0")
    first = terminal.prompt()
    assert sanitize_bytes(text[:25]) in first
    assert "36 bytes  " in first and " bytes/s" in first
    terminal.child.send("\r")
    assert sanitize_bytes(text[25:]) in terminal.prompt()
    terminal.child.send("/nonsense\r")
    assert "error: there is no command /nonsense" in terminal.prompt()
    terminal.child.send("\x1b[A\x1b[A\x1b[A\r")  # up to what was typed before: an empty line is not kept
    assert "temp 0 " in terminal.prompt()
    terminal.child.send("/quit\r")
    assert "Traceback" not in terminal.end()


@on_a_terminal
def test_ctrl_c_stops_the_text_and_ctrl_d_the_program(folder):
    terminal = play(folder, "--length", "100000000", "--temperature", "0")
    terminal.type("go\r")
    terminal.child.read(5000)  # far more than the line that was typed
    terminal.child.sendintr()
    assert "bytes/s" in terminal.prompt()
    terminal.child.send("half a line\x03")
    assert "/quit or Ctrl-D leaves" in terminal.prompt()
    terminal.child.send("/length 10\r")
    terminal.type("\r")
    terminal.prompt()
    terminal.child.send("\x04")
    assert "Traceback" not in terminal.end()


@on_a_terminal
def test_a_file_is_replaced_only_after_a_yes(folder, tmp_path):
    file = tmp_path / "kept"
    file.write_bytes(b"old")
    terminal = play(folder, "--length", "3")
    for answer, left in (("n", b"old"), ("\x03", b"old"), ("y", b"")):
        terminal.type(f"/save {file}\r")
        terminal.wait(rb"exists\. Replace it\? \(y/n\)")
        terminal.child.send(answer)
        terminal.wait(rb"left as it was|bytes saved in")
        assert file.read_bytes() == left
    terminal.type("\x04")
    terminal.end()
