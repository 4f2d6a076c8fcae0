"""The starter model: taken where there is no checkpoint, and what comes with bbyte."""

import json
import shutil
import subprocess
import sys

import pytest

from bbyte import starter
from bbyte.checkpoint import find, meta, store
from bbyte.checkpoint.export.packed import export_packed
from bbyte.checkpoint.meta import CheckpointMeta
from bbyte.cli import main
from bbyte.config import to_dict
from bbyte.errors import BbyteError
from bbyte.models.ar.config import ARConfig
from bbyte.models.families import family

TEXT = b"the quick brown fox jumps over the lazy dog. " * 20
SHIPPED = (starter.MODEL / meta.FILE).exists()
MOST_BYTES = 1_000_000


def untrained(run):
    """A checkpoint with random weights, step 1 of the run folder `run`."""
    run.mkdir(parents=True)
    config = ARConfig(n_layer=1, d_model=32, n_head=2, d_ff=64)
    described = CheckpointMeta(
        kind="resume", family="ar", variant="ternary", config=to_dict(config), step=1, bytes_seen=1000,
        context=32, quantized=True, corpus={"path": "gone", "size": 10, "fingerprint": "0"}, metrics={},
        environment={},
    )  # fmt: skip
    return store.save(run, described, family("ar").build(config).state_dict(), None)


@pytest.fixture(scope="module")
def packed(tmp_path_factory):
    folder = tmp_path_factory.mktemp("packed")
    return export_packed(find.find(untrained(folder / "run")), folder / "packed", rest="fp16")


@pytest.fixture
def place(tmp_path, monkeypatch, packed):
    """An empty folder to work in, with a starter model that stands in for the one that comes with bbyte."""
    shutil.copytree(packed, tmp_path / "installed")
    monkeypatch.setattr(starter, "MODEL", tmp_path / "installed")
    (tmp_path / "work").mkdir()
    monkeypatch.chdir(tmp_path / "work")
    (tmp_path / "work" / "book.txt").write_bytes(TEXT)
    return tmp_path / "work"


def test_the_newest_checkpoint_goes_first(place):
    assert starter.default_checkpoint() == starter.MODEL
    untrained(place / "artifacts" / "checkpoints" / "mine")
    assert starter.default_checkpoint() == find.ROOT / "mine"


def test_without_the_starter_model_quickstart_is_named(place, monkeypatch):
    monkeypatch.setattr(starter, "MODEL", place / "none")
    with pytest.raises(BbyteError, match="no checkpoint under artifacts/checkpoints") as caught:
        starter.default_checkpoint()
    assert "bbyte quickstart" in caught.value.hint


@pytest.mark.parametrize(
    "words",
    [
        ["generate", "--prompt", "Once", "--max-new-tokens", "8"],
        ["eval-bpb", "--data", "book.txt"],
        ["export", "packed"],
        ["export", "hf"],
    ],
)
def test_commands_take_it_and_say_so_in_one_line(place, capfd, words):
    assert main([*words]) == 0
    said = capfd.readouterr().err
    assert said.count("starter model") == 1
    [line] = [line for line in said.splitlines() if "starter model" in line]
    assert line.startswith("no checkpoint under artifacts/checkpoints, so taking the starter model")


def test_a_checkpoint_of_ones_own_is_taken_instead(place, capfd):
    untrained(place / "artifacts" / "checkpoints" / "mine")
    assert main(["generate", "--max-new-tokens", "4"]) == 0
    said = capfd.readouterr().err
    assert "starter model" not in said and "mine/step-0000001" in said


def test_a_damaged_checkpoint_of_ones_own_is_not_passed_over(place, capfd):
    folder = untrained(place / "artifacts" / "checkpoints" / "mine")
    (folder / meta.MODEL).write_bytes(b"")
    assert main(["generate", "--max-new-tokens", "4"]) == 3
    assert "mine" in capfd.readouterr().err


def test_the_path_that_is_said_can_be_typed(place, capfd):
    for words in (["ckpt", "show"], ["verify"], ["generate", "--max-new-tokens", "4", "--ckpt"]):
        assert main([*words, str(starter.MODEL)]) == 0
    assert "no checkpoint under" not in capfd.readouterr().err


def test_holes_are_not_filled_by_it(place, capfd):
    assert main(["infill", "--prompt", "a[MASK*3]b"]) == 2
    said = capfd.readouterr().err
    assert "cannot fill holes" in said and "bbyte train diffusion" in said


def test_nothing_is_trained_on_from_it(place, capfd):
    words = ["train", "ar", "--data", "book.txt", "--n-layer", "1", "--d-model", "32", "--n-head", "2"]
    words += ["--d-ff", "64", "--seq-len", "32", "--batch-size", "2", "--steps", "2", "--threads", "1"]
    assert main([*words, "--resume", "auto", "--out", "fresh"]) == 0
    assert "starter" not in capfd.readouterr().err
    assert main([*words, "--resume", str(starter.MODEL), "--out", "other"]) == 2
    assert "packed and cannot be trained on" in capfd.readouterr().err


@pytest.mark.skipif(not SHIPPED, reason="the starter model is not in this tree")
def test_what_comes_with_bbyte_is_whole_and_small():
    found = find.find(starter.MODEL)
    assert found.meta.kind == "packed" and found.meta.quantized and found.meta.config["ternary"]
    files = list(starter.MODEL.iterdir())
    assert {path.name for path in files} == {meta.FILE, meta.MODEL}
    assert sum(path.stat().st_size for path in files) <= MOST_BYTES
    described = json.loads((starter.MODEL / meta.FILE).read_text("utf-8"))
    assert not described["corpus"]["path"].startswith(("/", "\\")), "a path of the machine it was trained on"


@pytest.mark.skipif(not SHIPPED, reason="the starter model is not in this tree")
def test_it_writes_in_an_empty_folder(tmp_path):
    words = [sys.executable, "-m", "bbyte", "generate", "--prompt", "Once upon a time"]
    done = subprocess.run(words, cwd=tmp_path, capture_output=True, check=True)
    text = done.stdout.decode("utf-8", "replace")
    assert text.startswith("Once upon a time") and len(done.stdout) == len("Once upon a time") + 300
    written = text.split()
    assert len(written) > 30, "words of a few letters, parted by spaces"
    assert (
        sum(
            word.strip(".,;:!?'\"").lower() in {"the", "and", "a", "to", "he", "she", "was"}
            for word in written
        )
        > 3
    )
    assert b"starter model" in done.stderr
    assert not list(tmp_path.iterdir())
