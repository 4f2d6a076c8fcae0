"""A step's time is put together from its parts, for every stage of the run; nothing is left behind."""

import pytest
import torch

from bbyte.errors import OutOfMemoryError
from bbyte.training.planning import probe as probing
from bbyte.training.planning.probe import probe
from bbyte.training.planning.rehearsal import Rehearsal
from bbyte.training.request import Request
from bbyte.training.settings import check

A_BYTE, QUANTIZING, UPDATING = 1e-5, 0.004, 0.05


TRAINING = {"batch_size": 8, "seq_len": 64, "optimizer": "adamw", "steps": 100}


def settings(*, model=None, runtime=None, **training):
    given = {"model": model or {}, "training": TRAINING | training}
    on = {"device": "cpu", "threads": 1, **(runtime or {})}
    return check(Request(family="ar", preset="tiny", runtime=on, **given))


@pytest.fixture
def clock(monkeypatch):
    """Time passes only in the two halves of a step, by what they compute."""

    class Clock:
        now = 0.0
        shapes = []  # noqa: RUF012

        def perf_counter(self):
            return self.now

    clock, stale = Clock(), {"weights": True}
    real = probing.increment_version

    def compute(self, window, forward=None):
        quantized = getattr(self.model.blocks[0].mlp.down_proj, "active", False)
        clock.now += A_BYTE * window.shape[0] * (window.shape[1] - 1) * (2 if quantized else 1)
        clock.now += QUANTIZING if quantized and stale["weights"] else 0
        clock.shapes.append(tuple(window.shape))
        stale["weights"] = False

    def update(self):
        clock.now += UPDATING
        stale["weights"] = True

    def increment(tensors):
        stale["weights"] = True
        real(tensors)

    monkeypatch.setattr(probing, "time", clock)
    monkeypatch.setattr(Rehearsal, "compute", compute)
    monkeypatch.setattr(Rehearsal, "update", update)
    monkeypatch.setattr(probing, "increment_version", increment)
    return clock


def test_a_step_is_its_micro_batches_and_one_update(clock):
    asked = settings(batch_size=8, grad_accum=3, full_precision_start=0.0)
    pace = probe(asked, 4)
    assert pace.bytes_a_step == 8 * 3 * 64
    assert pace.seconds_a_step == pytest.approx(2 * A_BYTE * 8 * 3 * 64 + QUANTIZING + UPDATING)
    assert pace.bytes_per_second == pytest.approx(pace.bytes_a_step / pace.seconds_a_step)


def test_every_stage_counts_by_its_share_of_the_steps(clock):
    asked = settings(seq_len=None, batch_size=2, full_precision_start=0.2)  # 2048 at 20 %, 4096 at 30 %, 8192
    pace = probe(asked, 2, seconds=100)
    mean = 2 * (0.2 * 2048 + 0.3 * 4096 + 0.5 * 8192)
    assert pace.bytes_a_step == pytest.approx(mean)
    # In the first fifth weights are full precision, which takes half the time here and no quantizing.
    computing = A_BYTE * (2 * mean - 2 * 0.2 * 2048)
    assert pace.seconds_a_step == pytest.approx(computing + 0.8 * QUANTIZING + UPDATING)


def test_steps_may_still_be_open(clock):
    known = probe(settings(), 8).seconds_a_step
    for still_open in ({"steps": None}, {"steps": None, "epochs": 2}):
        assert probe(settings(**still_open), 8).seconds_a_step == pytest.approx(known)


def test_what_would_take_too_long_is_tried_on_fewer_bytes_and_scaled(clock):
    asked = settings(batch_size=512, seq_len=1024, model={"ternary": False})
    pace = probe(asked, 512, seconds=1.0)
    assert pace.seconds_a_step == pytest.approx(A_BYTE * 512 * 1024 + UPDATING)
    assert clock.now < 2 and max(rows * length for rows, length in clock.shapes) < 64 * 1024


def test_what_costs_the_same_for_any_number_of_bytes_is_not_scaled(clock, monkeypatch):
    """As on a busy machine, where threads wait for each other at every operation."""
    plain = Rehearsal.compute

    def compute(self, *args):
        clock.now += 0.5
        plain(self, *args)

    monkeypatch.setattr(Rehearsal, "compute", compute)
    asked = settings(batch_size=512, seq_len=1024, model={"ternary": False})
    assert probe(asked, 512, seconds=1.0).seconds_a_step == pytest.approx(
        0.5 + A_BYTE * 512 * 1024 + UPDATING
    )


def test_of_a_large_model_only_the_first_blocks_are_tried(clock, monkeypatch):
    asked = settings(full_precision_start=0.0)
    whole = probe(asked, 8).seconds_a_step
    monkeypatch.setattr(probing, "MOST_PARAMETERS", 1)
    seen = []
    monkeypatch.setattr(Rehearsal, "update", lambda self: seen.append(len(self.model.blocks)))
    cut = probe(asked, 8).seconds_a_step
    assert set(seen) == {1}
    # The clock charges bytes alone, so one block of four is scaled to about four times the time.
    assert cut == pytest.approx(4 * (whole - UPDATING), rel=0.2)


@pytest.mark.parametrize("optimizer", ["adamw", "muon"])
def test_it_runs_for_real_and_uses_up_no_random_number(optimizer):
    state = torch.get_rng_state()
    pace = probe(settings(optimizer=optimizer, runtime={"grad_checkpoint": "block"}), 3, seconds=0.2)
    assert torch.equal(torch.get_rng_state(), state)
    assert 0 < pace.seconds_a_step < 60 and pace.bytes_a_step == 512


def test_where_memory_runs_out_fewer_windows_are_tried(monkeypatch):
    real, tried = probing._pace, []

    def pace(settings, micro_batch, seconds):
        tried.append(micro_batch)
        if micro_batch > 2:
            raise torch.OutOfMemoryError("no room")
        return real(settings, micro_batch, seconds)

    monkeypatch.setattr(probing, "_pace", pace)
    assert probe(settings(), 8, seconds=0.1).bytes_a_step == 512 and tried == [8, 4, 2]
    monkeypatch.setattr(probing, "_pace", lambda *_: (_ for _ in ()).throw(torch.OutOfMemoryError("no room")))
    with pytest.raises(OutOfMemoryError, match="not even one window"):
        probe(settings(), 8)
