"""Datasets by name, from a server on this machine that answers as the Hugging Face Hub does."""

import io
import json
import os
import subprocess
import sys

import pytest

pa = pytest.importorskip("pyarrow", reason="needs pip install 'bbyte[data]'")
pytest.importorskip("huggingface_hub", reason="needs pip install 'bbyte[data]'")

from file_server import COMMIT, serving  # noqa: E402

from bbyte.data.corpus import ByteCorpus  # noqa: E402
from bbyte.data.sources import hub  # noqa: E402
from bbyte.errors import UsageError  # noqa: E402


def parquet(*texts):
    from pyarrow import parquet

    file = io.BytesIO()
    parquet.write_table(pa.table({"id": range(len(texts)), "text": texts}), file)
    return file.getvalue()


def lines(*texts):
    return "\n".join(json.dumps({"text": text}) for text in texts).encode()


PLAIN = {
    "README.md": b"a card",
    "data/train-00001-of-00002.parquet": parquet("b"),
    "data/train-00000-of-00002.parquet": parquet("a1", "a2"),
    "data/test-00000-of-00001.parquet": parquet("t"),
    "extra.jsonl": lines("not this"),
}
CARD = {
    "configs": [
        {"config_name": "other", "data_files": "raw/*.jsonl"},
        {
            "config_name": "stories",
            "default": True,
            "data_files": [
                {"split": "train", "path": ["s/**/a*.parquet"]},
                {"split": "dev", "path": "s/dev.parquet"},
            ],
        },
    ]
}
CONFIGURED = {
    "s/x/a1.parquet": parquet("s1"),
    "s/x/y/a2.parquet": parquet("s2"),
    "s/dev.parquet": parquet("d"),
    "raw/one.jsonl": lines("r1", "r2"),
}
DATASETS = {
    "org/plain": ({}, PLAIN),
    "org/cards": (CARD, CONFIGURED),
    "org/lines": ({}, {"en/a.jsonl": lines("e"), "de/a.jsonl": lines("d")}),
    "org/other": ({}, {"a.csv": b"x"}),
}

RUN = """
import sys
from bbyte.cli import main
pairs = zip(sys.argv[1::2], sys.argv[2::2])
sys.exit(max(main(["pack", name, "--out-dir", folder]) for name, folder in pairs))
"""


@pytest.fixture(scope="module")
def server():
    with serving({}, DATASETS) as server:
        yield server


def pack(endpoint, folder, *names):
    """All in one process, as huggingface_hub looks at its endpoint only once."""
    settings = {"HF_ENDPOINT": endpoint, "HF_HOME": str(folder / "home"), "HF_HUB_DISABLE_XET": "1"}
    words = [word for number, name in enumerate(names) for word in (name, f"{number}")]
    return subprocess.run(
        [sys.executable, "-c", RUN, *words],
        cwd=folder,
        env={**os.environ, **settings, "HF_HUB_DISABLE_TELEMETRY": "1", "HF_HUB_OFFLINE": "0"},
        capture_output=True,
        text=True,
    )


def test_configurations_and_splits(server, tmp_path):
    expected = {
        "hf:org/plain": b"a1\0a2\0b\0",
        "hf:org/plain:test": b"t\0",
        "hf:org/cards": b"s1\0s2\0",
        "hf:org/cards/stories:dev": b"d\0",
        "hf:org/cards/other": b"r1\0r2\0",
        "hf:org/lines/de": b"d\0",
        "hf:org/lines": b"d\0e\0",
    }
    done = pack(server.url, tmp_path, *expected)
    assert done.returncode == 0, done.stderr
    corpora = [ByteCorpus.open(tmp_path / str(number)) for number in range(len(expected))]
    assert [corpus.read(0, corpus.size).tobytes() for corpus in corpora] == [*expected.values()]
    sources = corpora[0].meta.sources
    assert [source.name for source in sources] == [
        "hf:org/plain/data/train-00000-of-00002.parquet",
        "hf:org/plain/data/train-00001-of-00002.parquet",
    ]
    assert {source.revision for source in sources} == {COMMIT}
    assert all(COMMIT in asked for asked in server.asked if "/resolve/" in asked)


def test_what_is_not_there_is_a_sentence(server, tmp_path):
    expected = {
        "hf:org/none": "there is no dataset org/none, or it needs a token",
        "hf:org/plain:dev": "org/plain has no split dev",
        "hf:org/cards/none": "org/cards has no configuration none",
        "hf:org/cards:none": "org/cards has no split none",
        "hf:org/lines/fr": "org/lines has no folder fr",
        "hf:org/other": "org/other has no Parquet, JSON or Arrow file there",
        "hf:plain": "hf:plain is no name of a dataset",
    }
    done = pack(server.url, tmp_path, *expected)
    assert done.returncode == 2
    said = [line.removeprefix("error: ") for line in done.stderr.splitlines() if line.startswith("error: ")]
    assert said == [*expected.values()]
    assert "there is: train, dev" in done.stderr
    assert "there is: stories, other" in done.stderr


@pytest.mark.parametrize(
    ("pattern", "path", "fits"),
    [
        ("*.parquet", "a.parquet", True),
        ("*.parquet", "d/a.parquet", False),
        ("**/*.parquet", "a.parquet", True),
        ("**/*.parquet", "d/e/a.parquet", True),
        ("data/train-?.json", "data/train-1.json", True),
        ("./data/a.json", "data/a.json", True),
        ("data/a.json", "data/aXjson", False),
    ],
)
def test_patterns(pattern, path, fits):
    assert hub._matches(path, pattern) is fits


def test_splits_by_word():
    paths = ["data/train-0.parquet", "data/training.parquet", "train/x.parquet", "test.parquet"]
    assert hub._of_split(paths, "r", None) == ["data/train-0.parquet", "train/x.parquet"]
    assert hub._of_split(paths, "r", "test") == ["test.parquet"]
    assert hub._of_split(["a.parquet"], "r", None) == ["a.parquet"]
    with pytest.raises(UsageError, match="no split dev"):
        hub._of_split(paths, "r", "dev")


def test_a_hub_that_cannot_be_reached(tmp_path):
    for endpoint in ("http://127.0.0.1:1", "http://no-such-host.invalid"):
        done = pack(endpoint, tmp_path, "hf:org/plain")
        assert done.returncode == 1 and "hf:org/plain cannot be read: " in done.stderr
        assert "Traceback" not in done.stderr
