"""bbyte train, as it is typed; and killed, and typed again."""

import json
import os
import random
import signal
import subprocess
import sys
import time
import tomllib

import pytest
import torch

from bbyte.checkpoint import find, store
from bbyte.cli import main
from bbyte.data.corpus_writer import CorpusWriter

TEXT = (b"the quick brown fox jumps over the lazy dog. " * 200)[:8000]
SHAPE = ["--n-layer", "1", "--d-model", "32", "--n-head", "2", "--d-ff", "64"]
SMALL = [*SHAPE, "--device", "cpu", "--threads", "1"]
STEPS = ["--steps", "6", "--batch-size", "2", "--seq-len", "16", "--log-every", "1"]


@pytest.fixture(autouse=True)
def place(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "book.txt").write_bytes(TEXT)
    return tmp_path


def train(*words, code=0):
    assert main(["train", "ar", *words]) == code


def metrics(run):
    return [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]


def losses(run):
    return [(row["step"], row["loss"]) for row in metrics(run) if "loss" in row]


def hint_and_error(capfd):
    lines = capfd.readouterr().err.splitlines()
    return [line for line in lines if line.startswith(("error:", "hint:"))]


def test_a_corpus_too_large_to_be_checked_is_said_to_be_one(place, capfd, monkeypatch):
    from bbyte.data import corpus

    assert main(["pack", "book.txt", "--out-dir", "corpus"]) == 0
    monkeypatch.setattr(corpus, "CHECKED_AS_READ", 10)
    train("--data", "corpus", *SMALL, *STEPS, "--out", "run")
    assert "digests of corpus unchecked: it is large; bbyte verify checks them" in capfd.readouterr().err


def test_a_run_is_told_line_by_line_and_leaves_its_folder(place, capfd):
    train("--data", "book.txt", "--out", "run", *SMALL, *STEPS)
    shown = capfd.readouterr()
    assert shown.out == ""
    assert "optimizer muon" in shown.err and "bytes held out by their digests" in shown.err
    assert store.load(place / "run").meta.step == 6
    assert [step for step, _ in losses(place / "run")] == [1, 2, 3, 4, 5, 6]


def test_json_gives_one_event_a_line(place, capfd):
    train("--data", "book.txt", "--out", "run", "--json", *SMALL, *STEPS, "--save-every", "3")
    shown = [json.loads(line) for line in capfd.readouterr().out.splitlines()]
    kinds = [event["event"] for event in shown]
    assert kinds[0] == "started" and kinds[-1] == "finished"
    assert kinds.count("stepped") == 6 and kinds.count("saved") == 2
    assert [(e["step"], e["loss"]) for e in shown if e["event"] == "stepped"] == losses(place / "run")
    assert shown[-1]["checkpoint"].endswith("step-0000006")


def test_the_flags_of_the_old_scripts_mean_what_they_meant(place, capfd):
    train(
        "--data", "book.txt", "--steps", "3", "--batch_size", "2", "--grad_accum", "2", "--seq_len", "12",
        "--lr", "0.002", "--log_every", "1", "--save_every", "2", "--out", "run", "--n_layer", "1",
        "--d_model", "32", "--n_head", "4", "--n_kv_head", "2", "--d_ff", "48", "--no_act_quant",
        "--val-fraction", "0.25", "--optimizer", "adamw", "--device", "cpu", "--threads", "1",
    )  # fmt: skip
    loaded = store.load(place / "run")
    config = loaded.meta.config
    assert (config["n_layer"], config["d_model"], config["n_head"], config["n_kv_head"]) == (1, 32, 4, 2)
    assert config["d_ff"] == 48 and config["act_quant"] is False and config["ternary"] is True
    assert 5000 < loaded.meta.corpus["train_size"] < 7000 and loaded.meta.bytes_seen == 3 * 2 * 2 * 12
    kept = [int(path.name[5:]) for path in find.steps(place / "run")]
    assert kept == [3, 2, 1]
    assert metrics(place / "run")[-2]["learning_rate"] <= 0.002


@pytest.mark.parametrize(
    ("words", "lengths"),
    [
        (["--seq-len", "3000"], [3000] * 10),
        (["--seq-len-cap", "3000"], [2048] * 2 + [3000] * 8),
        (["--seq_len_cap", "64"], [64] * 10),
    ],
)
def test_seq_len_fixes_and_seq_len_cap_caps(place, words, lengths):
    train("--data", "book.txt", "--out", "run", *SMALL, "--steps", "10", "--batch-size", "1",
          "--log-every", "1", *words)  # fmt: skip
    assert [row["seq_len"] for row in metrics(place / "run") if "loss" in row] == lengths


@pytest.mark.parametrize("flag", ["--use_sdpa", "--amp", "--cpu", "--ddp"])
def test_retired_flags_answer_with_their_replacement(place, capfd, flag):
    train("--data", "book.txt", "--out", "run", flag, code=2)
    assert "unexpected" not in capfd.readouterr().err.lower()
    assert not (place / "run").exists()


def test_the_error_of_the_style_guide(place, capfd):
    train("--data", "book.txt", "--out", "run", "--d-model", "100", "--n-head", "12", code=2)
    assert hint_and_error(capfd) == [
        "error: d_model 100 is not divisible by n_head 12",
        "hint: try --d-model 96 or --n-head 10",
    ]
    assert not (place / "run").exists()


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (["--preset", "smal"], 2, ["there is no preset 'smal'", "did you mean small?"]),
        (["--preset", "zzz"], 2, ["presets: tiny, small, base, 12gb"]),
        (["--seq-len", "9000"], 2, ["a window of 9000 bytes needs a corpus of at least 9001", "to train on"]),
        (["--seq-len", "8", "--seq-len-cap", "8"], 2, ["only one can be given"]),
        (["--data", "nowhere"], 2, ["there is nothing at nowhere"]),
        (["--resume", "nowhere"], 2, ["nowhere does not exist"]),
        (["--resume", "."], 2, ["holds no checkpoint"]),
        (["--device", "cuda:99"], 2, ["device cuda:99 is not there"]),
        (["--stepz", "5"], 2, ["--stepz"]),
        (["--steps", "many"], 2, ["steps"]),
        (["--optimizer", "sgd"], 2, ["optimizer"]),
    ],
)
def test_what_does_not_fit_is_said_and_nothing_is_written(place, capfd, words, code, said):
    before = {path.name for path in place.iterdir()}
    given = words if "--data" in words or "--resume" in words else ["--data", "book.txt", *words]
    train(*given, "--out", "run", *([] if "--preset" in words else SHAPE), code=code)
    shown = capfd.readouterr().err
    assert all(part in shown for part in said), shown
    assert "Traceback" not in shown
    assert {path.name for path in place.iterdir()} == before


def test_a_folder_that_exists_is_refused_without_allow_overwrite(place, capfd):
    train("--data", "book.txt", "--out", "run", *SMALL, *STEPS)
    capfd.readouterr()
    train("--data", "book.txt", "--out", "run", *SMALL, *STEPS, code=2)
    error, hint = hint_and_error(capfd)
    assert error == "error: run exists already"
    assert "--resume run" in hint and "--allow-overwrite" in hint
    train("--data", "book.txt", "--out", "run", *SMALL, *STEPS, "--seed", "1", "--allow-overwrite")
    assert len(losses(place / "run")) == 6


def test_resume_auto_with_nothing_there_starts_anew(place, capfd):
    train("--data", "book.txt", "--out", "run", "--resume", "auto", *SMALL, *STEPS)
    assert "nothing to resume yet: starting a new run" in capfd.readouterr().err
    assert store.load(place / "run").meta.step == 6


def test_a_finished_run_is_not_trained_again(place, capfd):
    train("--data", "book.txt", "--out", "run", *SMALL, *STEPS)
    train("--out", "run", "--resume", "auto", code=2)
    assert "the run is finished: its checkpoint is at step 6 of 6" in capfd.readouterr().err


def test_resume_takes_up_what_the_run_was_given(place):
    train("--data", "book.txt", "--out", "run", *SMALL, *STEPS, "--seed", "3", "--no-ternary")
    train("--resume", "run", "--steps", "8")
    assert [step for step, _ in losses(place / "run")] == list(range(1, 9))
    written = tomllib.loads((place / "run" / "config.toml").read_text())
    assert written["training"]["seed"] == 3 and written["model"]["ternary"] is False
    assert written["training"]["steps"] == 8 and written["runtime"]["threads"] == 1


def test_config_toml_alone_repeats_the_run_bit_for_bit(place):
    train("--data", "book.txt", "--out", "run", *SMALL, *STEPS, "--seed", "3", "--qk-norm")
    train("--config", "run/config.toml", "--out", "again")
    train("--config", "run/config.toml", "--out", "other", "--seed", "4")
    assert losses(place / "again") == losses(place / "run") != losses(place / "other")
    assert (place / "again" / "config.toml").read_text() == (place / "run" / "config.toml").read_text()


def test_the_newest_corpus_is_taken_where_none_is_given(place, capfd):
    with CorpusWriter(place / "artifacts" / "datasets" / "fox") as writer:
        writer.add(TEXT)
    train("--out", "run", *SMALL, *STEPS)
    assert "fox" in capfd.readouterr().err
    assert "fox" in store.load(place / "run").meta.corpus["path"]


def test_a_run_goes_below_artifacts_by_default(place):
    train("--data", "book.txt", "--name", "mine", *SMALL, *STEPS)
    (run,) = (place / "artifacts" / "checkpoints").iterdir()
    assert run.name.endswith("-mine")
    train("--resume", "auto", "--steps", "7")
    assert store.load(run).meta.step == 7


def test_a_damaged_checkpoint_is_told_with_exit_code_3(place, capfd):
    train("--data", "book.txt", "--out", "run", *SMALL, *STEPS, "--cooldown", "0")
    train("--resume", "run/step-0000006", "--steps", "7", "--keep", "1")
    (place / "run" / "step-0000007" / "model.safetensors").write_bytes(b"")
    train("--resume", "run", code=3)
    assert "is 0 bytes long" in capfd.readouterr().err


def command(*words):
    return [sys.executable, "-m", "bbyte", "train", "ar", *words]


def test_a_second_process_in_the_same_folder_exits_with_a_sentence(place):
    words = ["--data", "book.txt", "--out", "run", *SMALL, *STEPS, "--steps", "1000000", "--save-every", "50"]
    first = subprocess.Popen(command(*words, "--json"), stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    try:
        for line in first.stdout:
            if json.loads(line)["event"] == "saved":
                break
        for more in (["--resume", "auto"], ["--allow-overwrite"]):
            second = subprocess.run(command(*words, *more), capture_output=True, text=True)
            assert second.returncode == 1
            assert f"another process is training in run (process {first.pid} on" in second.stderr
            assert "Traceback" not in second.stderr
        assert first.poll() is None
    finally:
        first.kill()
        first.wait()
        first.stdout.close()
    train("--resume", "run", "--steps", str(find.find(place / "run").meta.step + 1))


def last_step(run):
    try:
        rows = (run / "metrics.jsonl").read_bytes().splitlines(keepends=True)
    except FileNotFoundError:
        return 0
    return max((json.loads(row)["step"] for row in rows if row.endswith(b"\n")), default=0)


@pytest.mark.skipif(os.name == "nt", reason="needs SIGKILL")
@pytest.mark.parametrize(("kills", "steps", "seed"), [(3, 80, 0)])
def test_killed_at_random_moments_and_resumed_the_log_is_that_of_an_undisturbed_run(
    place, kills, steps, seed
):
    dice, run = random.Random(seed), place / "run"
    settings = [
        *SMALL, "--data", "book.txt", "--steps", str(steps), "--batch-size", "2", "--seq-len", "16",
        "--log-every", "1", "--save-every", "2", "--eval-every", "7", "--warmup-steps", "3",
        "--optimizer", "adamw" if seed else "muon",
    ]  # fmt: skip
    train(*settings, "--out", "whole")
    # Each time a little further than the run got before; now and then while it is still starting.
    for n in range(kills):
        process = subprocess.Popen(
            command(*settings, "--out", "run", "--resume", "auto"),
            stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True,
        )  # fmt: skip
        target = (n + 1) * (steps - 20) // kills
        patience = dice.uniform(0, 4) if dice.random() < 0.2 else 60
        began = time.monotonic()
        while process.poll() is None and last_step(run) < target and time.monotonic() < began + patience:
            time.sleep(0.002)
        time.sleep(dice.uniform(0, 0.02))
        process.send_signal(signal.SIGKILL)
        _, said = process.communicate()
        assert process.returncode == -signal.SIGKILL, said
        found = find.find(run) if run.exists() and find.steps(run) else None
        assert found is None or found.skipped == ()
    train(*settings, "--out", "run", "--resume", "auto")
    assert losses(run) == losses(place / "whole")
    validations = [[row for row in metrics(place / name) if "val_bpb" in row] for name in ("run", "whole")]
    assert validations[0] == validations[1]
    states = [store.load(place / name).model.state_dict() for name in ("run", "whole")]
    assert all(torch.equal(value, states[1][name]) for name, value in states[0].items())
    assert not [path for path in run.iterdir() if path.name.startswith(".tmp")]
