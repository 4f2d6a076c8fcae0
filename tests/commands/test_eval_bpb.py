"""bbyte eval-bpb, as it is typed."""

import json
import math

import numpy as np
import pytest
import torch
from fresh import checkpoint

from bbyte.checkpoint import store
from bbyte.cli import main
from bbyte.data.corpus import ByteCorpus

TEXT = (b"the quick brown fox jumps over the lazy dog. " * 40)[:1500]


@pytest.fixture
def place(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "book.txt").write_bytes(TEXT)
    return tmp_path


@pytest.fixture
def run(place):
    folder = place / "artifacts" / "checkpoints" / "first"
    checkpoint(folder, step=1)
    checkpoint(folder, step=2)
    return folder


def scored(capfd, *words):
    assert main(["eval-bpb", "--json", *words]) == 0
    return json.loads(capfd.readouterr().out)


def test_the_newest_checkpoint_is_taken_and_said(run, capfd):
    assert main(["eval-bpb", "--data", "book.txt"]) == 0
    shown = capfd.readouterr()
    assert "taking the newest run" in shown.err
    assert "first/step-0000002" in shown.out
    for word in ("1,500 bytes", "context", "32", "16", "fp32", "blake3"):
        assert word in shown.out


def test_the_figure_is_that_of_the_model(run, capfd):
    found = scored(
        capfd, "--data", "book.txt", str(run / "step-0000001"), "--stride", "32", "--batch-size", "3"
    )
    (score,) = found["scores"]
    model = store.load(run / "step-0000001").model
    sequence = torch.frombuffer(bytearray(b"\0" + TEXT), dtype=torch.uint8)
    nats, done = 0.0, 0
    while done < len(TEXT):
        start = min(done, len(TEXT) - 32)
        with torch.inference_mode():
            logp = torch.log_softmax(model(sequence[None, start : start + 32])[0].double(), -1)
        targets = sequence[start + 1 : start + 33].long()
        nats -= float(logp[torch.arange(32), targets][done - start :].sum())
        done = start + 32
    assert score["bits_per_byte"] == pytest.approx(nats / math.log(2) / len(TEXT), abs=1e-6)
    assert score["bytes"] == len(TEXT)
    assert (score["context"], score["stride"], score["is_bound"]) == (32, 32, False)
    assert (found["precision"], found["device"]) == ("fp32", "cpu")


def test_the_digest_is_that_of_the_file(run, capfd):
    from blake3 import blake3

    assert scored(capfd, "--data", "book.txt")["data"]["blake3"] == blake3(TEXT).hexdigest()
    assert scored(capfd, "--data", "book.txt", "--max-bytes", "100")["data"]["bytes"] == 100


def test_every_checkpoint_of_a_run(run, capfd):
    found = scored(capfd, "--data", "book.txt", str(run), "--all-steps")
    assert [score["step"] for score in found["scores"]] == [1, 2]
    assert [score["step"] for score in scored(capfd, "--data", "book.txt", str(run))["scores"]] == [2]


def test_the_context_is_held_to_the_trained_length(run, capfd):
    assert main(["eval-bpb", "--data", "book.txt", "--context", "64", "--json"]) == 0
    shown = capfd.readouterr()
    assert "was trained on windows of 32 bytes, so the context is 32" in shown.err
    assert json.loads(shown.out)["scores"][0]["context"] == 32
    assert scored(capfd, "--data", "book.txt", "--context", "8")["scores"][0]["context"] == 8


def test_anchors_alone_where_the_training_corpus_is_gone(run, capfd):
    assert main(["eval-bpb", "--data", "book.txt", "--anchors"]) == 0
    shown = capfd.readouterr()
    assert "gone, so the compressors are not primed" in shown.err
    for name in ("order-0", "gzip -9", "xz -9e", "PPMd o16"):
        assert name in shown.out
    assert "primed" not in shown.out


def test_anchors_are_primed_with_the_training_part_only(place, capfd):
    (place / "train.txt").write_bytes(np.random.default_rng(0).bytes(1000) + TEXT)
    corpus = ByteCorpus.open(place / "train.txt")
    entry = {"path": "train.txt", "size": corpus.size, "fingerprint": corpus.fingerprint, "train_size": 1000}
    run = place / "run"
    checkpoint(run, corpus=entry)
    found = scored(capfd, "--data", "book.txt", "--anchors", str(run))
    assert "1,000 training bytes of train.txt" in found["primed_with"]
    figures = {(anchor["name"], anchor["primed"]): anchor["bits_per_byte"] for anchor in found["anchors"]}
    assert figures["PPMd o16", True] > 0.3 * figures["PPMd o16", False]  # not primed with the held-out end

    entry["train_size"] = corpus.size
    checkpoint(run, step=2, corpus=entry)
    found = scored(capfd, "--data", "book.txt", "--anchors", str(run))
    figures = {(anchor["name"], anchor["primed"]): anchor["bits_per_byte"] for anchor in found["anchors"]}
    assert figures["PPMd o16", True] < 0.3 * figures["PPMd o16", False]


def test_of_the_training_corpus_the_end_it_was_not_trained_on_is_scored(place, capfd):
    corpus = ByteCorpus.open(place / "book.txt")
    entry = {"path": "book.txt", "size": corpus.size, "fingerprint": corpus.fingerprint, "train_size": 1400}
    checkpoint(place / "run", corpus=entry)
    assert scored(capfd, "--data", "book.txt", "run")["data"]["bytes"] == 100

    checkpoint(place / "run", step=2, corpus={**entry, "train_size": 1500})
    assert main(["eval-bpb", "--data", "book.txt", "run"]) == 0
    assert "was trained on" in capfd.readouterr().err


def test_of_a_packed_corpus_the_held_out_part_is_scored(run, place, capfd):
    from bbyte.data.corpus_writer import CorpusWriter

    with CorpusWriter(place / "packed", val_fraction=0.3) as writer:
        for number in range(200):
            writer.add(b"document %d" % number)
    held_out = ByteCorpus.open(place / "packed").validation
    found = scored(capfd, "--data", "packed")
    assert found["data"]["bytes"] == held_out.size
    assert (found["data"]["path"], found["data"]["part"]) == ("packed", "the held-out part")


@pytest.mark.parametrize(
    ("words", "code", "message"),
    [
        (["--data", "nothing.txt"], 2, "there is nothing at nothing.txt"),
        (["--data", "empty.txt"], 3, "empty"),
        (["--data", "book.txt", "nowhere"], 2, "nowhere does not exist"),
        (["--data", "book.txt", "--stride", "33"], 2, "stride 33 is not between 1 and the context 32"),
        (["--data", "book.txt", "--precision", "fp7"], 2, "precision is 'fp7'"),
        (["--data", "book.txt", "--device", "toaster"], 2, "'toaster' is not a device"),
    ],
)
def test_bad_requests_are_one_sentence(run, place, capfd, words, code, message):
    (place / "empty.txt").touch()
    assert main(["eval-bpb", *words]) == code
    shown = capfd.readouterr()
    assert message in shown.err
    assert "Traceback" not in shown.err
    assert shown.out == ""


def test_without_any_checkpoint_quickstart_is_named(place, capfd):
    assert main(["eval-bpb", "--data", "book.txt"]) == 1
    assert "bbyte quickstart" in capfd.readouterr().err
