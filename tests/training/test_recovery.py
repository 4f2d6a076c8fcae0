"""Steps that go wrong: skipped on the device, or undone by going back, and the run is the better for it."""

import json
import math

import pytest
import torch
from small_runs import corpus, finished, losses, only, request

from bbyte.checkpoint import find, store
from bbyte.errors import BbyteError
from bbyte.models.contract import Cost
from bbyte.training import guard
from bbyte.training.events import Saved, Warned
from bbyte.training.request import Request
from bbyte.training.start import start


@pytest.fixture
def data(tmp_path):
    return corpus(tmp_path, 30_000)


def poisoned(trainer, data_steps, factor=math.nan):
    """The trainer, with the loss of those data steps times `factor`, whenever they are read."""
    forward, windows, now = trainer.update.forward, trainer.update.feed.windows, [0]

    def read(wanted):
        now[0] = wanted.data_step
        return windows(wanted)

    def spoil(window):
        cost = forward(window)
        return Cost(cost.nats * (factor if now[0] in data_steps else 1.0), cost.count)

    trainer.update.feed.windows, trainer.update.forward = read, spoil
    return trainer


def rows(out, key):
    lines = (out / "metrics.jsonl").read_text().splitlines()
    return [row for row in map(json.loads, lines) if key in row]


OPTIMIZERS = ("adamw", "muon", "adamw8bit")


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_a_step_whose_gradient_is_not_finite_changes_nothing(tmp_path, data, optimizer):
    if optimizer == "adamw8bit":
        pytest.importorskip("bitsandbytes")
    trainer = poisoned(start(request(tmp_path / "run", data, optimizer=optimizer)), {5})
    states, warned = [], []
    for event in trainer.run():
        if isinstance(event, Warned):
            warned.append(event.message)
        elif type(event).__name__ == "Stepped":
            held = trainer.model.state_dict() | trainer.update.state()
            states.append({name: value.clone() for name, value in held.items()})
    for name, value in states[4].items():
        assert torch.equal(value, states[5][name]), name
        assert torch.isfinite(value.float()).all()
    assert any(not torch.equal(states[6][name], value) for name, value in states[5].items())
    assert len(warned) == 1 and "step 6 skipped" in warned[0] and "samples 20 to 23" in warned[0]
    assert rows(tmp_path / "run", "skipped") == [
        {"step": 6, "skipped": "gradient not finite", "samples": [20, 23]}
    ]
    assert rows(tmp_path / "run", "loss")[5]["loss"] is None  # JSON has no NaN
    assert all(math.isfinite(row["loss"]) for row in rows(tmp_path / "run", "loss") if row["step"] != 6)


def test_three_of_them_send_the_run_back_past_their_data(tmp_path, data):
    out = tmp_path / "run"
    trainer = poisoned(start(request(out, data, steps=40, save_every=10, keep=0)), {23, 24, 26})
    read, windows = [], trainer.update.feed.windows
    trainer.update.feed.windows = lambda wanted: (read.append(wanted.data_step), windows(wanted))[1]
    happened = list(trainer.run())
    assert finished(happened).step == 40
    assert read == [*range(28), 20, 21, 22, *range(27, 44)]
    (returned,) = rows(out, "went_back_from")
    assert returned["step"] == 20 and returned["went_back_from"] == 28
    assert "3 gradients within 100 steps were not finite" in returned["reason"]
    assert sorted(losses(out)) == list(range(1, 41)) and all(losses(out).values())
    assert store.load(out).meta.progress["skipped"] == [[23, 27]]
    assert "back from step 28 to the checkpoint of step 20" in only(Warned, happened)[-1].message


def test_a_run_that_went_back_resumes_bit_for_bit(tmp_path, data):
    def prepared(out):
        return poisoned(start(request(out, data, steps=40, save_every=10, keep=0)), {23, 24, 26})

    list(prepared(tmp_path / "whole").run())
    for event in (happening := prepared(tmp_path / "run").run()):
        if isinstance(event, Saved) and event.step == 30:
            break
    happening.close()
    assert find.find(tmp_path / "run").meta.step == 30
    trainer = poisoned(start(Request(family="ar", resume=tmp_path / "run")), {23, 24, 26})
    assert trainer.progress.skipped == [(23, 27)]
    list(trainer.run())
    assert losses(tmp_path / "run") == losses(tmp_path / "whole")


def test_a_loss_that_stays_high_sends_the_run_back(tmp_path, data):
    """The weights are spoilt, as a too large update does it; the data is innocent."""
    out = tmp_path / "run"
    trainer = start(request(out, data, steps=150, save_every=20, keep=0, full_precision_start=0.0, lr=1e-3))
    happened = []
    for event in trainer.run():
        happened.append(event)
        if isinstance(event, Saved) and event.step == 80 and not rows(out, "went_back_from"):
            with torch.no_grad():
                for parameter in trainer.model.parameters():
                    parameter.copy_(torch.randn_like(parameter) * 5)
    assert finished(happened).step == 150
    (returned,) = rows(out, "went_back_from")
    assert returned["step"] == 80 and returned["went_back_from"] <= 80 + guard.SPIKE_STEPS + 1
    assert "the loss was above" in returned["reason"]
    before, after = ([losses(out)[n] for n in steps] for steps in (range(61, 81), range(81, 151)))
    assert max(after) < max(before) + 0.1


def test_weights_that_turned_bad_are_left_behind(tmp_path, data):
    out = tmp_path / "run"
    happened, spoilt = [], False
    for event in (trainer := start(request(out, data, steps=30, save_every=10, keep=0))).run():
        happened.append(event)
        if isinstance(event, Saved) and event.step == 10 and not spoilt:
            spoilt = True
            with torch.no_grad():
                next(iter(trainer.model.parameters())).view(-1)[:5000] = math.nan
    assert finished(happened).step == 30 and len(rows(out, "went_back_from")) == 1
    for path in find.steps(out):
        assert all(torch.isfinite(value).all() for value in store.load(path).model.state_dict().values())


def test_without_a_checkpoint_to_go_back_to_the_run_ends(tmp_path, data):
    trainer = poisoned(start(request(tmp_path / "run", data, steps=40, save_every=30)), {3, 4, 5})
    with pytest.raises(BbyteError, match="no earlier checkpoint to go back to") as caught:
        list(trainer.run())
    assert caught.value.exit_code == 1 and "--lr" in caught.value.hint


def test_going_back_again_and_again_ends_the_run(tmp_path, data):
    trainer = poisoned(start(request(tmp_path / "run", data, steps=40, save_every=10)), set(range(15, 1000)))
    with pytest.raises(BbyteError, match="again after going back 3 times: the run diverges"):
        list(trainer.run())
    assert len(rows(tmp_path / "run", "went_back_from")) == guard.MOST_RETURNS
    assert find.find(tmp_path / "run").meta.step == 10


def test_the_guards_memory_is_resumed(tmp_path, data):
    """Two bad steps before the interruption and one after it are three."""
    out = tmp_path / "run"
    asked = request(out, data, steps=40, save_every=10, keep=0)
    for event in (happening := poisoned(start(asked), {12, 14, 33}).run()):
        if isinstance(event, Saved) and event.step == 30:
            break
    happening.close()
    happened = list(poisoned(start(Request(family="ar", resume=out)), {12, 14, 33}).run())
    assert rows(out, "went_back_from")[0]["step"] == 10
    assert finished(happened).step == 40
    assert store.load(out).meta.progress["skipped"] == [[12, 34]]


@pytest.mark.slow
def test_fifty_injected_nans_are_fifty_recoveries(tmp_path):
    """In one run of 2,600 steps: never three of them within a hundred."""
    data, steps = corpus(tmp_path, 60_000), set(range(30, 2600, 51))
    assert len(steps) >= 50
    trainer = poisoned(start(request(tmp_path / "run", data, steps=2600, save_every=200)), steps)
    happened = list(trainer.run())
    assert finished(happened).step == 2600
    assert len(rows(tmp_path / "run", "skipped")) == len(steps)
    assert not rows(tmp_path / "run", "went_back_from")
    assert losses(tmp_path / "run")[2600] < 2.0


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(50))
def test_fifty_bursts_of_nans_are_fifty_returns(tmp_path, seed):
    data = corpus(tmp_path, 30_000)
    first = 11 + seed % 60
    burst = {first, first + 1 + seed % 3, first + 5}
    trainer = poisoned(start(request(tmp_path / "run", data, steps=80, save_every=10, keep=0)), burst)
    assert finished(list(trainer.run())).step == 80
    (returned,) = rows(tmp_path / "run", "went_back_from")
    assert returned["step"] == first // 10 * 10
    assert all(math.isfinite(loss) for loss in losses(tmp_path / "run").values())
