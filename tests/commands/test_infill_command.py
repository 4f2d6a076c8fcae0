"""bbyte infill, as it is typed."""

import json
import subprocess
import sys

import pytest
from fresh import SMALL, checkpoint
from real_terminal import seen_on_terminal

from bbyte.cli import main
from bbyte.models.families import families

FILLS = [name for name in SMALL if families()[name].infiller is not None]


@pytest.fixture(params=FILLS)
def place(tmp_path, monkeypatch, request):
    monkeypatch.chdir(tmp_path)
    checkpoint(tmp_path / "artifacts" / "checkpoints" / "first", family=request.param)
    return tmp_path


def filled(capfdbinary, *words):
    assert main(["infill", *words]) == 0
    return capfdbinary.readouterr().out


def test_a_prompt_with_holes_goes_raw_into_a_pipe(place, capfdbinary):
    text = filled(capfdbinary, "--prompt", r"Once [MASK*6] a \[MASK][MASK]")
    assert text.startswith(b"Once ")
    assert text[11:].startswith(b" a [MASK]")
    assert len(text) == 21


def test_the_seed_decides(place, capfdbinary):
    words = ["--prompt", "a[MASK*12]b"]
    first = filled(capfdbinary, *words)
    assert filled(capfdbinary, *words) == first
    assert filled(capfdbinary, *words, "--seed", "1") != first


def test_a_prompt_without_holes_gets_some_and_that_is_said(place, capfdbinary):
    assert main(["infill", "--prompt", "x" * 20]) == 0
    shown = capfdbinary.readouterr()
    assert b"no hole, so --random-rate 0.15 is taken: 3 of 20 bytes are hidden" in shown.err
    assert len(shown.out) == 20
    assert shown.out.count(b"x") >= 17
    assert main(["infill", "--prompt", "x" * 20, "--random-rate", "0.5"]) == 0
    assert b"10 of 20 bytes are hidden, at random" in capfdbinary.readouterr().err


def test_ranges_of_a_file_longer_than_the_context(place, capfdbinary):
    data = bytes(range(256)) + b"[MASK]"
    (place / "any.bin").write_bytes(data)
    words = ["--file", "any.bin", "--mask-range", "100:104", "--mask_range", "-9:-6"]
    text = filled(capfdbinary, *words)
    assert len(text) == len(data)
    assert text[:100] + text[104:253] + text[256:] == data[:100] + data[104:253] + data[256:]
    assert json.loads(filled(capfdbinary, *words, "--json"))["holes"] == [[100, 104], [253, 256]]


def test_a_range_that_cuts_a_character_is_named(place, capfdbinary):
    (place / "text.txt").write_text("one café more", encoding="utf-8")
    assert main(["infill", "--file", "text.txt", "--mask-range", "8:10"]) == 0
    said = capfdbinary.readouterr().err.decode()
    assert "the range 8:10 cuts é (bytes 7:9); 7:10 would not; holes are counted in bytes" in said


def test_the_prompt_from_stdin(place):
    command = [sys.executable, "-m", "bbyte", "infill", "--prompt", "-"]
    done = subprocess.run(command, input=b"\xff\x00[MASK*2]\xfe", capture_output=True, check=True)
    assert done.stdout[:2] + done.stdout[4:] == b"\xff\x00\xfe"
    assert len(done.stdout) == 5


def test_several_samples(place, capfdbinary):
    text = filled(capfdbinary, "--prompt", "a[MASK*8]b", "--num-samples", "3", "--temperature", "1")
    found = json.loads(
        filled(capfdbinary, "--prompt", "a[MASK*8]b", "--num-samples", "3", "--temperature", "1.0", "--json")
    )
    samples = [bytes(sample["bytes"]) for sample in found["samples"]]
    assert text == b"".join(sample + b"\n" for sample in samples)
    assert len(set(samples)) == 3
    assert found["metrics"]["bytes"] == 24
    assert found["metrics"]["passes"] == 8
    bits = sum(sample["bits"] for sample in found["samples"])
    assert found["metrics"]["bits_per_hole_byte"] == pytest.approx(bits / 24)


def test_metrics(place, capfdbinary):
    words = ["--prompt", "a[MASK*8]b", "--steps", "2", "--metrics", "--metrics-json", "figures.json"]
    assert main(["infill", *words]) == 0
    shown = capfdbinary.readouterr()
    assert b"8 bytes filled in" in shown.err
    assert b"2 passes of the model" in shown.err
    assert b"bits per hole byte" in shown.err
    assert len(shown.out) == 10
    figures = json.loads((place / "figures.json").read_text())
    assert figures["bytes"] == 8
    assert 0 < figures["bits_per_hole_byte"] < 30


@pytest.mark.parametrize("order", ["confidence", "random", "left"])
def test_every_order_with_everything_else(place, capfdbinary, order):
    words = [
        "--order",
        order,
        "--remask",
        "--utf8",
        "valid",
        "--top-p",
        "0.9",
        "--steps",
        "5",
        "--keep-length",
    ]
    text = filled(capfdbinary, "--prompt", "é[MASK*9]…", *words)
    assert text.startswith("é".encode())
    assert text.endswith("…".encode())
    assert len(text.decode().encode()) == 14


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ([], b"there is no text to fill"),
        (["--prompt", ""], b"there is no text to fill: it is empty"),
        (["--prompt", "a", "--file", "b"], b"a text is given twice"),
        (["--prompt", "a[MASK*0]"], b"[MASK*0] is no hole"),
        (["--prompt", "a[MASK*x]"], b"[MASK*x] is no hole"),
        (["--prompt", "a[MASK]", "--mask-range", "0:1"], b"the holes are given twice"),
        (["--prompt", "abc", "--mask-range", "0:1", "--random-rate", "0.5"], b"the holes are given twice"),
        (["--prompt", "abc", "--mask-range", "2:9"], b"the range 2:9 lies outside the text"),
        (["--prompt", "abc", "--mask-range", "2:1"], b"did you mean 1:2?"),
        (["--prompt", "abc", "--mask-range", "0:2", "--mask-range", "1:3"], b"overlaps"),
        (["--prompt", "abc", "--random-rate", "0"], b"random_rate 0.0"),
        (["--prompt", "a[MASK*4]", "--max-length", "4"], b"5 bytes, its holes included"),
        (["--prompt", "a" * 40 + "[MASK*40]"], b"does not fit in the model's window of 32 bytes"),
        (["--prompt", "a[MASK]", "--steps", "0"], b"steps 0 is not at least 1"),
        (["--prompt", "a[MASK]", "--order", "right"], b"--order"),
        (["--prompt", "a[MASK]", "--num-samples", "0"], b"--num-samples"),
        (["--prompt", b"\xff[MASK]", "--utf8", "valid"], b"no filling of the holes is valid UTF-8"),
        (["--ckpt", "nowhere", "--prompt", "[MASK]"], b"nowhere does not exist"),
    ],
)
def test_bad_requests_are_one_sentence(place, capfdbinary, words, message):
    words = [word if isinstance(word, str) else word.decode("utf-8", "surrogateescape") for word in words]
    assert main(["infill", *words]) == 2
    shown = capfdbinary.readouterr()
    assert message in shown.err
    assert b"Traceback" not in shown.err
    assert shown.out == b""


def test_a_missing_file(place, capfdbinary):
    assert main(["infill", "--file", "missing.txt"]) == 1
    assert b"missing.txt" in capfdbinary.readouterr().err


@pytest.mark.parametrize("family", [name for name in SMALL if name not in FILLS])
def test_families_that_fill_no_holes_say_which_does(tmp_path, monkeypatch, capfdbinary, family):
    monkeypatch.chdir(tmp_path)
    checkpoint(tmp_path / "artifacts" / "checkpoints" / "first", family=family)
    assert main(["infill", "--prompt", "a[MASK]b"]) == 2
    said = capfdbinary.readouterr().err.decode()
    assert f"is of family {family}, which reads" in said
    assert "hint: train one with `bbyte train diffusion`" in said


def test_show_in_a_pipe_draws_nothing(place, capfdbinary):
    assert main(["infill", "--prompt", "ab[MASK*4]c", "--show"]) == 0
    shown = capfdbinary.readouterr()
    assert len(shown.out) == 7
    assert b"\x1b" not in shown.err
    assert b"--show draws where a person watches" in shown.err


def test_show_on_a_terminal_draws_the_holes_and_leaves_the_text(place):
    words = ["infill", "--prompt", "once [MASK*3] more", "--show", "--temperature", "0"]
    seen = seen_on_terminal(f"from bbyte.cli import main; main({words!r})")
    assert "█" in seen
    assert "3 of 3 bytes" in seen
    assert seen.endswith(" more\n")
