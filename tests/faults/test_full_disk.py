"""A disk that is really full or read-only, a folder that may not be written: the old checkpoint stays."""

import errno
import os
import shutil
import signal

import pytest
from saves import check, check_next_save, complete, content, save
from small_disk import fill, free_pages, read_only, small_disk
from system_calls import ended, started

resource = pytest.importorskip("resource")
NOBODY = 65534


@pytest.mark.parametrize("step", [1, 2], ids=["replacing the only one", "beside another"])
def test_a_save_on_a_full_disk_leaves_the_old_checkpoint_and_takes_no_room(tmp_path, record_property, step):
    new = complete(tmp_path, step, 2)
    with small_disk(tmp_path / "disk", 100) as disk:
        run = disk / "run"
        save(run, 1, 1)
        old = content(run / "step-0000001")
        failures = 0
        for leave in range(40):
            ballast = fill(disk, leave)
            try:
                save(run, step, 2)
            except OSError as error:
                assert error.errno == errno.ENOSPC
                assert free_pages(disk) == leave
                assert [path.name for path in run.iterdir()] == ["step-0000001"]
                assert content(check(run, {1: [old]}).path) == old
                failures += 1
            else:
                assert content(check(run, {step: [new]}).path) == new
                break
            finally:
                ballast.unlink()
        record_property("saves on a full disk", failures)
        assert failures >= 10
        check_next_save(run, {1, step, 9})


def test_a_disk_with_room_but_no_place_for_another_file(tmp_path):
    with small_disk(tmp_path / "disk", 100, nr_inodes=10) as disk:
        run = disk / "run"
        save(run, 1, 1)
        old = content(run / "step-0000001")
        others = []
        while os.statvfs(disk).f_favail > 2:
            others.append(disk / f"other-{len(others)}")
            others[-1].touch()
        with pytest.raises(OSError, match="No space"):
            save(run, 2, 2)
        assert [path.name for path in run.iterdir()] == ["step-0000001"]
        assert content(check(run, {1: [old]}).path) == old
        for other in others:
            other.unlink()
        shutil.rmtree(run / "step-0000001")
        check_next_save(run, {9})


def test_a_disk_that_became_read_only(tmp_path):
    with small_disk(tmp_path / "disk", 100) as disk:
        save(disk / "run", 1, 1)
        old = content(disk / "run" / "step-0000001")
        with read_only(disk / "run"):
            with pytest.raises(OSError, match="Read-only"):
                save(disk / "run", 2, 2)
            assert content(check(disk / "run", {1: [old]}).path) == old
        check_next_save(disk / "run", {1, 9})


@pytest.mark.parametrize("limit", [0, 1, 4096, 4097, 20000])
def test_a_limit_on_the_size_of_files_is_met_in_the_middle_of_a_write(tmp_path, limit):
    run = tmp_path / "run"
    save(run, 1, 1)
    old = content(run / "step-0000001")

    def limited():
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
        with pytest.raises(OSError, match="too large"):
            save(run, 2, 2)

    assert ended(started(limited)) == 0
    assert [path.name for path in run.iterdir()] == ["step-0000001"]
    assert content(check(run, {1: [old]}).path) == old
    check_next_save(run, {1, 9})


@pytest.mark.parametrize("step", [1, 2], ids=["replacing the only one", "beside another"])
def test_a_folder_that_may_not_be_written(tmp_path, step):
    run = tmp_path / "run"
    save(run, 1, 1)
    old = content(run / "step-0000001")
    tmp_path.chmod(0o755)
    run.chmod(0o555)

    def as_one_who_may_not():
        if os.geteuid() == 0:
            os.setuid(NOBODY)
        with pytest.raises(PermissionError):
            save(run, step, 2)
        check(run, {1: [old]})

    assert ended(started(as_one_who_may_not)) == 0
    run.chmod(0o755)
    assert [path.name for path in run.iterdir()] == ["step-0000001"]
    check_next_save(run, {1, 9})
