"""bbyte shard-tinystories, as it is typed."""

import json
from pathlib import Path

import pytest

from bbyte.cli import main

DATA = Path(__file__).parents[2] / "../shared/data"


@pytest.fixture
def place(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("in").mkdir()
    Path("in/data00.json").write_text(
        json.dumps([{"story": "\n\nOne."}, {"summary": "none"}, {"story": "Two."}])
    )
    return tmp_path


def test_as_it_was_typed_before(place, capfd):
    words = "shard-tinystories --input_dir in --out_dir out --shard_size_gb 1"
    assert main(words.split()) == 0
    assert Path("out/shard_00000.bin").read_bytes() == b"One.\0Two.\0"
    assert capfd.readouterr().err.splitlines() == [
        "warning: 1 records had no text and were left out",
        "out: 10 bytes, 2 documents in 1 shard, from 1 file",
    ]


def test_json_for_programs(place, capfd):
    words = "shard-tinystories --input-dir in --out-dir out --sep-byte 10 --shard-size-gb 0.000000006 --json"
    assert main(words.split()) == 0
    value = json.loads(capfd.readouterr().out)
    assert (value["stories"], value["without_text"], value["shards"]) == (2, 1, 2)
    assert Path("out/shard_00001.bin").read_bytes() == b"Two.\n"


def test_errors_are_a_sentence(place, capfd):
    Path("in/data01.json").write_text('[{"story": "cut')
    for words, code, message in (
        ("--input-dir in --out-dir out", 3, "error: in/data01.json is not valid JSON: line 1, column 12"),
        ("--input-dir gone --out-dir out", 2, "error: gone is not a folder"),
        ("--input-dir in --out-dir in", 2, "error: in lies inside the output folder"),
    ):
        assert main(["shard-tinystories", *words.split()]) == code
        assert capfd.readouterr().err.startswith(message)
    assert [path.name for path in place.iterdir()] == ["in"]


def test_the_published_files(place, capfd):
    if not DATA.is_dir():
        pytest.skip("the test data is not in ../shared/data")
    assert main(["shard-tinystories", "--input-dir", str(DATA / "tinystories"), "--out-dir", "out"]) == 0
    assert "stories_a.txt has no <|endoftext|>" in capfd.readouterr().err
