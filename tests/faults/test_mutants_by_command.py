"""A sample of the mutants through the command line: exit code 3, one error and a hint, nothing on stdout.

And everything that is no checkpoint at all, given as one.
"""

import os
import shutil
from itertools import islice
from pathlib import Path

import pytest
from mutants import binary, text

from bbyte.cli import main

DATA = Path(__file__).parents[3] / "shared" / "data"
HOSTILE = sorted(
    path
    for folder in ("safetensors-edge", "refuse-pickles")
    for path in (DATA / folder).glob("*")
    if path.name not in ("SOURCE", "LICENSE")
)
COUNTS = [3, pytest.param(40, marks=pytest.mark.slow)]
BOOK = b"the quick brown fox jumps over the lazy dog. " * 200
TRAIN = (
    "train", "ar", "--n-layer", "1", "--d-model", "16", "--n-head", "2", "--d-ff", "32", "--steps", "4",
    "--batch-size", "2", "--seq-len", "16", "--save-every", "2", "--eval-every", "0", "--device", "cpu",
    "--threads", "1", "--data", "corpus",
)  # fmt: skip


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A corpus of documents, another, and a run of two checkpoints."""
    place = tmp_path_factory.mktemp("made")
    before = Path.cwd()
    os.chdir(place)
    try:
        for name, turned in (("corpus", 1), ("other", -1)):
            (place / name / "texts").mkdir(parents=True)
            for number in range(40):
                (place / name / "texts" / f"{number}.txt").write_bytes(BOOK[number : number + 900][::turned])
            words = [
                "pack",
                "--inputs",
                f"{name}/texts",
                "--out-dir",
                f"{name}.packed",
                "--val-fraction",
                "0.2",
            ]
            assert main(words) == 0
            shutil.rmtree(name)
            Path(f"{name}.packed").rename(name)
        assert main([*TRAIN, "--out", "run"]) == 0
    finally:
        os.chdir(before)
    return place


@pytest.fixture
def place(made, tmp_path, monkeypatch):
    shutil.copytree(made, tmp_path / "place")
    monkeypatch.chdir(tmp_path / "place")
    return tmp_path / "place"


def refused(capfd, words, named, codes=(3,)):
    capfd.readouterr()
    code = main(list(words))
    shown = capfd.readouterr()
    assert code in codes, (words, code, shown.err[-1000:])
    assert shown.out == ""
    lines = shown.err.splitlines()
    errors = [line for line in lines if line.startswith("error:")]
    assert len(errors) == 1 and str(named) in errors[0], shown.err
    assert any(line.startswith("hint:") for line in lines), shown.err
    assert "Traceback" not in shown.err


GENERATE = ("generate", "--ckpt", "run/step-0000004", "--prompt", "a", "--max-new-tokens", "4")
EVALUATE = ("eval-bpb", "--data", "corpus", "run/step-0000004", "--device", "cpu")
RESUME = ("train", "ar", "--resume", "run/step-0000004")


@pytest.mark.parametrize("count", COUNTS)
@pytest.mark.parametrize("name", ["checkpoint.json", "model.safetensors", "optimizer.safetensors"])
def test_damaged_checkpoints(place, capfd, name, count):
    folder = Path("run/step-0000004")
    path, donor = folder / name, Path("run/step-0000002", name).read_bytes()
    good = path.read_bytes()
    mutants = (text if name.endswith(".json") else binary)(good, count, donor)
    tried = 0
    for kind, mutant in mutants:
        if kind == "move key":  # the same values
            continue
        path.write_bytes(mutant)
        refused(capfd, (GENERATE, EVALUATE, RESUME)[tried % 3], folder)
        tried += 1
        if tried == count:
            break
    path.write_bytes(good)
    assert main(list(GENERATE)) == 0


@pytest.mark.parametrize("count", COUNTS)
@pytest.mark.parametrize("name", ["corpus.json", "shard_00000.bin", "val/corpus.json", "val/shard_00000.bin"])
def test_damaged_corpora(place, capfd, name, count):
    path, donor = Path("corpus", name), Path("other", name).read_bytes()
    good = path.read_bytes()
    number = 0
    for kind, mutant in islice((text if name.endswith(".json") else binary)(good, count, donor), 2 * count):
        if kind == "move key" or number == count:
            continue
        number += 1
        path.write_bytes(mutant)
        train = (*TRAIN, "--out", f"new-{number}", "--eval-every", "1")
        # The part that was trained on is not read to score the part that was held out.
        scores = EVALUATE if name != "shard_00000.bin" else train
        refused(capfd, (scores, train)[number % 2], "corpus")
    path.write_bytes(good)
    assert main(list(EVALUATE)) == 0


def test_a_flipped_bit_of_the_bytes_that_are_scored_gives_no_figure(place, capfd):
    path = Path("corpus/val/shard_00000.bin")
    raw = bytearray(path.read_bytes())
    raw[len(raw) // 2] ^= 1
    path.write_bytes(raw)
    refused(capfd, EVALUATE, path)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs pipes")
@pytest.mark.parametrize(
    "name",
    ["run/step-0000004/checkpoint.json", "run/step-0000004/model.safetensors", "corpus/corpus.json",
     "corpus/val/shard_00000.bin"],
)  # fmt: skip
def test_a_pipe_is_not_waited_for(place, capfd, name):
    Path(name).unlink()
    os.mkfifo(name)
    refused(capfd, EVALUATE, name)


@pytest.mark.skipif(not HOSTILE, reason="needs ../shared/data")
@pytest.mark.parametrize("path", HOSTILE, ids=lambda path: path.name)
def test_what_is_no_checkpoint_is_refused_without_running_it(place, capfd, path):
    before = sorted(place.rglob("*"))
    refused(capfd, ("generate", "--ckpt", str(path), "--prompt", "a"), path, codes=(2, 3))
    refused(capfd, ("eval-bpb", "--data", "corpus", str(path)), path, codes=(2, 3))
    assert sorted(place.rglob("*")) == before
