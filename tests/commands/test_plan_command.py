"""bbyte plan, as it is typed: it says what a run would take, and leaves no trace."""

import json
import time

import pytest

from bbyte.cli import main
from bbyte.data.corpus_writer import CorpusWriter

SMALL = [
    "--n-layer",
    "1",
    "--d-model",
    "32",
    "--n-head",
    "2",
    "--d-ff",
    "64",
    "--device",
    "cpu",
    "--threads",
    "1",
]
STEPS = ["--steps", "50", "--batch-size", "4", "--seq-len", "32"]


@pytest.fixture(autouse=True)
def place(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def plan(capfd, *words, code=0):
    assert main(["plan", "ar", *words]) == code
    return capfd.readouterr()


def labels(shown):
    return [line.split()[0] for line in shown.out.splitlines()]


def test_it_needs_no_corpus_and_writes_nothing(place, capfd):
    shown = plan(capfd, *SMALL, *STEPS)
    assert labels(shown) == [
        "model", "step", "weights", "gradients", "optimizer", "activations", "validation", "program", "peak",
        "speed", "time",
    ]  # fmt: skip
    assert "4 windows of 32 bytes, all at once" in shown.out and "for 50 steps" in shown.out
    assert list(place.iterdir()) == []


def test_without_steps_it_is_the_run_that_train_would_choose(capfd):
    shown = json.loads(plan(capfd, *SMALL, "--json").out)
    assert shown["event"] == "plan" and shown["fits"]
    assert shown["seconds"] == pytest.approx(600, rel=0.05)
    assert shown["batch_size"] == 32 and list(shown["memory"]["activations"]) == ["256"]


def test_no_probe_times_nothing(capfd):
    began = time.monotonic()
    shown = plan(capfd, *SMALL, *STEPS, "--no-probe")
    assert labels(shown)[-1] == "peak" and time.monotonic() - began < 5
    told = json.loads(plan(capfd, *SMALL, "--no-probe", "--json").out)
    assert told["seconds"] is told["steps"] is told["bytes_per_second"] is None


def test_what_does_not_fit_ends_with_4(capfd):
    shown = plan(capfd, *SMALL, *STEPS, "--memory", "20MB", code=4)
    assert "of 20 MB given by --memory: does not fit" in shown.out
    assert "error: " in shown.err and "with one window at a time, 20 MB are given by --memory" in shown.err
    assert "hint: try a smaller --preset" in shown.err


def test_a_card_is_planned_for_on_a_machine_without_one(capfd, monkeypatch):
    import torch

    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    words = ["--preset", "tiny", "--batch-size", "64", "--json", "--memory"]
    large, small = (json.loads(plan(capfd, *words, size).out) for size in ("100GB", "1GB"))
    assert list(large["memory"]["activations"]) == ["2048", "4096", "8192"]  # the curriculum of a GPU
    assert large["memory"]["process"] < 100e6 and large["seconds"] is None
    assert small["micro_batch"] < large["micro_batch"] == 64 and small["fits"]
    assert small["micro_batch"] * small["micro_batches"] == 64


def test_a_corpus_decides_how_long_epochs_and_windows_are(place, capfd):
    (place / "book.txt").write_bytes(b"the quick brown fox " * 500)
    with CorpusWriter(place / "artifacts" / "datasets" / "fox") as writer:
        writer.add(bytes(range(256)) * 400)
    words = [
        *SMALL,
        "--batch-size",
        "4",
        "--seq-len",
        "32",
        "--epochs",
        "2",
        "--val-fraction",
        "0",
        "--json",
        "--no-probe",
    ]
    from_file = json.loads(plan(capfd, *words, "--data", "book.txt").out)["steps"]
    from_newest = json.loads(plan(capfd, *words).out)["steps"]
    assert from_file == pytest.approx(2 * 10_000 / 128, rel=0.05)
    assert from_newest == pytest.approx(2 * 102_400 / 128, rel=0.05)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--memory", "much"], "memory 'much' is no size"),
        (["--epochs", "2"], "how many steps epochs are depends on the corpus"),
        (["--d-model", "100", "--n-head", "12"], "d_model 100 is not divisible by n_head 12"),
        (["--preset", "enormous"], "there is no preset 'enormous'"),
    ],
)
def test_what_is_asked_wrongly_ends_with_2(capfd, words, said):
    shown = plan(capfd, *words, "--no-probe", code=2)
    assert said in shown.err and shown.out == ""


def test_of_several_processes_the_share_of_one_is_planned(capfd):
    def planned(*words):
        shown = plan(capfd, *SMALL, *STEPS, "--optimizer", "adamw", "--no-probe", "--json", *words)
        return json.loads(shown.out)

    alone, whole = planned(), planned("--processes", "4")
    part = planned("--processes", "4", "--shard")
    assert (alone["processes"], whole["processes"], part["processes"]) == (1, 4, 4)
    assert alone["micro_batch"] == 4 and whole["micro_batch"] == part["micro_batch"] == 1
    for name in ("weights", "gradients", "optimizer"):
        assert whole["memory"][name] == alone["memory"][name]
        assert part["memory"][name] == -(-alone["memory"][name] // 4)
    lengths = whole["memory"]["activations"]
    assert all(
        part["memory"]["activations"][length] > lengths[length] for length in lengths
    )  # what is gathered
    assert "processes" in labels(plan(capfd, *SMALL, *STEPS, "--no-probe", "--processes", "4"))
    refused = plan(capfd, *SMALL, *STEPS, "--processes", "5", code=2)
    assert "4 windows of a step cannot be divided among 5 processes" in refused.err
    refused = plan(capfd, *SMALL, "--batch-size", "6", "--processes", "4", "--shard", code=2)
    assert "cannot be divided evenly among 4 processes" in refused.err
