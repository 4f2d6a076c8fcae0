"""The runs there are: read, found by name, removed."""

import os
import random
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest
from small_runs import corpus, request
from written_run import PARAMETERS, bpb, checkpoint, write

from bbyte.errors import BbyteError, UsageError
from bbyte.runs import archive, record
from bbyte.runs.folder import Run
from bbyte.training.start import start


def test_what_a_run_tells(tmp_path):
    found = record.read(write(tmp_path / "run"))
    assert (found.name, found.family, found.parameters) == ("run", "ar", PARAMETERS)
    assert (found.step, found.steps, found.state, found.data) == (200, 200, "finished", "tales.txt")
    assert found.settings["training.lr"] == 0.003
    assert found.environment["device"] == "cpu"
    assert [one.path.name for one in found.checkpoints] == ["step-0000200", "step-0000100"]
    assert found.checkpoints[0].bytes > 4 * PARAMETERS
    assert not found.problems


def test_a_real_run_is_read_and_holds_nothing_unknown(tmp_path):
    out = tmp_path / "run"
    trainer = start(request(out, corpus(tmp_path), save_every=4, eval_every=4))
    happened = trainer.run()
    parameters = next(happened).parameters
    assert record.read(out).state == "training"
    with pytest.raises(BbyteError, match="in training"):
        archive.check_removable(out)
    list(happened)
    found = record.read(out)
    assert (found.state, found.step, found.steps) == ("finished", 12, 12)
    assert (found.family, found.parameters) == ("ar", parameters)
    assert found.log.best is not None and found.log.best.bpb == found.newest.metrics["best_bpb"]
    assert not found.problems
    archive.remove(out)  # which refuses what no run writes
    assert not out.exists()


def test_a_run_left_half_way(tmp_path):
    found = record.read(write(tmp_path / "run", done=120))
    assert (found.state, found.step, found.steps) == ("interrupted", 120, 200)
    assert record.read(write(tmp_path / "unsaved", checkpoints=())).state == "finished"
    shutil.rmtree(tmp_path / "run" / "step-0000120")
    assert record.read(tmp_path / "run").newest.step == 60


def test_a_run_just_begun(tmp_path):
    folder = write(tmp_path / "run", done=0, checkpoints=())
    found = record.read(folder)
    assert (found.state, found.step, found.family, found.parameters) == ("interrupted", 0, "", None)
    (folder / "config.toml").unlink()
    (folder / "metrics.jsonl").unlink()
    (folder / "env.json").unlink()
    assert archive.folders(tmp_path) == [folder]
    assert record.read(folder).problems == (
        "config.toml cannot be read: it is missing",
        "env.json cannot be read: it is missing",
    )


def test_only_a_held_lock_is_training(tmp_path):
    folder = write(tmp_path / "run", done=50)
    run = Run(folder)
    assert record.is_training(folder)
    run.close()
    assert not record.is_training(folder)
    (folder / ".lock-holder").write_text("process 1 on elsewhere")  # as a killed run leaves it
    assert not record.is_training(folder)
    assert Run(folder)


def test_looking_does_not_make_a_lock(tmp_path):
    folder = write(tmp_path / "run")
    before = sorted(folder.iterdir())
    record.read(folder)
    assert sorted(folder.iterdir()) == before


def break_config(folder):
    (folder / "config.toml").write_bytes(b"\xff\xfe = [")


def break_environment(folder):
    (folder / "env.json").write_text("[" * 5000)


def break_checkpoint(folder):
    (folder / "step-0000200" / "checkpoint.json").write_text("{}")


def empty_header(folder):
    (folder / "step-0000200" / "model.safetensors").write_bytes(b"")
    (folder / "step-0000100" / "model.safetensors").unlink()


def folders_for_files(folder):
    for name in ("config.toml", "env.json", "metrics.jsonl"):
        (folder / name).unlink()
        (folder / name).mkdir()


def odd_settings(folder):
    (folder / "config.toml").write_text(
        "when = 2020-01-01\nmany = [1, [2]]\n[training]\nsteps = -1\nlr = nan\n"
    )


@pytest.mark.parametrize(
    ("damage", "words"),
    [
        (break_config, "config.toml"), (break_environment, "env.json"), (break_checkpoint, "step-0000200"),
        (empty_header, ""), (folders_for_files, "metrics.jsonl"), (odd_settings, ""),
    ],
)  # fmt: skip
def test_a_damaged_run_is_told_of_and_raises_nothing(tmp_path, damage, words):
    folder = write(tmp_path / "run")
    damage(folder)
    found = record.read(folder)
    assert found.step == 200
    assert words in " ".join(found.problems)
    assert bool(found.problems) == bool(words)
    assert [one.problems for one in archive.records(tmp_path)] == [found.problems]


def test_bytes_changed_anywhere_raise_nothing(tmp_path):
    folder, dice = write(tmp_path / "run", steps=30, checkpoints=(30,)), random.Random(0)
    files = [path for path in folder.rglob("*") if path.is_file() and path.stat().st_size]
    for _ in range(300):
        path = dice.choice(files)
        before = path.read_bytes()
        mutant = bytearray(before)
        for _ in range(dice.choice((1, 1, 20))):
            mutant[dice.randrange(min(len(mutant), 2000))] = dice.randrange(256)
        path.write_bytes(mutant[: dice.choice((len(mutant), dice.randrange(len(mutant))))])
        assert record.read(folder).state in ("finished", "interrupted")
        path.write_bytes(before)


def test_a_pipe_in_place_of_a_file_does_not_hang(tmp_path):
    if not hasattr(os, "mkfifo"):
        pytest.skip("no pipes here")
    folder = write(tmp_path / "run")
    for name in ("config.toml", "metrics.jsonl", "step-0000200/checkpoint.json"):
        (folder / name).unlink()
        os.mkfifo(folder / name)
    assert len(record.read(folder).problems) == 3


def test_the_latest_comes_first(tmp_path):
    for age, name in enumerate(("c", "a", "b")):
        write(tmp_path / name)
        os.utime(tmp_path / name / "metrics.jsonl", (1e9 - age, 1e9 - age))
    (tmp_path / "notes.txt").touch()
    (tmp_path / "empty").mkdir()
    assert [found.name for found in archive.records(tmp_path)] == ["c", "a", "b"]
    assert archive.records(tmp_path / "nowhere") == []


def test_names(tmp_path, monkeypatch):
    root = tmp_path / "checkpoints"
    for name in ("20250101-120000-tales", "20250102-120000-tales-longer", "20250103-120000-poems"):
        write(root / name)
    for word in ("poems", "0103", "20250103-120000-poems", str(root / "20250103-120000-poems")):
        assert archive.named(word, root) == root / "20250103-120000-poems"
    assert archive.named("20250101-120000-tales", root).name == "20250101-120000-tales"
    monkeypatch.chdir(root / "20250103-120000-poems")
    assert archive.named(".", root) == Path()
    assert record.read(Path()).name == "20250103-120000-poems"


@pytest.mark.parametrize(
    ("word", "message"),
    [
        ("tales", "may mean 2 runs: one-tales, two-tales"), ("", "no run called"), ("plays", "no run called"),
        ("/", "not the folder of a run"),
    ],
)  # fmt: skip
def test_names_that_mean_no_run(tmp_path, word, message):
    for name in ("one-tales", "two-tales"):
        write(tmp_path / name)
    with pytest.raises(UsageError, match=message):
        archive.named(word, tmp_path)


def test_settings_that_differ(tmp_path):
    one = record.read(write(tmp_path / "one", lr=0.001, clip=1.0))
    other = record.read(write(tmp_path / "other", lr=0.002, ema=0.9))
    assert record.differences(one, other) == [
        ("training.lr", 0.001, 0.002),
        ("training.clip", 1.0, None),
        ("training.ema", None, 0.9),
    ]


def test_removing_takes_the_run_and_nothing_else(tmp_path):
    folder, other = write(tmp_path / "run"), write(tmp_path / "other")
    treasure = tmp_path / "treasure"
    treasure.mkdir()
    (treasure / "gold").write_text("mine")
    (folder / "step-0000100" / "way-out").symlink_to(treasure)
    (folder / "step-0000007").symlink_to(treasure)
    (folder / "report.html").symlink_to(treasure / "gold")
    archive.remove(folder)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["other", "treasure"]
    assert (treasure / "gold").read_text() == "mine"
    assert record.read(other).state == "finished"


def linked(folder):
    (folder.parent / "real").mkdir()
    folder.symlink_to(folder.parent / "real")
    write(folder.parent / "real")


def with_notes(folder):
    write(folder)
    (folder / "notes.txt").write_text("keep me")


def plain(folder):
    folder.mkdir()
    (folder / "thesis.tex").touch()


@pytest.mark.parametrize(
    ("make", "message"),
    [(linked, "is a link"), (with_notes, "notes.txt"), (plain, "not the folder of a run")],
)
def test_what_is_not_just_a_run_is_not_removed(tmp_path, make, message):
    folder = tmp_path / "run"
    make(folder)
    before = sorted(path.name for path in folder.rglob("*"))
    with pytest.raises(UsageError, match=message):
        archive.remove(folder)
    assert sorted(path.name for path in folder.rglob("*")) == before


def test_a_run_in_training_is_not_removed(tmp_path):
    folder = write(tmp_path / "run")
    run = Run(folder)
    with pytest.raises(BbyteError, match="in training"):
        archive.remove(folder)
    run.close()
    archive.remove(folder)


def test_torch_stays_away(tmp_path):
    write(tmp_path / "run")
    code = (
        "import sys; from pathlib import Path; from bbyte.runs import archive, record\n"
        f"assert archive.records(Path({str(tmp_path)!r}))[0].parameters == {PARAMETERS}\n"
        "sys.exit('torch' in sys.modules or 'numpy' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0


def test_hundreds_of_checkpoints_and_runs_are_read_quickly(tmp_path):
    for n in range(40):
        write(tmp_path / f"run-{n}", steps=2000)
    for step in range(1, 60):
        checkpoint(tmp_path / "run-0", step)
    began = time.perf_counter()
    assert len(archive.records(tmp_path)) == 40
    assert time.perf_counter() - began < 2
    assert record.read(tmp_path / "run-0").log.best.bpb == bpb(2000) + 0.1
