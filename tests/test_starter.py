"""The embedded corpus: found, the same every time, and split."""

import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import pytest

from bbyte import starter
from bbyte.data import meta
from bbyte.data.corpus import ByteCorpus
from bbyte.data.corpus_writer import CorpusWriter
from bbyte.errors import BbyteError


@pytest.fixture(scope="module")
def library():
    """The documentation of this Python, collected once."""
    return list(starter.documentation())


@pytest.fixture
def small_library(tmp_path, monkeypatch):
    """A library of a few files in place of Python's own."""
    root = tmp_path / "library"
    files = {
        "pydoc_data/topics.py": "topics = {'if': 'The if statement', 'for': 'Loops' ' go on'}",
        "pydoc_data/__init__.py": "",
        "shapes.py": '"""All shapes."""\nclass Round:\n    """A round one."""\n    def roll(self): "Rolls."',
        "copies.py": '"""All shapes."""\nasync def f():\n    """\n    First.\n\n        Deeper.\n    """\n',
        "broken.py": "this is = not Python",
        "test/test_shapes.py": '"""Not this."""',
        "site-packages/other.py": '"""Nor this."""',
        "odd.py": '"""Half a pair: \\ud800."""',
    }
    for name, text in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    monkeypatch.setattr(starter.sysconfig, "get_path", lambda name: str(root))
    return root


def test_it_is_the_documentation_of_this_python(library):
    names = dict(library)
    assert len(names) > 3000
    assert b"assert" in names["help('assert')"]
    assert b"path components" in names["posixpath:join"]
    assert 1_000_000 < sum(len(text) for _, text in library) < 4_000_000
    assert not any("site-packages" in name or name.startswith("test.") for name in names)


def test_no_text_comes_twice(library):
    assert len({text for _, text in library}) == len(library)


def test_collecting_imports_nothing_and_warns_of_nothing():
    code = (
        "import sys, sysconfig; from bbyte import starter\n"
        "sysconfig.get_path('stdlib'); before = set(sys.modules)\n"
        "count = sum(1 for _ in starter.documentation())\n"
        "print(sorted(name for name in set(sys.modules) - before if not name.startswith('encodings')))"
    )
    shown = subprocess.run(
        [sys.executable, "-W", "always", "-c", code], check=True, capture_output=True, text=True
    )
    assert shown.stdout == "[]\n"
    assert shown.stderr == ""


def test_what_is_collected(small_library):
    found = {name: text.decode() for name, text in starter.documentation()}
    assert found == {
        "help('if')": "The if statement",
        "help('for')": "Loops go on",
        "copies": "All shapes.",
        "copies:f": "First.\n\n    Deeper.",
        "shapes:Round": "A round one.",
        "shapes:roll": "Rolls.",
        "odd": "Half a pair: \\ud800.",
    }


def test_the_order_is_that_of_the_digests_whatever_the_files(small_library):
    before = [text for _, text in starter.documentation()]
    (small_library / "another.py").write_text('"""Something else."""')
    after = [text for _, text in starter.documentation() if text != b"Something else."]
    assert before == after
    assert before != sorted(before)


def test_a_python_without_sources_is_told(tmp_path, monkeypatch):
    monkeypatch.setattr(starter.sysconfig, "get_path", lambda name: str(tmp_path / "python.zip"))
    with pytest.raises(BbyteError, match="came without the sources") as caught:
        starter.pack_documentation(tmp_path / "out" / "docs")
    assert "--data" in caught.value.hint
    assert not (tmp_path / "out" / "docs").exists()


def test_it_is_packed_once_with_a_tenth_held_out(library, tmp_path, monkeypatch):
    monkeypatch.setattr(starter, "documentation", lambda: iter(library))
    path, sentence = starter.default_corpus(tmp_path / "datasets")
    assert path == tmp_path / "datasets" / starter.NAME
    assert "Python's own documentation" in sentence
    assert "\n" not in sentence
    corpus = ByteCorpus.open(path)
    total = corpus.size + corpus.validation.size
    assert corpus.validation.size > 100_000
    assert 0.05 < corpus.validation.size / total < 0.18
    held_out = set(corpus.validation.read(0, corpus.validation.size).tobytes().split(b"\0"))
    assert len(held_out & set(corpus.read(0, corpus.size).tobytes().split(b"\0"))) <= 1, "but the empty end"
    monkeypatch.setattr(starter, "documentation", lambda: pytest.fail("packed again"))
    assert starter.pack_documentation(path).fingerprint == corpus.fingerprint
    assert starter.default_corpus(tmp_path / "datasets") == (path, f"taking the newest corpus, {path}")


def many():
    return ((f"d{number}", f"document number {number}".encode()) for number in range(200))


def test_a_damaged_one_is_packed_again(tmp_path, monkeypatch):
    monkeypatch.setattr(starter, "documentation", many)
    good = starter.pack_documentation(tmp_path / "docs")
    shard = tmp_path / "docs" / "val" / "shard_00000.bin"
    shard.write_bytes(bytes(len(shard.read_bytes())))
    again = starter.pack_documentation(tmp_path / "docs")
    again.verify()
    assert again.fingerprint == good.fingerprint


def test_several_at_once_agree(tmp_path, monkeypatch):
    monkeypatch.setattr(starter, "documentation", many)
    with ThreadPoolExecutor(4) as threads:
        corpora = list(threads.map(starter.pack_documentation, [tmp_path / "docs"] * 4))
    assert len({corpus.fingerprint for corpus in corpora}) == 1
    assert [path.name for path in tmp_path.iterdir() if not path.name.startswith(".")] == ["docs"]


def test_a_corpus_of_ones_own_goes_first(tmp_path):
    for age, name in ((5, "older"), (0, "mine")):
        with CorpusWriter(tmp_path / name) as writer:
            writer.add(b"text")
        os.utime(tmp_path / name / meta.FILE, (1_700_000_000 - age, 1_700_000_000 - age))
    assert starter.default_corpus(tmp_path) == (
        tmp_path / "mine",
        f"taking the newest corpus, {tmp_path / 'mine'}",
    )
