"""bbyte generate, as it is typed."""

import json
import re
import subprocess
import sys

import pytest
from fresh import SMALL, checkpoint

from bbyte.cli import main


@pytest.fixture(params=SMALL)
def family(request):
    return request.param


@pytest.fixture
def place(tmp_path, monkeypatch, family):
    monkeypatch.chdir(tmp_path)
    checkpoint(tmp_path / "artifacts" / "checkpoints" / "first", family=family)
    return tmp_path


def written(capfdbinary, *words):
    assert main(["generate", *words]) == 0
    return capfdbinary.readouterr().out


def test_the_prompt_and_its_continuation_go_raw_into_a_pipe(place, capfdbinary):
    text = written(capfdbinary, "--prompt", "Once", "--max-new-tokens", "20")
    assert text.startswith(b"Once")
    assert len(text) == 24
    assert written(capfdbinary, "--prompt", "Once", "--max-new-tokens", "20", "--no-echo") == text[4:]


def test_the_seed_decides(place, capfdbinary):
    first = written(capfdbinary, "--max-new-tokens", "30")
    assert written(capfdbinary, "--max-new-tokens", "30") == first
    assert written(capfdbinary, "--max-new-tokens", "30", "--seed", "1") != first


def test_temperature_0_is_greedy(place, capfdbinary):
    greedy = written(capfdbinary, "--prompt", "a", "--max_new_tokens", "30", "--temperature", "0")
    assert (
        written(capfdbinary, "--prompt", "a", "--max-new-tokens", "30", "--top-k", "1", "--seed", "9")
        == greedy
    )


def test_it_runs_on_past_the_context(place, capfdbinary):
    assert len(written(capfdbinary, "--prompt", "x" * 50, "--max-new-tokens", "60")) == 110


def test_the_prompt_from_a_file_and_from_stdin(place):
    (place / "start.bin").write_bytes(b"\xff\x00abc")
    command = [sys.executable, "-m", "bbyte", "generate", "--max-new-tokens", "5"]
    from_file = subprocess.run(
        [*command, "--prompt-file", "start.bin"], capture_output=True, check=True
    ).stdout
    piped = subprocess.run(
        [*command, "--prompt", "-"], input=b"\xff\x00abc", capture_output=True, check=True
    ).stdout
    assert from_file[:5] == b"\xff\x00abc"
    assert len(from_file) == 10
    assert piped == from_file


def test_metrics(place, capfdbinary):
    assert main(["generate", "--max-new-tokens", "12", "--metrics", "--metrics-json", "figures.json"]) == 0
    shown = capfdbinary.readouterr()
    assert b"12 bytes in" in shown.err
    assert b"surprisal" in shown.err
    assert len(shown.out) == 12
    figures = json.loads((place / "figures.json").read_text())
    assert figures["bytes"] == 12
    assert 0 < figures["first_byte_seconds"] <= figures["seconds"]
    assert 0 < figures["entropy"] < 8.001
    assert figures["surprisal"] > 0


def test_json_holds_the_very_bytes(place, capfdbinary):
    text = written(capfdbinary, "--prompt", "ab", "--max-new-tokens", "15")
    found = json.loads(written(capfdbinary, "--prompt", "ab", "--max-new-tokens", "15", "--json"))
    assert [bytes(sample["bytes"]) for sample in found["samples"]] == [text[2:]]
    assert found["prompt"] == "ab"
    assert found["metrics"]["bytes"] == 15


def test_several_samples_stand_one_after_another(place, capfdbinary):
    words = ("--prompt", "ab", "--max-new-tokens", "20", "--seed", "4")
    text = written(capfdbinary, *words, "--num-samples", "3")
    found = json.loads(written(capfdbinary, *words, "--num-samples", "3", "--json"))
    samples = [bytes(sample["bytes"]) for sample in found["samples"]]
    assert text == b"".join(
        b"== sample %d of 3 ==\nab%s\n" % (number, sample) for number, sample in enumerate(samples, 1)
    )
    assert [len(sample) for sample in samples] == [20] * 3
    assert len(set(samples)) == 3
    metrics = found["metrics"]
    assert (metrics["lanes"], metrics["bytes"], metrics["prompt_bytes"]) == (3, 60, 2)
    for name in ("surprisal", "entropy"):
        mean = sum(sample[name] for sample in found["samples"]) / 3
        assert metrics[name] == pytest.approx(mean)


def test_the_text_ends_before_a_stop_string(place, capfdbinary):
    words = (
        "--prompt",
        "ab",
        "--max-new-tokens",
        "40",
        "--temperature",
        "100",
        "--top-k",
        "0",
        "--utf8=valid",
    )
    text = written(capfdbinary, *words)[2:]
    stop = text.decode("utf-8", "replace")[4:6]
    before = text.partition(stop.encode())[0]
    assert written(capfdbinary, *words, "--stop", "no such text", "--stop", stop) == b"ab" + before
    found = json.loads(written(capfdbinary, *words, "--stop", stop, "--json"))
    assert found["metrics"]["bytes"] == len(found["samples"][0]["bytes"]) == len(before)


@pytest.mark.parametrize(
    ("words", "code", "message"),
    [
        (["--stop", ""], 2, b"a stop string is empty"),
        (["--num-samples", "2", "--block-bytes", "4"], 2, b"one text"),
        (["--num-samples", "0"], 2, b"--num-samples"),
        (["--num-samples", "10000000000000"], 4, b"memory"),
        (["--ckpt", "nowhere"], 2, b"nowhere does not exist"),
        (["--prompt", "a", "--prompt-file", "b"], 2, b"a prompt is given twice"),
        (["--prompt-file", "missing.txt"], 1, b"missing.txt"),
        (["--temperature", "-1", "--top-p", "2"], 2, b"top_p 2.0"),
        (["--max-new-tokens", "-1"], 2, b"--max-new-tokens"),
    ],
)
def test_bad_requests_are_one_sentence(place, capfdbinary, words, code, message):
    assert main(["generate", *words]) == code
    shown = capfdbinary.readouterr()
    assert message in shown.err
    assert b"Traceback" not in shown.err
    assert shown.out == b""


def test_without_any_checkpoint_quickstart_is_named(tmp_path, monkeypatch, capfdbinary):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("bbyte.starter.MODEL", tmp_path / "none")
    assert main(["generate"]) == 1
    assert b"bbyte quickstart" in capfdbinary.readouterr().err


@pytest.mark.skipif(sys.platform == "win32", reason="needs a pseudo-terminal")
def test_a_terminal_gets_no_control_characters(place):
    import pexpect

    words = [
        "-m",
        "bbyte",
        "generate",
        "--max-new-tokens",
        "400",
        "--temperature",
        "100",
        "--top-k",
        "0",
        "-q",
    ]
    shown, status = pexpect.run(
        " ".join([sys.executable, *words]), cwd=place, timeout=60, withexitstatus=True, env={"TERM": "xterm"}
    )
    assert status == 0
    assert re.search(rb"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]", shown) is None
    assert shown.decode().endswith("\r\n")
    assert "\ufffd" in shown.decode()


def test_bytes_are_written_together_where_a_model_fills_holes(place, family, capfdbinary):
    words = ("--prompt", "Once", "--max-new-tokens", "20", "--block-bytes", "8")
    if family != "diffusion":
        assert main(["generate", *words]) == 2
        assert b"writes byte by byte" in capfdbinary.readouterr().err
        return
    text = written(capfdbinary, *words)
    assert text.startswith(b"Once") and len(text) == 24
    assert written(capfdbinary, *words) == text
    assert written(capfdbinary, *words, "--seed", "1") != text
    assert len(written(capfdbinary, *words, "--block-steps", "2")) == 24
    for more, said in (("--metrics", b"byte by byte"), ("--min-p=0.1", b"--min-p is not for bytes")):
        assert main(["generate", *words, more]) == 2
        assert said in capfdbinary.readouterr().err
