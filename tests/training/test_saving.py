"""Which checkpoints a run keeps, and what happens when the disk takes none."""

import dataclasses
import errno
import json
import math
import os

import pytest
from small_runs import corpus, events, finished, losses, only, request

from bbyte import evaluation
from bbyte.checkpoint import find, meta, store
from bbyte.errors import BbyteError
from bbyte.training import saving, validator
from bbyte.training.events import Saved, Warned
from bbyte.training.request import Request
from bbyte.training.start import start


@pytest.fixture
def data(tmp_path):
    return corpus(tmp_path)


@pytest.fixture(autouse=True)
def no_pause(monkeypatch):
    monkeypatch.setattr(saving, "PAUSE", 0.0)


def steps(run):
    return sorted(int(path.name[5:]) for path in find.steps(run))


def full_disk(monkeypatch, failures):
    """The next `failures` attempts to flush a file fail; afterwards there is room again."""
    left, fsync = [failures], os.fsync

    def flush(descriptor):
        if left[0] > 0:
            left[0] -= 1
            raise OSError(errno.ENOSPC, "No space left on device")
        fsync(descriptor)

    monkeypatch.setattr(os, "fsync", flush)


@pytest.mark.parametrize("failures", [1, 2])
def test_a_full_disk_is_a_warning_and_the_next_interval_saves(tmp_path, data, monkeypatch, failures):
    trainer = start(request(tmp_path / "run", data, steps=8, save_every=2, keep=0))
    full_disk(monkeypatch, failures)
    happened = list(trainer.run())
    assert [event.step for event in only(Saved, happened)] == [2, 4, 6, 8][failures:]
    warned = [event.message for event in only(Warned, happened)]
    assert len(warned) == failures
    assert f"not saved in {tmp_path / 'run'}: No space left on device" in warned[0]
    assert "trying again at the next interval" in warned[0]
    assert steps(tmp_path / "run") == [2, 4, 6, 8][failures:]
    assert not list((tmp_path / "run").glob(".tmp-*"))


def test_the_third_failure_in_a_row_ends_the_run_and_the_last_checkpoint_is_as_it_was(
    tmp_path, data, monkeypatch
):
    out = tmp_path / "run"
    asked = request(out, data, steps=12, save_every=2, keep=1)
    events(request(tmp_path / "whole", data, steps=12, save_every=2, keep=1))
    trainer = start(asked)
    with monkeypatch.context() as patch:
        happening = trainer.run()
        for event in happening:
            if isinstance(event, Saved) and event.step == 4:
                full_disk(patch, 1000)
                break
        with pytest.raises(BbyteError, match=r"step 10: not saved in .*, 3 times in a row") as caught:
            list(happening)
    assert caught.value.exit_code == 1 and "--resume" in caught.value.hint
    assert steps(out) == [4] and find.find(out).meta.step == 4
    assert finished(events(Request(family="ar", resume=out))).step == 12
    assert losses(out) == losses(tmp_path / "whole")


def test_the_last_step_is_saved_after_a_pause(tmp_path, data, monkeypatch):
    trainer = start(request(tmp_path / "run", data))
    full_disk(monkeypatch, 2)
    happened = list(trainer.run())
    assert len(only(Warned, happened)) == 2 and "in 0 seconds" in only(Warned, happened)[0].message
    assert finished(happened).step == 12 and steps(tmp_path / "run") == [12]


def test_failures_are_counted_in_a_row(tmp_path, data, monkeypatch):
    trainer = start(request(tmp_path / "run", data, save_every=1, keep=0))
    happened = []
    with monkeypatch.context() as patch:
        for event in trainer.run():
            happened.append(event)
            if isinstance(event, Saved) and event.step in (2, 6):
                full_disk(patch, 2)
    assert steps(tmp_path / "run") == [1, 2, 5, 6, 9, 10, 11, 12]
    assert len(only(Warned, happened)) == 4


def test_rows_of_the_log_that_find_no_room_are_written_later(tmp_path, data, monkeypatch):
    events(request(tmp_path / "whole", data))
    trainer = start(request(tmp_path / "run", data))
    written, rows = type(trainer.log.folder).open, []

    def open_(self, mode="r", **settings):
        file = written(self, mode, **settings)
        if self.name == "metrics.jsonl" and mode == "a" and 3 <= len(rows) < 8:
            file.write('{"half')
            file.flush()
            file.close()
            rows.append(None)
            raise OSError(errno.ENOSPC, "No space left on device")
        if self.name == "metrics.jsonl" and mode == "a":
            rows.append(None)
        return file

    monkeypatch.setattr(type(trainer.log.folder), "open", open_)
    list(trainer.run())
    monkeypatch.undo()
    assert losses(tmp_path / "run") == losses(tmp_path / "whole")


def test_the_best_checkpoint_is_saved_at_once_and_kept(tmp_path, data, monkeypatch):
    figures = iter((5.0, 4.0, 4.5, 3.0, 3.5, 3.1))
    score = evaluation.bits_per_byte

    def scored(*args, **settings):
        found = score(*args, **settings)
        return dataclasses.replace(found, nats=next(figures) * found.bytes * math.log(2))

    monkeypatch.setattr(validator, "bits_per_byte", scored)
    out = tmp_path / "run"
    happened = events(
        request(
            out, data, steps=24, eval_every=4, save_every=0, keep=1, keep_best=True, full_precision_start=0
        )
    )
    assert [event.step for event in only(Saved, happened)] == [4, 8, 16, 24]
    assert steps(out) == [16, 24]
    described = meta.read(store.step_folder(out, 16))
    assert described.metrics["val_bpb"] == described.metrics["best_bpb"] == pytest.approx(3.0)


def test_a_figure_of_the_full_precision_start_is_not_the_best_of_a_ternary_run(tmp_path, data):
    out = tmp_path / "run"
    events(request(out, data, steps=6, eval_every=1, save_every=1, keep=1, keep_best=True,
                   full_precision_start=0.5, val_fraction=0.2))  # fmt: skip
    assert all(step > 3 for step in steps(out))


def test_without_keep_best_nothing_is_saved_out_of_turn(tmp_path, data):
    happened = events(request(tmp_path / "run", data, eval_every=1, save_every=0))
    assert [event.step for event in only(Saved, happened)] == [12]


def test_the_last_checkpoint_of_the_constant_rate_is_kept(tmp_path, data):
    out = tmp_path / "run"
    happened = events(request(out, data, steps=12, save_every=3, keep=1, cooldown=0.6))
    assert [event.step for event in only(Saved, happened)] == [3, 5, 6, 9, 12]
    assert steps(out) == [5, 12]


@pytest.mark.parametrize("settings", [{"save_every": 0}, {"schedule": "cosine", "save_every": 12}])
def test_where_nothing_is_saved_on_the_way_or_no_rate_is_constant_it_is_not(tmp_path, data, settings):
    events(request(tmp_path / "run", data, cooldown=0.6, keep=1, **settings))
    assert steps(tmp_path / "run") == [12]


def test_a_read_only_folder_is_named(tmp_path, data, monkeypatch):
    trainer = start(request(tmp_path / "run", data, save_every=4))
    refuse = OSError(errno.EROFS, "Read-only file system")
    monkeypatch.setattr(type(tmp_path), "mkdir", lambda *_, **__: (_ for _ in ()).throw(refuse))
    with pytest.raises(BbyteError, match=r"not saved in .*run: Read-only file system"):
        list(trainer.run())
    rows = (tmp_path / "run" / "metrics.jsonl").read_text().splitlines()
    assert json.loads(rows[-1])["step"] == 12
