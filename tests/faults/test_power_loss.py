"""A save flushes everything in an order that a power loss at any moment cannot turn into a loss."""

import shutil
import signal

import pytest
from disk import lose
from saves import check, check_next_save, complete, content, save
from system_calls import Call, SystemCalls, ended, started

from bbyte.errors import BbyteError

FILES = ("model.safetensors", "optimizer.safetensors", "checkpoint.json")


def traced(run, *, upto=None):
    """Save step 1 anew; returns the calls. The process is killed before the call number `upto`."""
    with SystemCalls(run, upto, "killed") as calls:
        save(run, 1, 2)
    return calls.trace


@pytest.fixture
def run(tmp_path):
    save(tmp_path / "run", 1, 1)
    return tmp_path / "run"


@pytest.mark.parametrize("replacing", [False, True])
def test_everything_is_flushed_before_it_is_renamed_and_the_folder_after(tmp_path, replacing):
    run, temporary = tmp_path / "run", ".tmp-step-0000001"
    run.mkdir()
    if replacing:
        save(run, 1, 1)
    moments = [call for call in traced(run) if call.name in ("fsync", "rename", "rmdir")]
    aside = [Call("rename", "step-0000001", "step-0000001.old")]
    removed = [
        Call("fsync", "."),
        Call("rename", "step-0000001.old", ".tmp-step-0000001.old"),
        Call("rmdir", ".tmp-step-0000001.old"),
    ]
    assert moments == [
        *(Call("fsync", f"{temporary}/{name}") for name in FILES),
        Call("fsync", temporary),
        *(aside if replacing else []),
        Call("rename", temporary, "step-0000001"),
        Call("fsync", "."),
        *(removed if replacing else []),
    ]


def test_checkpoint_json_is_begun_when_all_else_is_flushed(run):
    trace = traced(run)
    begun = trace.index(Call("open", ".tmp-step-0000001/checkpoint.json"))
    assert begun > max(trace.index(Call("fsync", f".tmp-step-0000001/{name}")) for name in FILES[:2])


def power_fails(run, trace, at, *, entries, flushes=None):
    """The state of the disk when the power fails before the call number `at`; `flushes`: those that count."""
    assert ended(started(lambda: traced(run, upto=at))) == (-signal.SIGKILL if at < len(trace) else 0)
    believed = [call for call in trace[:at] if call.name != "fsync" or flushes is None or call in flushes]
    lose(run, believed, entries=entries)


@pytest.mark.parametrize("entries", [pytest.param(False, marks=pytest.mark.slow), True])
def test_a_power_loss_at_any_call_loses_nothing(tmp_path, run, entries):
    old, new = content(run / "step-0000001"), complete(tmp_path, 1, 2)
    trace = traced(shutil.copytree(run, tmp_path / "counted"))
    for at in range(len(trace) + 1):
        again = shutil.copytree(run, tmp_path / "again")
        power_fails(again, trace, at, entries=entries)
        found = check(again, {1: [old, new]})
        assert at < len(trace) or content(found.path) == new
        check_next_save(again, {1, 9})
        shutil.rmtree(again)


@pytest.mark.slow
@pytest.mark.parametrize("without", range(5))
def test_without_any_one_of_the_flushes_something_would_be_lost(tmp_path, run, without):
    allowed = {1: [content(run / "step-0000001"), complete(tmp_path, 1, 2)]}
    trace = traced(shutil.copytree(run, tmp_path / "counted"))
    flushes = list(dict.fromkeys(call for call in trace if call.name == "fsync"))
    assert len(flushes) == 5
    with pytest.raises((BbyteError, AssertionError)):
        for at in range(len(trace) + 1):
            again = shutil.copytree(run, tmp_path / f"again-{at}")
            power_fails(again, trace, at, entries=True, flushes=flushes[:without] + flushes[without + 1 :])
            check(again, allowed)
