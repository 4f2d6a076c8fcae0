"""bbyte corpus, as it is typed."""

import json
from pathlib import Path

import pytest

from bbyte.cli import main
from bbyte.data.pack import pack
from bbyte.terminal.corpora import histogram


@pytest.fixture
def place(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("texts").mkdir()
    for number, text in enumerate((b"one", b"two", b"two", b"\xff\xfe")):
        Path(f"texts/{number}.txt").write_bytes(text)
    return tmp_path


def test_show(place, capfd):
    pack(["texts"], "out", index=True)
    assert main(["corpus", "show", "out"]) == 0
    shown = capfd.readouterr()
    assert shown.err == ""
    for line in (
        "bytes       15 in 1 file",
        "sources     texts/0.txt, texts/1.txt, texts/2.txt and 1 more",
        "documents   4",
        "lengths     mean 3, median 3, 99 % up to 3, longest 3",
        "not UTF-8   1 document",
        "duplicates  1 document, 20.0% of the bytes",
    ):
        assert line in shown.out.splitlines()
    assert "bits per byte " in shown.out
    assert len(shown.out.splitlines()[-4].split()[1]) == 64


def test_show_the_newest_and_say_so(place, capfd):
    pack(["texts"], "artifacts/datasets/mine", val_fraction=0.5)
    assert main(["corpus", "show"]) == 0
    shown = capfd.readouterr()
    assert "taking the newest corpus, artifacts/datasets/mine" in shown.err
    assert "more held out" in shown.out
    assert "told apart by the byte 0x00" in shown.out


def test_json_for_programs(place, capfd):
    assert main(["corpus", "show", "texts", "--json"]) == 0
    value = json.loads(capfd.readouterr().out)
    assert value["documents"]["told_by"] == "file"
    assert (value["bytes"], value["files"], sum(value["histogram"])) == (11, 4, 11)
    assert len(value["entropies"]) == 4


def test_nothing_there(place, capfd):
    assert main(["corpus", "show", "gone"]) == 2
    assert capfd.readouterr().err.startswith("error: there is nothing at gone")


def test_merge(place, capfd):
    for number in range(3):
        words = [
            "pack",
            "texts",
            "--num-slices",
            "3",
            "--slice",
            f"{number}",
            "--out-dir",
            f"slices/{number}",
        ]
        assert main(words) == 0
    capfd.readouterr()
    assert main(["corpus", "merge", "out", "slices/2", "slices/0", "slices/1"]) == 0
    shown = capfd.readouterr()
    assert shown.err == "out: 15 bytes, 4 documents in 1 shard, from 4 files\n"
    assert Path("out/shard_00000.bin").read_bytes() == b"one\0two\0two\0\xff\xfe\0"
    assert main(["corpus", "merge", "out", "slices/2", "slices/0", "--force", "--json"]) == 2
    value = json.loads(capfd.readouterr().out)
    assert value["error"] == "1 of 3 slices are missing: 1"
    assert main(["corpus", "merge", "json", "slices/2", "slices/0", "slices/1", "--json"]) == 0
    assert json.loads(capfd.readouterr().out)["slices"] == 3


def test_bars_grow_with_counts():
    counts = [0] * 256
    counts[0], counts[1], counts[64] = 1, 1000, 1_000_000
    rows = [row.split()[1] for row in histogram(counts)]
    assert rows[0][:3] == "▁▅·"
    assert rows[1][0] == "█"
    assert all(len(row) == 64 for row in rows)
    assert set("".join(row.split()[1] for row in histogram([0] * 256))) == {"·"}
