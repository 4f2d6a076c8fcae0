"""TinyStories in every shape it is found in."""

import gzip
import json
from pathlib import Path

import pytest

from bbyte.data import tinystories
from bbyte.data.corpus import ByteCorpus
from bbyte.data.tinystories import shard_tinystories, split_text, story_in
from bbyte.errors import DataError, UsageError

DATA = Path(__file__).parents[2] / "../shared/data"


def stories(folder):
    corpus = ByteCorpus.open(folder)
    corpus.verify()
    return corpus.read(0, corpus.size).tobytes().decode().split("\0")[:-1]


@pytest.mark.parametrize(
    ("record", "expected"),
    [
        ({"text": "a", "story": "b"}, "a"),
        ({"text": " \n", "story": "\n\nOnce"}, "Once"),
        ({"text": 7, "completion": "c"}, "c"),
        ({"content": "d", "id": "x"}, "d"),
        ({"instruction": {"prompt:": "Write", "words": ["a"]}, "data": {"story": "deep"}}, "deep"),
        ({"a": {"b": [{"c": 1}, {"text": "first"}]}, "d": {"text": "second"}}, "first"),
        ({"messages": [{"role": "user", "content": "hello"}]}, "hello"),
        ("just text", "just text"),
        ([{"text": "in a list"}], "in a list"),
        ({"id": "abc", "features": ["Dialogue"]}, None),
        ({"text": ""}, None),
        ({}, None),
        (None, None),
        (7, None),
        ("  ", None),
    ],
)
def test_where_the_text_of_a_record_is(record, expected):
    assert story_in(record) == expected


def test_depth_is_no_danger():
    record = {"text": "deep"}
    for _ in range(100_000):
        record = {"inside": [record]}
    assert story_in(record) == "deep"


@pytest.mark.parametrize("piece", [1, 5, 1000])
def test_text_is_split_at_its_marks(piece):
    text = b"\nOne.\n<|endoftext|>\n\nTwo\nlines.\r\n<|endoftext|>\n<|endoftext|>Three.<|endoftext|>"
    text += b"\n Four <|endof\n"
    pieces = [text[start : start + piece] for start in range(0, len(text), piece)]
    assert list(split_text(pieces, "x")) == [b"One.", b"Two\nlines.", b"Three.", b"Four <|endof"]


def test_text_without_marks_does_not_fill_the_memory(monkeypatch):
    monkeypatch.setattr(tinystories, "LARGEST_STORY", 1000)
    with pytest.raises(DataError, match="more than 64 MiB") as caught:
        list(split_text((b"x" * 100 for _ in range(1000)), "x"))
    assert "bbyte pack" in caught.value.hint


@pytest.fixture
def folder(tmp_path):
    folder = tmp_path / "in"
    folder.mkdir()
    (folder / "a.json").write_text(json.dumps([{"story": "\n\nOne."}, {"story": ""}, {"story": "Two."}]))
    (folder / "b.json").write_text(json.dumps({"text": "Three, a record of its own."}, indent=2))
    (folder / "c.jsonl").write_text('{"completion": "Four."}\n{"content": "Fünf \\ud83d."}\n')
    (folder / "d.txt.gz").write_bytes(gzip.compress(b"Six.\n<|endoftext|>\nSeven.\n<|endoftext|>\n"))
    (folder / "LICENSE").write_text("not a story")
    return folder


def test_every_shape(folder, tmp_path):
    sharded = shard_tinystories(folder, tmp_path / "out")
    expected = ["One.", "Two.", "Three, a record of its own.", "Four.", "Fünf \ufffd.", "Six.", "Seven."]
    assert stories(tmp_path / "out") == expected
    assert (sharded.stories, sharded.without_text, sharded.unmarked) == (7, 1, ())
    assert sharded.meta.documents == 7
    assert [source.name for source in sharded.meta.sources] == [
        "in/a.json",
        "in/b.json",
        "in/c.jsonl",
        "in/d.txt.gz",
    ]


def test_a_story_is_never_cut(folder, tmp_path):
    sharded = shard_tinystories(folder, tmp_path / "out", shard_bytes=12)
    shards = [(tmp_path / "out" / shard.name).read_bytes() for shard in sharded.meta.shards]
    assert shards[0] == b"One.\0Two.\0"
    assert shards[1:4] == [b"Three, a rec", b"ord of its o", b"wn.\0Four.\0"]
    assert all(shard.endswith(b"\0") for shard in shards[3:])


def test_malformed_json_leaves_nothing_behind(folder, tmp_path):
    (folder / "c.jsonl").write_text('{"text": "Four."}\n{"text" "Five."}\n')
    with pytest.raises(DataError, match=r"in/c\.jsonl is not valid JSON: line 2, column 9"):
        shard_tinystories(folder, tmp_path / "out")
    assert [path.name for path in tmp_path.iterdir()] == ["in"]


def test_no_story_at_all(tmp_path):
    with pytest.raises(UsageError, match="is not a folder"):
        shard_tinystories(tmp_path / "gone", tmp_path / "out")
    with pytest.raises(UsageError, match=r"no \.json"):
        shard_tinystories(tmp_path, tmp_path / "out")
    (tmp_path / "a.json").write_text('{"id": 1}')
    with pytest.raises(DataError, match="no story") as caught:
        shard_tinystories(tmp_path, tmp_path / "out")
    assert "text, story, completion, content" in caught.value.hint


def test_a_text_file_without_marks_is_told(tmp_path):
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "long.txt").write_text("A line of a story.\n" * 5000)
    (tmp_path / "in" / "short.txt").write_text("A story.\n")
    assert shard_tinystories(tmp_path / "in", tmp_path / "out").unmarked == ("in/long.txt",)


def test_stories_can_be_held_out(tmp_path):
    texts = [f"Story number {number}." for number in range(500)]
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "a.json").write_text(json.dumps([{"text": text} for text in texts]))
    shard_tinystories(tmp_path / "in", tmp_path / "out", val_fraction=0.2)
    train, val = stories(tmp_path / "out"), stories(tmp_path / "out" / "val")
    assert sorted(train + val) == sorted(texts)
    assert 50 < len(val) < 150


def test_the_published_files(tmp_path):
    if not DATA.is_dir():
        pytest.skip("the test data is not in ../shared/data")
    sharded = shard_tinystories(DATA / "tinystories", tmp_path / "en")
    assert sharded.stories == 7
    assert sharded.unmarked == ("tinystories/stories_a.txt",)
    assert stories(tmp_path / "en")[0].startswith("Lily and Ben are friends.")
    russian = shard_tinystories(DATA / "tinystories-ru", tmp_path / "ru")
    lines = sum(file.read_bytes().count(b"\n") for file in (DATA / "tinystories-ru").glob("*.jsonl"))
    assert abs(russian.stories - lines) <= 5, "a last line may lack its newline"
    assert russian.without_text == 0
    assert any("лисичка" in story for story in stories(tmp_path / "ru"))
