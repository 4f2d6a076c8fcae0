"""Samples and the page, kept while a run happens."""

import dataclasses

import pytest
import torch
from small_runs import MODEL, corpus, losses, only, request

from bbyte.checkpoint import store
from bbyte.errors import InterruptedRunError
from bbyte.generation.stream import generate
from bbyte.report import page, records, rivals, samples
from bbyte.report.records import with_records
from bbyte.report.samples import Sample
from bbyte.training.events import Finished, Saved, Started, Warned
from bbyte.training.start import start

AVERAGED = {"ema": 0.9, "model": {**MODEL, "ternary": False}}


def happened(asked, **options):
    trainer = start(asked)
    return trainer, list(with_records(trainer, trainer.run(), **options))


@pytest.fixture
def asked(tmp_path):
    return request(tmp_path / "run", corpus(tmp_path), save_every=3, eval_every=3)


def test_a_run_leaves_samples_and_a_page(asked):
    trainer, events = happened(asked, sample_bytes=30)
    kept = samples.read(asked.out)
    assert [sample.step for sample in kept] == [3, 6, 9, 12]
    prompt = trainer.data.validation.read(0, 48).tobytes()
    assert all(sample.prompt == prompt and len(sample.text) == 30 for sample in kept)
    text = (asked.out / "report.html").read_text("utf-8")
    for words in ("finished", "at step 12 of 12", "gzip -9", "Samples over time", "step 9, "):
        assert words in text
    assert isinstance(events[0], Started) and isinstance(events[-1], Finished)
    assert not only(Warned, events)


@pytest.mark.parametrize("changes", [{}, AVERAGED])
def test_the_last_sample_is_what_the_saved_model_writes(tmp_path, changes):
    asked = request(tmp_path / "run", corpus(tmp_path), **changes)
    trainer, _ = happened(asked, sample_bytes=30)
    loaded = store.load(asked.out / "step-0000012")
    predictor = loaded.family.predictor(loaded.model, trainer.schedule.longest, 1)
    kept = samples.read(asked.out)[-1]
    drawn = generate(predictor, kept.prompt, 30, records.SAMPLING)
    assert b"".join(byte.tobytes() for byte in drawn) == kept.text


@pytest.mark.parametrize("changes", [{}, AVERAGED, {"full_precision_start": 0.5}])
def test_losses_randomness_and_modes_are_as_without_records(tmp_path, changes):
    data, ends = corpus(tmp_path), []
    for name in ("without", "with"):
        trainer = start(request(tmp_path / name, data, save_every=2, eval_every=3, **changes))
        events = with_records(trainer, trainer.run()) if name == "with" else trainer.run()
        modes = [[module.training for module in trainer.model.modules()] for _ in events]
        assert all(mode == modes[0] for mode in modes)
        ends.append((losses(tmp_path / name), torch.random.get_rng_state().tolist()))
    assert ends[0] == ends[1]


def test_a_resumed_run_has_the_samples_of_one_that_was_not_stopped(asked, tmp_path):
    happened(asked, sample_bytes=20)
    again = dataclasses.replace(asked, out=tmp_path / "stopped")
    trainer = start(again)
    events = with_records(trainer, trainer.run(), sample_bytes=20)
    next(event for event in events if isinstance(event, Saved) and event.step == 9)
    events.close()
    (tmp_path / "stopped" / "step-0000009" / "checkpoint.json").unlink()  # back to step 6
    happened(request(None, None, resume=tmp_path / "stopped"), sample_bytes=20)
    assert samples.read(tmp_path / "stopped") == samples.read(asked.out)


def test_a_new_run_in_an_old_folder_forgets_the_old_records(asked):
    happened(asked, sample_bytes=20)
    trainer = start(dataclasses.replace(asked, allow_overwrite=True))
    events = with_records(trainer, trainer.run(), sample_bytes=0)
    next(events)
    assert not samples.read(asked.out)
    assert not (asked.out / "report.html").exists() and rivals.read(asked.out) is None
    events.close()


def test_an_interrupted_run_has_a_page_too(asked):
    trainer = start(asked)
    trainer.interrupted = lambda: "SIGTERM" if trainer.progress.step >= 5 else None
    with pytest.raises(InterruptedRunError):
        list(with_records(trainer, trainer.run()))
    text = (asked.out / "report.html").read_text("utf-8")
    assert "interrupted" in text and "at step 5 of 12" in text


def test_closing_lets_go_of_the_lock(asked):
    trainer = start(asked)
    events = with_records(trainer, trainer.run())
    next(events)
    events.close()
    assert start(dataclasses.replace(asked, allow_overwrite=True)).folder == asked.out


def test_not_every_one_of_many_checkpoints_is_sampled(tmp_path):
    asked = request(tmp_path / "run", corpus(tmp_path), steps=50, save_every=1)
    happened(asked, sample_bytes=1)
    steps = [sample.step for sample in samples.read(asked.out)]
    assert steps[0] == 1 and steps[-1] == 50 and len(steps) == records.MOST_SAMPLES + 1


@pytest.mark.parametrize(("count", "family"), [(0, True), (20, False)])
def test_no_samples_where_none_are_wanted_or_can_be(asked, count, family):
    trainer = start(asked)
    if not family:
        trainer.family = dataclasses.replace(trainer.family, predictor=None)
    events = list(with_records(trainer, trainer.run(), count))
    assert not (asked.out / "samples.jsonl").exists()
    assert (asked.out / "report.html").exists() and not only(Warned, events)


def test_without_validation_it_goes_too(tmp_path):
    asked = request(tmp_path / "run", corpus(tmp_path), val_fraction=0.0, save_every=6)
    _, events = happened(asked, sample_bytes=10)
    assert samples.read(asked.out)[0].prompt == b""
    assert rivals.read(asked.out) is None and not only(Warned, events)


def fail(*_, **__):
    raise OSError(28, "No space left on device")


def test_what_cannot_be_written_is_a_warning_told_once(asked, monkeypatch):
    trainer = start(asked)
    events = with_records(trainer, trainer.run(), sample_bytes=5)
    found = [next(events)]
    monkeypatch.setattr(samples, "append", fail)
    monkeypatch.setattr(page, "write", fail)
    found += list(events)
    assert [event.message for event in only(Warned, found)] == [
        "no sample could be written: No space left on device",
        "no report could be written: No space left on device",
    ]
    assert isinstance(found[-2], Finished)
    assert len(losses(asked.out)) == 12


def test_a_model_that_cannot_write_is_a_warning(asked, monkeypatch):
    monkeypatch.setattr(records, "generate", fail)
    trainer, events = happened(asked)
    assert len(only(Warned, events)) == 1
    assert trainer.model.training


def test_a_full_disk_does_not_hide_how_the_run_ended(asked, monkeypatch):
    trainer = start(asked)
    trainer.interrupted = lambda: "SIGINT" if trainer.progress.step >= 5 else None
    monkeypatch.setattr(page, "write", fail)
    with pytest.raises(InterruptedRunError):
        list(with_records(trainer, trainer.run()))


def test_large_models_write_less():
    def of(parameters):
        model = torch.nn.Linear(parameters, 1, bias=False, device="meta")
        return records._suitable(type("Trainer", (), {"model": model}))

    assert [of(10**n) for n in (5, 7, 8, 9, 10)] == [200, 200, 50, 16, 16]


def test_time_spent_on_samples_is_no_time_of_training(asked, monkeypatch):
    trainer = start(dataclasses.replace(asked, training={**asked.training, "log_every": 4}))
    restarted = []

    def sample(trainer, step, count):
        restarted.append(trainer.clock.began)
        return Sample(step, b"", b"")

    monkeypatch.setattr(records, "sample", sample)
    for event in with_records(trainer, trainer.run()):
        if isinstance(event, Saved) and event.step < 12:
            assert trainer.clock.began > restarted[-1]
