"""Folders appear whole or not at all, and nobody's files are lost."""

import errno
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from bbyte.data import staging
from bbyte.data.staging import new_corpus_folder
from bbyte.errors import UsageError


def write(target, text, *, replace=False):
    with new_corpus_folder(target, replace=replace) as folder:
        (folder / "shard_00000.bin").write_text(text)


def everything_in(folder):
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*"))


def test_a_folder_appears_when_the_block_ends(tmp_path):
    target = tmp_path / "new" / "deeper" / "corpus"
    with new_corpus_folder(target, replace=False) as folder:
        (folder / "shard_00000.bin").write_text("a")
        assert not target.exists()
        assert folder.parent == target.parent
    assert everything_in(tmp_path) == [
        "new",
        "new/deeper",
        "new/deeper/corpus",
        "new/deeper/corpus/shard_00000.bin",
    ]


@pytest.mark.parametrize("error", [RuntimeError, KeyboardInterrupt, SystemExit])
def test_a_failure_leaves_nothing_not_even_parents(tmp_path, error):
    with pytest.raises(error), new_corpus_folder(tmp_path / "a" / "b" / "c", replace=False):
        raise error
    assert everything_in(tmp_path) == []


def test_an_empty_folder_is_taken(tmp_path):
    (tmp_path / "corpus").mkdir()
    write(tmp_path / "corpus", "a")
    assert everything_in(tmp_path) == ["corpus", "corpus/shard_00000.bin"]


def test_replacing_needs_a_word_and_a_corpus(tmp_path):
    target = tmp_path / "corpus"
    write(target, "old")
    with pytest.raises(UsageError, match="not empty") as caught:
        write(target, "new")
    assert "--force" in caught.value.hint
    write(target, "new", replace=True)
    assert (target / "shard_00000.bin").read_text() == "new"
    assert everything_in(tmp_path) == ["corpus", "corpus/shard_00000.bin"]


def test_what_was_there_survives_a_failure(tmp_path):
    target = tmp_path / "corpus"
    write(target, "old")
    with pytest.raises(RuntimeError), new_corpus_folder(target, replace=True) as folder:
        (folder / "shard_00000.bin").write_text("new")
        raise RuntimeError
    assert (target / "shard_00000.bin").read_text() == "old"
    assert everything_in(tmp_path) == ["corpus", "corpus/shard_00000.bin"]


@pytest.mark.parametrize("failing", range(2))
def test_what_was_there_survives_a_rename_that_fails(tmp_path, monkeypatch, failing):
    target = tmp_path / "corpus"
    write(target, "old")
    rename, calls = Path.rename, []

    def sometimes(self, to):
        calls.append(self)
        if len(calls) == failing + 1:
            raise OSError(errno.EIO, "input/output error")
        return rename(self, to)

    monkeypatch.setattr(Path, "rename", sometimes)
    with pytest.raises(OSError, match="input/output"):
        write(target, "new", replace=True)
    assert (target / "shard_00000.bin").read_text() == "old"
    assert everything_in(tmp_path) == ["corpus", "corpus/shard_00000.bin"]


@pytest.mark.parametrize("foreign", ["thesis.txt", "shard_1.bin", "val/thesis.txt", "other/shard_00000.bin"])
def test_nothing_but_a_corpus_is_replaced(tmp_path, foreign):
    target = tmp_path / "corpus"
    write(target, "old")
    (target / foreign).parent.mkdir(exist_ok=True)
    (target / foreign).write_text("years of work")
    with pytest.raises(UsageError, match="no part of a corpus"):
        write(target, "new", replace=True)
    assert (target / foreign).read_text() == "years of work"


@pytest.mark.skipif(sys.platform == "win32", reason="links need a privilege on Windows")
def test_links_are_no_part_of_a_corpus(tmp_path):
    (tmp_path / "corpus").mkdir()
    (tmp_path / "corpus" / "shard_00000.bin").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(UsageError, match="no part of a corpus"):
        write(tmp_path / "corpus", "new", replace=True)
    (tmp_path / "nowhere").symlink_to(tmp_path / "gone")
    with pytest.raises(UsageError, match="leads nowhere"):
        write(tmp_path / "nowhere", "new")


def test_what_cannot_be_a_target(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("x")
    with pytest.raises(UsageError, match="is a file"):
        write(tmp_path / "file", "new")
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UsageError, match="cannot be replaced"):
        write(Path(), "new")


WRITER = """
import sys, time
from pathlib import Path
from bbyte.data.staging import new_corpus_folder
with new_corpus_folder(Path(sys.argv[1]), replace=True) as folder:
    (folder / "shard_00000.bin").write_text("half")
    print("writing", flush=True)
    time.sleep(60)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="signals")
def test_the_next_writer_clears_up_after_one_that_was_killed_but_not_after_one_at_work(tmp_path):
    target = tmp_path / "corpus"
    with subprocess.Popen(
        [sys.executable, "-c", WRITER, str(target)], stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout.readline() == "writing\n"
        write(target, "mine", replace=True)
        assert len(list(tmp_path.iterdir())) == 2, "the other is still writing"
        process.send_signal(signal.SIGKILL)
    write(target, "mine again", replace=True)
    assert everything_in(tmp_path) == ["corpus", "corpus/shard_00000.bin"]


def test_a_kill_between_the_two_renames_loses_nothing(tmp_path):
    target = tmp_path / "corpus"
    write(target, "old")
    target.rename(tmp_path / ".corpus.previous")
    with pytest.raises(RuntimeError), new_corpus_folder(target, replace=True):
        raise RuntimeError
    assert (target / "shard_00000.bin").read_text() == "old"


@pytest.mark.skipif(sys.platform == "win32", reason="modes")
def test_the_folder_is_as_open_as_any(tmp_path):
    write(tmp_path / "corpus", "a")
    (tmp_path / "plain").mkdir()
    assert (tmp_path / "corpus").stat().st_mode == (tmp_path / "plain").stat().st_mode


def test_a_replacement_is_durable_before_the_old_one_goes(tmp_path, monkeypatch):
    calls = []
    write(tmp_path / "corpus", "old")
    rename = Path.rename
    monkeypatch.setattr(staging, "flush_folder", lambda folder: calls.append(("sync", folder)))
    monkeypatch.setattr(Path, "rename", lambda self, to: (calls.append(("rename", to)), rename(self, to))[1])
    monkeypatch.setattr(staging, "_recover", lambda target: calls.append(("recover", target)))
    write(tmp_path / "corpus", "new", replace=True)
    assert [call for call, _ in calls] == ["recover", "sync", "rename", "rename", "sync", "recover"]
    assert calls[4] == ("sync", tmp_path)


def test_what_was_there_survives_a_sync_that_fails(tmp_path, monkeypatch):
    write(tmp_path / "corpus", "old")

    def fail(folder):
        if folder == tmp_path:
            raise OSError(errno.EIO, "input/output error")

    monkeypatch.setattr(staging, "flush_folder", fail)
    with pytest.raises(OSError, match="input/output"):
        write(tmp_path / "corpus", "new", replace=True)
    assert (tmp_path / "corpus" / "shard_00000.bin").read_text() == "old"
    assert everything_in(tmp_path) == ["corpus", "corpus/shard_00000.bin"]
