"""A file that is replaced is the old one or the new one, whatever fails; folders that cannot be flushed."""

import errno
import os
import signal

import pytest
from disk import lose
from system_calls import Call, SystemCalls, ended, started

from bbyte import durable

FAULTS = [errno.ENOSPC, errno.EIO, errno.EACCES, "full", "dead", "short", "killed", "torn"]
OLD, NEW = "old\n" * 3000, "new\n" * 5000


def replace(folder, at=None, fault=None):
    with SystemCalls(folder, at, fault) as calls:
        try:
            durable.replace_text(folder / "config.toml", NEW)
        except OSError:
            if at is None:
                raise
    return calls.trace


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "config.toml").write_text(OLD)
    return tmp_path


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_at_any_call_leaves_the_old_file_or_the_new_one(folder, fault):
    path = folder / "config.toml"
    calls = replace(folder)
    for at, call in enumerate(calls):
        path.write_text(OLD)
        if fault in ("killed", "torn"):
            assert ended(started(lambda at=at: replace(folder, at, fault))) == -signal.SIGKILL
        elif fault != "short" or call.name == "write":
            replace(folder, at, fault)
        assert path.read_text() in (OLD, NEW)
        if isinstance(fault, str) and fault in ("full", "short"):
            assert [path.name for path in folder.iterdir()] == ["config.toml"]
        replace(folder)
        assert path.read_text() == NEW
        assert [path.name for path in folder.iterdir()] == ["config.toml"]


def test_a_power_loss_at_any_call_leaves_the_old_file_or_the_new_one(folder):
    path = folder / "config.toml"
    trace = replace(folder)
    for at in range(len(trace) + 1):
        path.write_text(OLD)
        ended(started(lambda at=at: replace(folder, at, "killed")))
        lose(folder, trace[:at], entries=False)
        assert path.read_text() in (OLD, NEW)
        assert at < len(trace) or path.read_text() == NEW
    assert [call for call in trace if call.name in ("fsync", "rename")] == [
        Call("fsync", ".tmp-config.toml"),
        Call("rename", ".tmp-config.toml", "config.toml"),
        Call("fsync", "."),
    ]


def test_a_file_system_that_does_not_flush_folders_is_borne_a_failing_disk_is_not(folder, monkeypatch):
    def fsync(descriptor):
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(os, "fsync", fsync)
    number = errno.EINVAL
    durable.flush_folder(folder)
    number = errno.EIO
    with pytest.raises(OSError, match="Input/output"):
        durable.flush_folder(folder)
