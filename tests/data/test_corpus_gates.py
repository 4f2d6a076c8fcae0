"""What stands before every byte of a packed corpus: digests, plain files, a held-out part that is its own."""

import os
import shutil

import numpy as np
import pytest
from test_corpus import contents, write

from bbyte import manifest
from bbyte.data import corpus as corpus_module
from bbyte.data import meta
from bbyte.data.corpus import ByteCorpus
from bbyte.errors import DataError


def test_no_byte_of_a_damaged_shard_is_given(tmp_path):
    write(tmp_path / "c", bytes(100), shard_bytes=40)
    shard = tmp_path / "c" / "shard_00001.bin"
    shard.write_bytes(b"x" * 40)
    corpus = ByteCorpus.open(tmp_path / "c")
    assert corpus.read(0, 40).tobytes() == bytes(40), "the first shard is whole"
    for _ in range(2):
        with pytest.raises(DataError, match=r"shard_00001\.bin is damaged"):
            corpus.read(30, 41)
        with pytest.raises(DataError, match=r"shard_00001\.bin is damaged"):
            corpus.windows(np.array([0, 79]), 2)


def test_a_shard_is_checked_once(tmp_path, monkeypatch):
    write(tmp_path / "c", bytes(100), shard_bytes=40)
    monkeypatch.setattr(corpus_module, "_MAPS_OPEN", 1)
    corpus, digest_of, checked = ByteCorpus.open(tmp_path / "c"), manifest.digest_of, []
    monkeypatch.setattr(manifest, "digest_of", lambda file: (checked.append(file.name), digest_of(file))[1])
    for _ in range(3):
        contents(corpus)
    assert len(checked) == 3
    corpus.verify()
    assert len(checked) == 6, "who asks for it has all read anew"


def test_a_very_large_corpus_is_checked_only_on_demand_and_says_so(tmp_path, monkeypatch):
    write(tmp_path / "c", bytes(100), shard_bytes=40)
    assert ByteCorpus.open(tmp_path / "c").is_checked
    (tmp_path / "c" / "shard_00001.bin").write_bytes(b"x" * 40)
    monkeypatch.setattr(corpus_module, "CHECKED_AS_READ", 99)
    corpus = ByteCorpus.open(tmp_path / "c")
    assert not corpus.is_checked and corpus.read(40, 80).tobytes() == b"x" * 40
    with pytest.raises(DataError, match=r"shard_00001\.bin is damaged"):
        corpus.verify()


def test_a_shard_is_a_plain_file_in_its_folder(tmp_path):
    def corpus(name):
        write(tmp_path / name, b"abc")
        (tmp_path / name / "shard_00000.bin").rename(tmp_path / f"{name}.bin")
        return tmp_path / name / "shard_00000.bin"

    corpus("link").symlink_to(tmp_path / "link.bin")
    with pytest.raises(DataError, match=r"shard_00000\.bin is a link that leads out of its folder"):
        ByteCorpus.open(tmp_path / "link")
    corpus("folder").mkdir()
    os.mkfifo(corpus("pipe"))
    corpus("device").symlink_to(os.devnull)
    for name in ("folder", "pipe", "device"):
        with pytest.raises(DataError, match=r"shard_00000\.bin is no plain file"):
            ByteCorpus.open(tmp_path / name)
        (tmp_path / name / meta.FILE).unlink()
        if name != "device":
            with pytest.raises(DataError, match=r"shard_00000\.bin is no plain file"):
                ByteCorpus.open(tmp_path / name)
    write(tmp_path / "c", b"abc")
    (tmp_path / "alias").symlink_to(tmp_path / "c")
    assert ByteCorpus.open(tmp_path / "alias").size == 4, "a link to the whole folder is the user's own"


def test_a_manifest_that_is_a_pipe_or_a_link_to_nothing_is_damage(tmp_path):
    write(tmp_path / "c", b"abc")
    (tmp_path / "c" / meta.FILE).unlink()
    assert ByteCorpus.open(tmp_path / "c").meta is None
    (tmp_path / "c" / meta.FILE).symlink_to(tmp_path / "gone")
    with pytest.raises(DataError, match=r"corpus\.json is missing"):
        ByteCorpus.open(tmp_path / "c")
    (tmp_path / "c" / meta.FILE).unlink()
    os.mkfifo(tmp_path / "c" / meta.FILE)
    with pytest.raises(DataError, match=r"corpus\.json is no plain file"):
        ByteCorpus.open(tmp_path / "c")


def test_the_held_out_part_of_another_split_is_refused(tmp_path):
    documents = [b"document %d" % n for n in range(100)]
    for name, fraction in (("c", 0.3), ("other", 0.2)):
        write(tmp_path / name, *documents, val_fraction=fraction)
    write(tmp_path / "undivided", *documents)
    for name in ("other/val", "other", "undivided"):
        shutil.rmtree(tmp_path / "c" / "val")
        shutil.copytree(tmp_path / name, tmp_path / "c" / "val")
        with pytest.raises(DataError, match="is not of what"):
            _ = ByteCorpus.open(tmp_path / "c").validation


@pytest.mark.parametrize("name", ["shard_00001.bin", "shard_*.bin", "shard_0000[1-9].bin"])
def test_a_shard_opened_by_its_own_name_is_checked_too(tmp_path, name):
    write(tmp_path / "c", bytes(100), shard_bytes=40)
    whole = contents(ByteCorpus.open(tmp_path / "c" / name))
    assert whole == contents(ByteCorpus.open(tmp_path / "c"))[-len(whole) :]
    shard = tmp_path / "c" / "shard_00001.bin"
    shard.write_bytes(b"x" * 40)
    corpus = ByteCorpus.open(tmp_path / "c" / name)
    assert corpus.is_checked and corpus.meta is None
    for read in (lambda: contents(corpus), corpus.verify, lambda: corpus.fingerprint):
        with pytest.raises(DataError, match=r"shard_00001\.bin is damaged"):
            read()
    shard.write_bytes(b"x" * 39)
    with pytest.raises(DataError, match=r"has 39 bytes where corpus\.json says 40"):
        ByteCorpus.open(tmp_path / "c" / name)
    (tmp_path / "c" / meta.FILE).write_text("{}")
    with pytest.raises(DataError, match=r"corpus\.json"):
        ByteCorpus.open(tmp_path / "c" / name)


def test_a_shard_that_no_corpus_tells_of_is_a_file_like_any_other(tmp_path, monkeypatch):
    write(tmp_path / "c", bytes(100), shard_bytes=40)
    extra = tmp_path / "c" / "shard_00099.bin"
    extra.write_bytes(b"abc")
    assert contents(ByteCorpus.open(extra)) == b"abc"
    assert not ByteCorpus.open(extra).is_checked
    monkeypatch.chdir(tmp_path / "c")
    (tmp_path / "c" / "shard_00001.bin").write_bytes(b"x" * 40)
    with pytest.raises(DataError, match=r"shard_00001\.bin is damaged"):
        contents(ByteCorpus.open("shard_00001.bin"))
    monkeypatch.setattr(corpus_module, "CHECKED_AS_READ", 39)
    assert contents(ByteCorpus.open("shard_00001.bin")) == b"x" * 40, "too large, as in its corpus"
