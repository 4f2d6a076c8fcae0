"""bbyte verify, as it is typed."""

import json
import shutil
import subprocess
import sys

import pytest
from every_family import saved

from bbyte.cli import main
from bbyte.data.pack import pack


@pytest.fixture
def root(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for step in (1, 2):
        saved(tmp_path / "artifacts" / "checkpoints" / "run", "ar", step)
    (tmp_path / "source.txt").write_text("once upon a time " * 500)
    pack(["source.txt"], "artifacts/datasets/tales")
    return tmp_path / "artifacts"


def said(capfd, *words, code=0):
    assert main(["verify", *map(str, words)]) == code
    return capfd.readouterr()


def test_all_is_well(root, capfd):
    seen = said(capfd, "artifacts")
    assert [line.split()[:2] for line in seen.out.splitlines()] == [
        ["ok", "artifacts/checkpoints/run/step-0000001"],
        ["ok", "artifacts/checkpoints/run/step-0000002"],
        ["ok", "artifacts/datasets/tales"],
    ]
    assert seen.err.startswith("3 ok; ")


def test_damage(root, capfd):
    for path in ("checkpoints/run/step-0000001/model.safetensors", "datasets/tales/shard_00000.bin"):
        file = root / path
        file.write_bytes(file.read_bytes()[:-1] + b"?")
    seen = said(capfd, "artifacts", code=3)
    assert [line.split()[0] for line in seen.out.splitlines()] == ["damaged", "ok", "damaged"]
    assert "error: 2 of 3 are damaged: artifacts/checkpoints/run/step-0000001/model" in seen.err
    assert "hint: restore it" in seen.err
    (root / "empty").mkdir()
    both = said(capfd, "artifacts", "artifacts/empty", code=3)
    assert "warning: artifacts/empty holds nothing that can be checked" in both.err
    one = said(capfd, root / "datasets" / "tales" / "shard_00000.bin", code=3)
    assert "does not match its digest" in one.err and "of 1" not in one.err


def test_what_cannot_be_checked(root, capfd):
    (root / "datasets" / "tales" / "corpus.json").unlink()
    seen = said(capfd, "artifacts/datasets/tales", code=2)
    assert seen.out == "unchecked   artifacts/datasets/tales  1 shard has no corpus.json\n"
    assert "holds nothing that can be checked" in seen.err
    assert "unchecked" in said(capfd, "artifacts").out, "the rest was checked"
    (root / "old.pt").write_bytes(b"never opened")
    assert "legacy file" in said(capfd, "artifacts/old.pt", code=2).out
    assert said(capfd, "artifacts/checkpoints", "artifacts/datasets", code=2).out.count("ok  ") == 2


def test_where_there_is_nothing(root, capfd):
    seen = said(capfd, "artifacts", "gone", code=2)
    assert seen.out == "" and "gone does not exist" in seen.err
    (root / "empty").mkdir()
    assert "holds nothing that can be checked" in said(capfd, "artifacts/empty", code=2).err
    assert "missing" in said(capfd, code=2).err.lower()


def test_what_is_named_twice_is_checked_once(root, capfd):
    assert said(capfd, "artifacts", root / "datasets", "artifacts/checkpoints/run").err.startswith("3 ok; ")


def test_as_json(root, capfd):
    document = json.loads(said(capfd, "artifacts", "--json").out)
    assert [item["state"] for item in document["items"]] == ["ok"] * 3 and "error" not in document
    (root / "checkpoints" / "run" / "step-0000002" / "checkpoint.json").write_bytes(b"\x80")
    document = json.loads(said(capfd, "artifacts", "--json", code=3).out)
    assert document["exit_code"] == 3 and "checkpoint.json" in document["error"]
    (bad,) = [item for item in document["items"] if item["state"] == "damaged"]
    assert bad["path"] == "artifacts/checkpoints/run/step-0000002" and len(bad["problems"]) == 1


def test_a_pipe_gets_plain_text_without_torch(root):
    program = "import sys; from bbyte.cli import main; main(sys.argv[1:]); assert 'torch' not in sys.modules"
    done = subprocess.run(
        [sys.executable, "-c", program, "verify", "artifacts"], capture_output=True, text=True, check=True
    )
    assert done.stdout.count("ok ") == 3 and "\x1b" not in done.stdout


def test_a_link_in_a_circle_is_a_finding_not_a_crash(root, capfd):
    (root / "loop").symlink_to("loop")
    (root / "l.safetensors").symlink_to("l.safetensors")
    assert said(capfd, "artifacts/loop", code=2).out.startswith("unchecked ")
    assert said(capfd, "artifacts/l.safetensors", code=3).out.startswith("damaged ")
    assert said(capfd, "artifacts", code=3).out.count("ok  ") == 3


def test_what_only_ends_like_a_checkpoint_set_aside_is_checked(root, capfd):
    for path in ("checkpoints/run/step-0000001", "datasets/tales"):
        shutil.copytree(root / path, root / "found" / "book")
        (root / "found" / "book").rename(root / "found" / "book.old")
        shutil.copytree(root / path, root / "found" / "book")
        for file in (root / "found" / "book.old").glob("[ms]*"):
            file.write_bytes(b"?" * file.stat().st_size)
        seen = said(capfd, "artifacts/found", code=3)
        assert [line.split()[0] for line in seen.out.splitlines()] == ["ok", "damaged"]
        shutil.rmtree(root / "found")


def test_a_name_does_not_forge_a_line(root, capfd):
    forged = root / "x\nok          artifacts"
    (root / "datasets" / "tales").rename(forged)
    assert said(capfd, "artifacts").out.count("\n") == 3
    for file in forged.glob("*.bin"):
        file.write_bytes(b"?" * file.stat().st_size)
    seen = said(capfd, "artifacts", code=3)
    assert seen.out.count("\n") == 3 and r"x\nok" in seen.out
    assert not any(line.startswith("ok") for line in seen.err.splitlines())
    (forged / "corpus.json").unlink()
    seen = said(capfd, forged, "artifacts/checkpoints", code=2)
    assert not any(line == "ok          artifacts" for line in seen.err.splitlines())
