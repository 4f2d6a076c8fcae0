"""bbyte export packed, as it is typed, and every command on what comes out."""

import json

import pytest
from fresh import SMALL, checkpoint

from bbyte.cli import main

TEXT = b"the quick brown fox jumps over the lazy dog. " * 20


@pytest.fixture
def place(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "book.txt").write_bytes(TEXT)
    return tmp_path


def told(capfd, *words):
    assert main([*words, "--json"]) == 0
    return json.loads(capfd.readouterr().out)


@pytest.mark.parametrize("family", SMALL)
def test_either_kind_is_taken_everywhere(place, capfd, family):
    checkpoint(place / "artifacts" / "checkpoints" / "tales", family=family)
    written = told(capfd, "export", "packed")
    assert written["path"] == "artifacts/exports/tales-packed"
    assert written["bytes"] == sum(path.stat().st_size for path in (place / written["path"]).iterdir())
    paths = ["artifacts/checkpoints/tales", written["path"]]
    scores = told(capfd, "eval-bpb", "--data", "book.txt", *paths)["scores"]
    assert scores[0]["bits_per_byte"] == pytest.approx(scores[1]["bits_per_byte"], abs=1e-6)
    texts = []
    for path in paths:
        assert (
            main(["generate", "--ckpt", path, "--prompt", "a", "--max-new-tokens", "20", "--seed", "3"]) == 0
        )
        texts.append(capfd.readouterr().out)
    assert texts[0] == texts[1]
    shown = [told(capfd, "ckpt", "show", path) for path in paths]
    assert shown[0]["parameters"] == shown[1]["parameters"] and shown[1]["kind"] == "packed"
    assert main(["verify", written["path"]]) == 0
    assert main(["ckpt", "diff", *paths]) == 0
    if family == "diffusion":
        assert main(["infill", "--ckpt", written["path"], "--prompt", "a[MASK*3]b"]) == 0


def test_it_is_smaller_and_says_how_small(place, capfd):
    checkpoint(place / "artifacts" / "checkpoints" / "tales")
    assert (
        main(["export", "packed", "artifacts/checkpoints/tales", "--trits-a-byte", "5", "--rest", "fp16"])
        == 0
    )
    shown = capfd.readouterr()
    assert shown.out == "artifacts/exports/tales-packed\n"
    assert "model.safetensors" in shown.err and "kB" in shown.err


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["gone"], "gone does not exist"),
        (["--out", "book.txt"], "book.txt is there already"),
        (["--trits-a-byte", "3"], "trits-a-byte"),
    ],
)
def test_bad_requests_are_one_sentence(place, capfd, words, sentence):
    checkpoint(place / "artifacts" / "checkpoints" / "tales")
    assert main(["export", "packed", *words]) == 2
    assert sentence in capfd.readouterr().err
    assert (place / "book.txt").read_bytes() == TEXT


def test_a_packed_checkpoint_is_not_trained_on(place, capfd):
    words = [
        "train",
        "ar",
        "--data",
        "book.txt",
        "--n-layer",
        "1",
        "--d-model",
        "16",
        "--n-head",
        "2",
        "--d-ff",
        "16",
    ]
    words += ["--seq-len", "16", "--batch-size", "2", "--threads", "1"]
    assert main([*words, "--steps", "4", "--out", "run"]) == 0
    assert main(["export", "packed", "run", "--out", "packed"]) == 0
    assert main([*words, "--steps", "8", "--resume", "packed"]) == 2
    assert "packed is packed and cannot be trained on" in capfd.readouterr().err
    assert main([*words, "--steps", "8", "--extend", "packed"]) == 2
    assert "packed is packed and cannot be trained on" in capfd.readouterr().err
    assert main(["export", "packed", "run", "--out", "run/step-0000004", "--force"]) == 2
    assert "is a checkpoint that can be trained on" in capfd.readouterr().err
    assert main(["export", "packed", "run", "--out", "book.txt", "--force"]) == 2
    assert "book.txt is a file" in capfd.readouterr().err and (place / "book.txt").read_bytes() == TEXT
