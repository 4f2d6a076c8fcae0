"""The plan: what fits, what is suggested, and how it is said."""

import dataclasses
import json

import pytest

from bbyte.errors import OutOfMemoryError
from bbyte.models.families import families
from bbyte.training.planning import plan as planning
from bbyte.training.planning.memory import Memory
from bbyte.training.planning.plan import plan
from bbyte.training.planning.probe import Pace
from bbyte.training.planning.room import Room
from bbyte.training.request import Request
from bbyte.training.settings import check

MB = 10**6
TRAINING = {"batch_size": 12, "grad_accum": 2, "seq_len": 64, "optimizer": "adamw", "steps": 100}


def settings(*, preset="tiny", model=None, runtime=None, **training):
    given = {"model": model or {}, "training": TRAINING | training}
    return check(Request(family="ar", preset=preset, runtime={"device": "cpu", **(runtime or {})}, **given))


def room(megabytes):
    return Room(megabytes * MB, "in a box")


@pytest.fixture
def memory(monkeypatch):
    """Memory without a model: 100 MB, and 10 MB for each window at once."""
    asked = []

    def estimate(settings, micro_batch, scored):
        asked.append(micro_batch)
        return Memory(40 * MB, 20 * MB, 20 * MB, 0, {64: 10 * MB * micro_batch}, 5 * MB, 0, 20 * MB)

    monkeypatch.setattr(planning, "estimate", estimate)
    monkeypatch.setattr(planning, "with_shorter_windows", lambda memory, *_: memory)
    monkeypatch.setattr(planning, "probe", lambda *_: Pace(0.5, 12 * 2 * 64))
    return asked


@pytest.mark.parametrize(
    ("megabytes", "micro_batch", "fits"),
    [(245, 12, True), (244, 6, True), (178, 6, True), (177, 3, True), (145, 3, True), (144, 1, True),
     (123, 1, True), (111, 1, True), (109, 1, False)],
)  # fmt: skip
def test_the_largest_halving_that_leaves_a_tenth_free(memory, megabytes, micro_batch, fits):
    found = plan(settings(), room(megabytes))
    assert (found.micro_batch, found.fits) == (micro_batch, fits)
    assert found.windows == 24 and found.micro_batches == 24 // micro_batch
    assert found.memory.total == (100 + 10 * micro_batch) * MB
    assert len(memory) <= 3


def test_halving_begins_with_what_was_asked_for(memory):
    assert plan(settings(micro_batch=5), room(1000)).micro_batch == 5
    assert plan(settings(micro_batch=5), room(1000)).micro_batches == 5  # four of five windows, one of four
    assert plan(settings(micro_batch=5), room(150)).micro_batch == 2
    assert plan(settings(micro_batch=500), room(1000)).micro_batch == 12


def test_what_does_not_fit_is_refused_with_a_way_out(memory):
    found = plan(settings(), room(105))
    assert found.pace is None  # nothing is tried that would not fit
    with pytest.raises(OutOfMemoryError) as caught:
        found.require_room()
    assert caught.value.exit_code == 4
    assert (
        caught.value.message == "110 MB of memory are needed with one window at a time, 105 MB are in a box"
    )
    assert caught.value.hint == "try a smaller --preset, a shorter --seq-len or --grad-checkpoint block"
    plan(settings(), room(110)).require_room()
    recomputing = plan(settings(runtime={"grad_checkpoint": "block"}), room(105))
    with pytest.raises(OutOfMemoryError) as caught:
        recomputing.require_room()
    assert caught.value.hint == "try a smaller --preset or a shorter --seq-len"


def test_time_is_steps_by_pace(memory):
    found = plan(settings(), room(1000))
    assert found.seconds == 50 and found.pace.bytes_per_second == 3072
    assert plan(settings(), room(1000), probing=False).seconds is None
    assert plan(settings(steps=None), room(1000)).seconds is None


def test_it_is_told_in_aligned_lines(memory):
    assert plan(settings(), room(1000)).lines() == (
        "model       ar tiny: 887,936 parameters, 285 kB packed",
        "step        24 windows of 64 bytes, 12 at once",
        "weights       40 MB",
        "gradients     20 MB",
        "optimizer     20 MB  adamw",
        "activations  120 MB  windows of 64",
        "program       20 MB",
        "peak         220 MB  of 1 GB in a box: fits",
        "speed       3.07 kB/s",
        "time           0:50  for 100 steps",
    )
    assert "all at once" in plan(settings(grad_accum=1), room(1000)).lines()[1]
    assert plan(settings(), room(10)).lines()[-1].endswith("of 10 MB in a box: does not fit")


def test_what_is_more_than_activations_is_shown_in_their_place(memory, monkeypatch):
    parts = {64: 600 * MB, 32: 300 * MB}
    shown = Memory(MB, MB, MB, 7 * MB, parts, 5 * MB, 800 * MB, MB)
    monkeypatch.setattr(planning, "estimate", lambda *_: shown)
    lines = plan(settings(ema=0.99, model={"ternary": False}), room(10_000)).lines()
    assert "average        7 MB  of the weights, --ema 0.99" in lines
    assert "activations  600 MB  windows of 64, 300 MB of 32" in lines
    assert "validation   800 MB  in place of activations" in lines
    assert shown.total == (1 + 1 + 1 + 7 + 1 + 800) * MB


def test_it_is_told_in_figures(memory):
    told = json.loads(json.dumps(plan(settings(), room(1000)).to_dict()))
    assert told["memory"]["total"] == 220 * MB and told["memory"]["activations"] == {"64": 120 * MB}
    assert (told["micro_batch"], told["micro_batches"], told["fits"]) == (12, 2, True)
    assert (told["seconds"], told["bytes_per_second"], told["steps"]) == (50, 3072, 100)


@pytest.mark.parametrize(("ternary", "packed"), [(True, 285_000), (False, 1_776_000)])
def test_the_packed_size_is_two_bits_a_ternary_weight(memory, ternary, packed):
    found = plan(settings(model={"ternary": ternary, "sub_norm": True}), room(1000))
    assert found.packed == pytest.approx(packed, rel=0.01)


@pytest.mark.parametrize("family", families())
def test_every_family_can_be_planned_for_real(family):
    preset = next(iter(families()[family].presets))
    given = {"batch_size": 16, "seq_len": 64, "optimizer": "muon", "steps": 10, "eval_bytes": 256}
    asked = check(Request(family=family, preset=preset, training=given, runtime={"device": "cpu"}))
    found = plan(asked, probing=False)
    assert found.fits and found.room.where in ("free here", "left in this container")
    tight = plan(asked, Room(found.memory.total - 1, "in a box"), probing=False)
    assert tight.micro_batch < 16 and tight.windows == found.windows
    assert tight.memory.total < found.memory.total
    assert dataclasses.replace(found, room=Room(1, "")).fits is False
