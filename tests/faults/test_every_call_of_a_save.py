"""Every single call of a save made to fail, or to be the last one: no checkpoint is lost, none is half."""

import errno
import os
import shutil
import signal

import pytest
from saves import check, check_next_save, complete, content, save
from system_calls import SystemCalls, ended, started

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")

CASES = {  # what a run holds (step, version), then the save that is disturbed
    "beside another": (((1, 1),), (2, 2)),
    "replacing the only one": (((1, 1),), (1, 2)),
    "replacing one of two": (((1, 1), (2, 2)), (2, 3)),
    "the first": ((), (1, 1)),
}
FAULTS = [errno.ENOSPC, "full", "short", "killed", "torn", errno.EIO, errno.EACCES, "dead"]


def combinations():
    for number, case in enumerate(CASES):
        for order, fault in enumerate(FAULTS):
            name = errno.errorcode[fault] if isinstance(fault, int) else fault
            marks = pytest.mark.slow if number > 1 or order > 4 else ()
            yield pytest.param(case, fault, id=f"{case}-{name}", marks=marks)


def disturbed(run, save_of, at, fault):
    """Do a save in which the call number `at` goes wrong; returns the calls, or None after a kill."""
    if fault in ("killed", "torn"):
        assert ended(started(lambda: _disturbed(run, save_of, at, fault))) in (0, -signal.SIGKILL)
        return None
    return _disturbed(run, save_of, at, fault)


def _disturbed(run, save_of, at, fault):
    with SystemCalls(run, at, fault) as calls:
        try:
            save(run, *save_of)
        except OSError:
            if at is None:
                raise
    return calls.trace


@pytest.mark.parametrize(("case", "fault"), list(combinations()))
def test_a_fault_at_any_call_loses_nothing(tmp_path, case, fault):
    before, (step, version) = CASES[case]
    template = tmp_path / "template"
    template.mkdir()
    for earlier in before:
        save(template, *earlier)
    old = {earlier: content(template / f"step-{earlier:07d}") for earlier, _ in before}
    new = complete(tmp_path, step, version)
    trace = disturbed(shutil.copytree(template, tmp_path / "counted"), (step, version), None, None)
    assert len(trace) >= 30
    points = [at for at, call in enumerate(trace) if fault != "short" or call.name == "write"]
    for at in points:
        run = shutil.copytree(template, tmp_path / "run")
        disturbed(run, (step, version), at, fault)
        for other in old.keys() - {step}:
            assert content(run / f"step-{other:07d}") == old[other]
        if old:
            newest = max(old)
            check(run, {newest: [old[newest]], step: [new, *([old[step]] if step in old else [])]})
        is_there = bool(old.keys() & {step}) or (run / f"step-{step:07d}").exists()
        check_next_save(run, {*old, 9} | ({step} if is_there else set()))
        shutil.rmtree(run)


@pytest.mark.slow
@pytest.mark.parametrize("second", ["killed", "dead"])
def test_two_saves_in_a_row_that_both_go_wrong_lose_nothing(tmp_path, second):
    template = tmp_path / "template"
    save(template, 1, 1)
    contents = [content(template / "step-0000001"), complete(tmp_path, 1, 2), complete(tmp_path, 1, 3)]
    calls = len(disturbed(shutil.copytree(template, tmp_path / "counted"), (1, 2), None, None))
    for at in range(calls):
        once = shutil.copytree(template, tmp_path / "once")
        disturbed(once, (1, 2), at, "killed")
        counted = shutil.copytree(once, tmp_path / "counted-again")
        for then in range(len(disturbed(counted, (1, 3), None, None))):
            twice = shutil.copytree(once, tmp_path / "twice")
            disturbed(twice, (1, 3), then, second)
            check(twice, {1: contents})
            shutil.rmtree(twice)
        shutil.rmtree(once)
        shutil.rmtree(counted)
