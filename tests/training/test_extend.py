"""A finished run, made longer from where its learning rate was still constant."""

import tomllib

import pytest
import torch
from small_runs import MODEL, corpus, events, finished, losses, only, request

from bbyte.checkpoint import find, store
from bbyte.errors import UsageError
from bbyte.training.events import Started, Stepped
from bbyte.training.request import Request
from bbyte.training.start import start

SETTINGS = {"steps": 12, "cooldown": 0.5, "save_every": 5, "keep": 1, "warmup_steps": 2}


@pytest.fixture
def data(tmp_path):
    return corpus(tmp_path, 20_000)


def extend(run, out, **training):
    return Request(family="ar", extend=run, out=out, training=training)


@pytest.mark.parametrize("ternary", [True, False])
def test_it_is_the_run_that_was_longer_from_the_start(tmp_path, data, ternary):
    """But for ternary weights: they set in at the step they set in at before."""
    model = {**MODEL, "ternary": ternary}
    events(request(tmp_path / "short", data, model=model, **SETTINGS))
    happened = events(extend(tmp_path / "short", tmp_path / "long", steps=24))
    assert only(Started, happened)[0].first_step == 6 and finished(happened).step == 24
    long = {**SETTINGS, "steps": 24, "full_precision_start": 0.1}  # step 2 of 24, as 0.2 of 12
    events(request(tmp_path / "whole", data, model=model, **long))
    assert losses(tmp_path / "long") == losses(tmp_path / "whole")
    ours, theirs = (store.load(tmp_path / name).model.state_dict() for name in ("long", "whole"))
    assert all(torch.equal(value, theirs[name]) for name, value in ours.items())


def test_the_old_run_stays_as_it_was(tmp_path, data):
    events(request(tmp_path / "short", data, **SETTINGS))
    before = {path: path.read_bytes() for path in (tmp_path / "short").rglob("*") if path.is_file()}
    events(extend(tmp_path / "short", tmp_path / "long"))
    after = {path: path.read_bytes() for path in (tmp_path / "short").rglob("*") if path.is_file()}
    assert before == after
    written = tomllib.loads((tmp_path / "long" / "config.toml").read_text())["training"]
    assert (written["steps"], written["extended_from"], written["warmup_steps"]) == (24, 12, 2)


def test_the_windows_of_the_curriculum_stay_what_they_were(tmp_path):
    data = corpus(tmp_path, 90_000)
    curriculum = {**SETTINGS, "seq_len": None, "seq_len_cap": 2100, "batch_size": 1}
    events(request(tmp_path / "short", data, **curriculum))
    happened = events(extend(tmp_path / "short", tmp_path / "long", steps=30))
    assert {event.seq_len for event in only(Stepped, happened)} == {2100}
    again = events(extend(tmp_path / "long", tmp_path / "longer", steps=60))
    assert only(Started, again)[0].first_step == 15 and finished(again).step == 60
    lengths = [(event.step, event.seq_len) for event in only(Stepped, again)]
    assert all(length == 2100 for _, length in lengths)


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"schedule": "cosine"}, "trained with a cosine schedule"),
        ({"save_every": 0}, "no checkpoint of its constant learning rate, up to step 6"),
    ],
)
def test_what_cannot_be_extended_is_said(tmp_path, data, settings, words):
    events(request(tmp_path / "short", data, **{**SETTINGS, **settings}))
    with pytest.raises(UsageError, match=words):
        start(extend(tmp_path / "short", tmp_path / "long"))
    assert not (tmp_path / "long").exists()


def test_fewer_steps_than_reach_that_far_are_refused(tmp_path, data):
    events(request(tmp_path / "short", data, **SETTINGS))
    with pytest.raises(UsageError, match=r"with 11 steps .*constant until step 5.*checkpoint is of step 6"):
        start(extend(tmp_path / "short", tmp_path / "long", steps=11))
    assert not (tmp_path / "long").exists()


def test_resume_and_extend_exclude_each_other(tmp_path, data):
    with pytest.raises(UsageError, match="only one can be given"):
        start(Request(family="ar", resume=tmp_path, extend=tmp_path))


def test_a_longer_run_killed_before_its_first_save_is_begun_again(tmp_path, data):
    events(request(tmp_path / "short", data, **SETTINGS))
    trainer = start(extend(tmp_path / "short", tmp_path / "long", steps=24))
    happening = trainer.run()
    next(happening)
    happening.close()
    assert not find.steps(tmp_path / "long") and max(losses(tmp_path / "long")) == 6
    asked = extend(tmp_path / "short", tmp_path / "long", steps=24)
    with pytest.raises(UsageError, match="exists already"):
        start(asked)
