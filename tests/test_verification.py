"""Whether what was written is still there, for checkpoints and corpora in one walk."""

import os
import shutil

import pytest
from every_family import saved
from small_runs import text

from bbyte.compression import compress
from bbyte.data.pack import pack
from bbyte.errors import UsageError
from bbyte.models.families import families
from bbyte.verification import check, items, worst


def packed(folder, **settings):
    sources = folder.parent / "sources"
    sources.mkdir()
    for seed in range(20):
        (sources / f"{seed}.txt").write_bytes(text(1000, seed))
    pack([str(sources)], str(folder), **settings)
    shutil.rmtree(sources)
    return folder


@pytest.fixture
def root(tmp_path):
    for name in families():
        saved(tmp_path / "runs" / name, name, 1)
    saved(tmp_path / "runs" / "ar", "ar", 2)
    packed(tmp_path / "texts", val_fraction=0.5, shard_bytes=4000)
    return tmp_path


def verdicts(path):
    return [check(item) for item in items(path)]


def states(path):
    return {verdict.path.name: verdict.state for verdict in verdicts(path)}


def test_everything_below_a_folder(root):
    found = verdicts(root)
    assert {verdict.state for verdict in found} == {"ok"}
    assert [verdict.what for verdict in found] == ["checkpoint"] * 4 + ["corpus", "held-out part"]
    assert sum(verdict.bytes for verdict in found) == sum(
        file.stat().st_size for file in root.rglob("*") if file.suffix in (".bin", ".safetensors")
    )


def test_every_byte_counts(root):
    files = [file for file in root.rglob("*") if file.is_file()]
    assert len(files) > 12
    for file in files:
        good = file.read_bytes()
        for at in (0, len(good) // 2, len(good) - 1):
            file.write_bytes(good[:at] + bytes([good[at] ^ 1]) + good[at + 1 :])
            found = verdicts(root)
            bad = [one for one in found if one.state != "ok"]
            assert worst(found) == "damaged" and len(bad) == 1, f"{file}, byte {at}"
            assert file.name in bad[0].problems[0][0] and bad[0].problems[0][1]
            assert [one.state for one in verdicts(file)] == ["damaged"]
        file.write_bytes(good)
    assert worst(verdicts(root)) == "ok"


def test_all_damage_is_found(root):
    files = sorted((root / "texts").glob("*.bin"))
    for file in files:
        file.write_bytes(b"x" * file.stat().st_size)
    (corpus,) = [one for one in verdicts(root / "texts") if one.what == "corpus"]
    assert [problem.split()[0] for problem, _ in corpus.problems] == [str(file) for file in files]


def test_the_rest_of_a_checkpoint_does_not_count_for_one_file(root):
    folder = root / "runs" / "ar" / "step-0000001"
    (folder / "model.safetensors").write_bytes(b"")
    assert [one.state for one in verdicts(folder / "checkpoint.json")] == ["ok"]
    assert [one.state for one in verdicts(folder / "model.safetensors")] == ["damaged"]
    assert [one.state for one in verdicts(root / "texts" / "shard_00000.bin")] == ["ok"]


def test_a_corpus_without_its_held_out_part(root):
    shutil.rmtree(root / "texts" / "val")
    (found,) = verdicts(root / "texts")
    assert found.state == "damaged" and "held-out part" in found.problems[0][0]
    shutil.copytree(packed(root / "other", val_fraction=0.4) / "val", root / "texts" / "val")
    assert states(root / "texts") == {"texts": "damaged", "val": "ok"}


def test_what_cannot_be_checked_is_not_called_ok(root):
    (root / "texts" / "corpus.json").unlink()
    (root / "old.pt").write_bytes(b"never opened")
    shutil.copy(root / "runs" / "ar" / "step-0000001" / "model.safetensors", root / "loose.safetensors")
    (root / "runs" / "ar" / "step-0000001" / "checkpoint.json").unlink()
    found = states(root)
    assert found["texts"] == found["old.pt"] == found["loose.safetensors"] == "unchecked"
    assert found["model.safetensors"] == "unchecked" and found["step-0000002"] == "ok"
    (root / "loose.safetensors").write_bytes(b"x")
    assert states(root)["loose.safetensors"] == "damaged"


def test_a_shard_that_is_not_listed(root):
    (root / "texts" / "shard_00099.bin").write_bytes(b"x")
    found = verdicts(root / "texts")
    assert [(one.what, one.state) for one in found] == [
        ("corpus", "ok"), ("shards", "unchecked"), ("held-out part", "ok")
    ]  # fmt: skip


def test_leftovers_are_no_checkpoints(root):
    folder = root / "runs" / "ar" / "step-0000001"
    shutil.copytree(folder, folder.with_suffix(".old"))
    shutil.copytree(folder, folder.parent / ".tmp-step-0000003")
    assert len(items(root / "runs" / "ar")) == 2


def to_pipe(path):
    path.unlink()
    os.mkfifo(path)


def to_folder(path):
    path.unlink()
    path.mkdir()


def to_circle(path):
    path.unlink()
    path.symlink_to(path.name)


def to_link_out(path):
    copy = path.parent.parent.parent / "elsewhere"
    path.rename(copy)
    path.symlink_to(copy)


def to_nothing(path):
    path.unlink()


@pytest.mark.skipif(os.name == "nt", reason="needs pipes")
@pytest.mark.parametrize("change", [to_pipe, to_folder, to_circle, to_link_out, to_nothing])
@pytest.mark.parametrize("name", ["model.safetensors", "checkpoint.json", "shard_00001.bin", "corpus.json"])
def test_odd_things_in_the_place_of_a_file(root, change, name):
    folder = root / "texts" if name in ("shard_00001.bin", "corpus.json") else root / "runs/ar/step-0000002"
    change(folder / name)
    found = verdicts(root)
    gone = change in (to_folder, to_nothing) and name.endswith(".json")
    assert any(one.state == ("unchecked" if gone else "damaged") for one in found)
    assert sum(one.state == "ok" for one in found) >= 4, "the others are still checked"


def test_what_may_not_be_read_is_not_called_damaged(root):
    (root / "texts" / "shard_00001.bin").chmod(0)
    if os.access(root / "texts" / "shard_00001.bin", os.R_OK):
        pytest.skip("this user may read everything")
    (root / "texts" / "val").chmod(0)
    (root / "runs" / "mamba").chmod(0)
    try:
        found = states(root)
    finally:
        (root / "runs" / "mamba").chmod(0o700)
        (root / "texts" / "val").chmod(0o700)
    assert found["texts"] == found["mamba"] == found["val"] == "unreadable"
    assert worst(verdicts(root)) == "unreadable"


def test_a_file_that_vanishes(root):
    found = items(root)
    shutil.rmtree(root / "runs")
    assert [check(item).state for item in found] == ["damaged"] * 4 + ["ok"] * 2


def test_every_byte_of_an_archive_counts(root):
    archive = compress(text(3000, 0))
    (root / "notes.bbz").write_bytes(archive)
    assert states(root)["notes.bbz"] == "ok"
    [verdict] = verdicts(root / "notes.bbz")
    assert verdict.bytes == len(archive) and verdict.what == "archive"
    for place in range(0, len(archive), 7):
        (root / "notes.bbz").write_bytes(archive[:place] + bytes([archive[place] ^ 8]) + archive[place + 1 :])
        assert verdicts(root / "notes.bbz")[0].state == "damaged"
    for size in range(0, len(archive), 41):
        (root / "notes.bbz").write_bytes(archive[:size])
        assert verdicts(root / "notes.bbz")[0].state == "damaged"


def test_where_there_is_nothing(root):
    with pytest.raises(UsageError, match="does not exist"):
        items(root / "gone")
    (root / "empty").mkdir()
    assert items(root / "empty") == []
    (root / "notes.txt").write_text("x")
    assert [one.state for one in verdicts(root / "notes.txt")] == ["unchecked"]
    assert worst([]) == "unchecked"


def test_progress_comes_to_what_was_announced(root):
    told = []
    found = items(root)
    for item in found:
        check(item, told.append)
    assert sum(told) == sum(item.bytes for item in found)
