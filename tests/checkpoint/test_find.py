"""Finding the newest good checkpoint: damage is seen, skipped and named."""

import os

import pytest
from small import saved

from bbyte.checkpoint import find, meta
from bbyte.errors import BbyteError, DataError, UsageError


@pytest.fixture
def run(tmp_path):
    for step in (1, 2, 10):
        saved(tmp_path / "run", step)
    return tmp_path / "run"


def flip(path, at=-1):
    data = bytearray(path.read_bytes())
    data[at] ^= 1
    path.write_bytes(data)


def test_a_run_means_its_newest_checkpoint(run):
    found = find.find(run)
    assert found.path.name == "step-0000010" and found.meta.step == 10 and found.skipped == ()


@pytest.mark.parametrize("name", ["", "checkpoint.json", "model.safetensors"])
def test_a_checkpoint_is_found_by_its_folder_and_by_its_files(run, name):
    assert find.find(run / "step-0000002" / name).meta.step == 2


def test_a_damaged_newest_is_skipped_and_named(run):
    flip(run / "step-0000010" / "model.safetensors")
    flip(run / "step-0000002" / "optimizer.safetensors")
    found = find.find(run)
    assert found.path.name == "step-0000001"
    assert [path.name for path, _ in found.skipped] == ["step-0000010", "step-0000002"]
    assert "model.safetensors does not match the digest" in found.skipped[0][1]
    assert "optimizer.safetensors" in found.skipped[1][1]


def test_where_all_are_damaged_it_is_said(run):
    for step in find.steps(run):
        (step / "model.safetensors").write_bytes(b"")
    with pytest.raises(DataError, match=r"none of its 3 checkpoints is intact.*0 bytes long"):
        find.find(run)
    with pytest.raises(DataError, match="0 bytes long"):
        find.find(run / "step-0000002")


@pytest.mark.parametrize("name", ["model.safetensors", "optimizer.safetensors"])
def test_a_missing_file_is_named(run, name):
    (run / "step-0000010" / name).unlink()
    with pytest.raises(DataError, match=f"{name} is missing"):
        find.find(run / "step-0000010")
    assert find.find(run).meta.step == 2
    (run / "step-0000010" / name).mkdir()
    with pytest.raises(DataError, match=f"{name} is no plain file"):
        find.find(run / "step-0000010")


def test_every_flip_of_a_header_byte_and_of_data_bytes_is_seen(tmp_path):
    folder = saved(tmp_path)
    for name in ("model.safetensors", "optimizer.safetensors"):
        path = folder / name
        good = path.read_bytes()
        header_end = 8 + int.from_bytes(good[:8], "little")
        data = range(header_end, len(good), max(1, (len(good) - header_end) // 200))
        for at in (*range(header_end), *data, len(good) - 1):
            path.write_bytes(good[:at] + bytes([good[at] ^ 1 << at % 8]) + good[at + 1 :])
            with pytest.raises(DataError, match="does not match the digest"):
                find.verify(folder)
        path.write_bytes(good)
        find.verify(folder)


def test_every_truncation_and_every_addition_is_seen(tmp_path):
    folder = saved(tmp_path)
    path = folder / "model.safetensors"
    good = path.read_bytes()
    for raw in (*(good[:n] for n in range(0, len(good), 37)), good[:-1], good + b"\0", good * 2):
        path.write_bytes(raw)
        with pytest.raises(DataError, match="bytes long, not"):
            find.verify(folder)


def test_where_there_is_nothing_the_request_is_at_fault(tmp_path):
    with pytest.raises(UsageError, match="does not exist"):
        find.find(tmp_path / "nowhere")
    with pytest.raises(UsageError, match="holds no checkpoint"):
        find.find(tmp_path)
    (tmp_path / "file").write_bytes(b"x")
    with pytest.raises(UsageError, match="holds no checkpoint"):
        find.find(tmp_path / "file")
    with pytest.raises(UsageError):
        find.find(tmp_path / "model.safetensors")


def test_leftovers_of_a_save_are_no_checkpoints(run):
    (run / "step-0000010").rename(run / ".tmp-step-0000010")
    (run / "step-0000011").mkdir()
    assert find.find(run).meta.step == 2


def test_steps_are_ordered_by_number(tmp_path):
    for step in (2, 9_999_999, 10_000_000, 123_456_789):
        saved(tmp_path, step)
    assert [meta.read(step).step for step in find.steps(tmp_path)] == [123_456_789, 10_000_000, 9_999_999, 2]


@pytest.mark.skipif(os.name == "nt" or os.geteuid() == 0, reason="this user may read everything")
def test_a_file_that_may_not_be_read_is_told_by_the_system(run):
    (run / "step-0000010" / "model.safetensors").chmod(0)
    with pytest.raises((BbyteError, PermissionError)):
        find.find(run / "step-0000010")


def test_the_newest_run_is_that_of_the_newest_checkpoint(tmp_path):
    for number, name in enumerate(("b", "c", "a")):
        folder = saved(tmp_path / name)
        os.utime(folder, (number, number))
    (tmp_path / "empty").mkdir()
    assert [run.name for run in find.runs(tmp_path)] == ["a", "c", "b"]
    assert find.newest(tmp_path).name == "a"
    with pytest.raises(BbyteError, match="no checkpoint under"):
        find.newest(tmp_path / "empty")
