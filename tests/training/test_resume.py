"""A run that was stopped and resumed is, in every figure, the run that was never stopped."""

import dataclasses
import multiprocessing
import os
import shutil
import time
from pathlib import Path

import pytest
import torch
from small_runs import MODEL, corpus, events, finished, interrupted, losses, only, request, validations

from bbyte.checkpoint import find, store
from bbyte.errors import BbyteError, DataError, UsageError
from bbyte.runs.folder import Run
from bbyte.training.events import Saved, Started, Stepped, Warned
from bbyte.training.request import Request, resumable
from bbyte.training.start import start

SAVING = {"save_every": 4, "eval_every": 5, "keep": 0, "cooldown": 1 / 3}
CAP = 2100  # a curriculum of 2048 bytes, then 2100


def resume(out, **changes):
    return Request(family="ar", resume=out, **changes)


@pytest.fixture
def data(tmp_path):
    return corpus(tmp_path)


@pytest.fixture
def stopped(tmp_path, data):
    """A run of 12 steps that was killed after step 10; its newest checkpoint is of step 8."""
    interrupted(request(tmp_path / "run", data, **SAVING), after=10)
    return tmp_path / "run"


@pytest.mark.parametrize(
    "length", [{"seq_len": 16}, {"seq_len": None, "seq_len_cap": CAP}], ids=["fixed", "curriculum"]
)
@pytest.mark.parametrize("ternary", [True, False], ids=["ternary", "full"])
@pytest.mark.parametrize("optimizer", ["adamw", "muon"])
def test_the_log_is_bit_for_bit_that_of_an_uninterrupted_run(tmp_path, optimizer, ternary, length):
    data = corpus(tmp_path, 30_000)
    settings = {"optimizer": optimizer, "batch_size": 2, "full_precision_start": 0.4, **SAVING, **length}
    model = {**MODEL, "ternary": ternary}
    events(request(tmp_path / "whole", data, model=model, **settings))
    out = tmp_path / "run"
    interrupted(request(out, data, model=model, **settings), after=1)  # before anything is saved
    assert not find.steps(out)
    interrupted(again(out, data, model, settings), after=5)
    assert [path.name for path in find.steps(out)] == ["step-0000004"]
    interrupted(resume(out), after=11)
    assert max(losses(out)) == 11
    happened = events(resume(out))
    assert only(Started, happened)[0].first_step == 8
    assert losses(out) == losses(tmp_path / "whole")
    assert validations(out) == validations(tmp_path / "whole")
    ours, theirs = (store.load(folder) for folder in (out, tmp_path / "whole"))
    for name, value in ours.model.state_dict().items():
        assert torch.equal(value, theirs.model.state_dict()[name])
    assert dataclasses.replace(ours.meta, environment={}) == dataclasses.replace(theirs.meta, environment={})
    finals = [
        (folder / "step-0000012" / "optimizer.safetensors").read_bytes()
        for folder in (out, tmp_path / "whole")
    ]
    assert finals[0] == finals[1]


def again(out, data, model, settings):
    """The same request once more, as `--resume auto` makes it where nothing was saved yet."""
    assert resumable("auto", out, "ar") is None
    return dataclasses.replace(request(out, data, model=model, **settings), allow_overwrite=True)


def test_rows_beyond_the_checkpoint_are_cut(stopped):
    assert max(losses(stopped)) == 10
    trainer = start(resume(stopped))
    assert max(losses(stopped)) == 8 == trainer.progress.step
    assert max(validations(stopped)) == 5
    trainer.log.close()


def test_a_row_cut_short_by_a_crash_is_left_out(stopped):
    with (stopped / "metrics.jsonl").open("ab") as file:
        file.write(b'{"step": 8, "lo')
    assert finished(events(resume(stopped))).step == 12
    assert sorted(losses(stopped)) == list(range(1, 13))


@pytest.mark.parametrize(
    "line", [b"nonsense\n", b"\xff\xfe\n", b"3\n", b"{}\n", b'{"step": "x"}\n', b"\0\0\n"]
)
def test_a_log_that_is_none_is_named_and_nothing_is_lost(stopped, line):
    with (stopped / "metrics.jsonl").open("ab") as file:
        file.write(line)
    before = (stopped / "metrics.jsonl").read_bytes()
    with pytest.raises(DataError, match=r"metrics\.jsonl: line 12 is no row"):
        start(resume(stopped))
    assert (stopped / "metrics.jsonl").read_bytes() == before


def test_a_damaged_newest_checkpoint_is_skipped_and_named(tmp_path, data, stopped):
    events(request(tmp_path / "whole", data, **SAVING))
    weights = stopped / "step-0000008" / "model.safetensors"
    raw = bytearray(weights.read_bytes())
    raw[-5] ^= 4
    weights.write_bytes(raw)
    happened = events(resume(stopped))
    (warning,) = only(Warned, happened)
    assert "skipped step-0000008" in warning.message and "model.safetensors does not match" in warning.message
    assert happened[0].first_step == 4
    assert losses(stopped) == losses(tmp_path / "whole")
    assert find.find(stopped).skipped == ()


@pytest.mark.parametrize("keep", [1, 2])
def test_a_damaged_checkpoint_never_displaces_a_good_one(tmp_path, data, keep):
    out = tmp_path / "run"
    interrupted(request(out, data, **{**SAVING, "keep": 2}), after=10)
    (out / "step-0000008" / "model.safetensors").write_bytes(b"")
    trainer = start(resume(out, training={"save_every": 1, "keep": keep}))
    for event in trainer.run():
        if isinstance(event, Saved):
            break
    assert find.find(out).meta.step == 5
    assert find.find(out).skipped == ()


def test_going_back_to_an_earlier_checkpoint_leaves_no_later_one_of_the_old_course(stopped):
    """Else `--resume auto` would go on from weights the log no longer belongs to."""
    happening = start(resume(stopped / "step-0000004", training={"save_every": 2})).run()
    for event in happening:
        if isinstance(event, Saved):
            break
    happening.close()
    assert [path.name for path in find.steps(stopped)] == ["step-0000006", "step-0000004"]
    assert max(losses(stopped)) == 6


def test_where_every_checkpoint_is_damaged_nothing_is_started_anew(stopped):
    for step in find.steps(stopped):
        (step / "checkpoint.json").write_bytes(b"{}")
    assert resumable("auto", stopped, "ar") == stopped
    with pytest.raises(DataError, match="none of its 2 checkpoints is intact"):
        start(resume(stopped))


def refused(asked, words):
    """`start` refuses, names why, and changes nothing in the folder of the run."""
    out = asked.resume
    before = {path.name: path.read_bytes() for path in out.iterdir() if path.is_file()}
    with pytest.raises(UsageError, match=words) as caught:
        start(asked)
    assert caught.value.hint
    after = {path.name: path.read_bytes() for path in out.iterdir() if path.is_file()}
    assert {name: after.get(name) for name in before} == before
    Run(out).close()  # and the folder is not locked
    return caught.value


def test_another_architecture_is_refused_naming_the_difference(stopped):
    error = refused(resume(stopped, model={"d_ff": 96, "n_head": 4}), "another architecture")
    assert "d_ff 64 there, 96 here" in error.message and "n_head 2 there, 4 here" in error.message
    assert "d_model" not in error.message


def test_another_preset_is_refused_and_the_same_one_is_not(tmp_path, data):
    out, preset = tmp_path / "run", {"preset": "tiny"}
    asked = dataclasses.replace(request(out, data, model={"n_layer": 1}, steps=3, save_every=1), **preset)
    interrupted(asked, after=2)
    refused(resume(out, preset="small", model={"n_layer": 1}), "d_model 128 there, 256 here")
    assert finished(events(resume(out, model={"n_layer": 1}, **preset))).step == 3


def test_another_corpus_is_refused_naming_both(tmp_path, stopped):
    other = corpus(tmp_path, seed=1)
    error = refused(resume(stopped, data=other), "holds other bytes")
    assert "corpus-0.txt (6,000 bytes)" in error.message and "corpus-1.txt" in error.message


def test_a_corpus_that_has_changed_is_refused(stopped, data):
    data.write_bytes(data.read_bytes()[:-1] + b"!")
    refused(resume(stopped), "holds other bytes")


def test_a_corpus_that_was_moved_is_found_where_it_is_said_to_be(tmp_path, data, stopped):
    moved = data.rename(tmp_path / "moved.txt")
    refused(resume(stopped), "there is nothing at")
    assert finished(events(resume(stopped, data=moved))).step == 12
    assert str(moved) in (stopped / "config.toml").read_text()


def test_another_family_is_refused(stopped, monkeypatch):
    from bbyte.models import families
    from bbyte.training import settings as module

    other = dataclasses.replace(families.family("ar"), name="other")
    monkeypatch.setattr(module, "family", lambda name: other)
    refused(Request(family="other", resume=stopped), "is a run of family ar, not other")


def test_another_optimizer_is_refused_unless_its_state_is_left_behind(stopped):
    refused(resume(stopped, training={"optimizer": "adamw"}), "trained with optimizer muon")
    trainer = start(resume(stopped, training={"optimizer": "auto"}))
    assert trainer.config.optimizer == "muon"
    trainer.log.close()
    asked = resume(stopped, training={"optimizer": "adamw"}, optimizer_state=False)
    assert finished(events(asked)).step == 12


def test_a_finished_run_is_said_to_be_finished(tmp_path, data):
    events(request(tmp_path / "run", data))
    refused(resume(tmp_path / "run"), "the run is finished: its checkpoint is at step 12 of 12")


def test_a_finished_run_goes_on_with_more_steps(tmp_path, data):
    events(request(tmp_path / "run", data))
    before = losses(tmp_path / "run")
    happened = events(resume(tmp_path / "run", training={"steps": 15}))
    assert [event.step for event in only(Stepped, happened)] == [13, 14, 15]
    assert {step: losses(tmp_path / "run")[step] for step in before} == before


def test_settings_that_cannot_be_read_are_named(stopped):
    for raw in (b"", b"data = ", b"\xff\xfe", b"data = 3", b'data = "x"\ntraining = 3\n'):
        (stopped / "config.toml").write_bytes(raw)
        refused(resume(stopped), r"config\.toml")
    (stopped / "config.toml").unlink()
    refused(resume(stopped), r"run holds no config\.toml: it was imported or copied in part")


def test_without_the_optimizers_state_the_weights_go_on_alone(tmp_path, data, stopped):
    shutil.copytree(stopped, tmp_path / "twin")
    events(resume(tmp_path / "twin"))
    happened = events(resume(stopped, optimizer_state=False))
    assert finished(happened).step == 12
    assert losses(stopped)[9] == losses(tmp_path / "twin")[9]  # the same weights and bytes
    assert losses(stopped)[11] != losses(tmp_path / "twin")[11]  # but no momentum


def test_a_checkpoint_without_optimizer_state_is_said_to_be_one(stopped):
    loaded = store.load(stopped)
    store.save(stopped, dataclasses.replace(loaded.meta, step=9), loaded.model.state_dict(), None)
    refused(resume(stopped), "holds no optimizer state")
    assert finished(events(resume(stopped, optimizer_state=False))).step == 12


def test_settings_given_on_resuming_win_and_are_written(stopped):
    trainer = start(resume(stopped, training={"save_every": 1, "clip": 0.5}))
    assert (trainer.config.save_every, trainer.config.clip, trainer.config.batch_size) == (1, 0.5, 4)
    assert "clip = 0.5" in (stopped / "config.toml").read_text()
    trainer.log.close()


def test_a_changed_number_of_threads_is_warned_of(stopped):
    happened = events(resume(stopped, runtime={"threads": 2}))
    torch.set_num_threads(1)
    (warning,) = only(Warned, happened)
    assert "threads was 1, is 2" in warning.message


def test_an_unchanged_machine_is_not_warned_of(stopped):
    assert not only(Warned, events(resume(stopped)))


def test_what_auto_means(tmp_path, stopped, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert resumable(None, stopped, "ar") is None
    assert resumable("auto", stopped, "ar") == stopped
    assert resumable("auto", tmp_path / "nowhere", "ar") is None
    assert resumable("auto", None, "ar") is None
    assert resumable("some/where", None, "ar") == Path("some/where")
    shutil.copytree(stopped, tmp_path / "artifacts" / "checkpoints" / "newest")
    assert resumable("auto", None, "ar").name == "newest"
    assert resumable("auto", None, "other") is None


def test_the_folder_of_a_run_in_training_is_refused_to_others(stopped):
    trainer = start(resume(stopped))
    with pytest.raises(
        BbyteError, match=f"another process is training in .*process {os.getpid()} on"
    ) as caught:
        start(resume(stopped))
    assert caught.value.exit_code == 1
    with pytest.raises(BbyteError, match="another process"):
        start(Request(family="ar", data=stopped / "env.json", out=stopped, allow_overwrite=True,
                      model=MODEL, training={"steps": 1, "batch_size": 1, "seq_len": 4}))  # fmt: skip
    assert len(find.steps(stopped)) == 2  # overwriting has not begun
    assert finished(list(trainer.run())).step == 12
    Run(stopped).close()


def _hold(folder, ready):
    run = Run(folder)
    ready.set()
    time.sleep(60)
    run.close()


def test_the_lock_of_a_killed_process_does_not_block(stopped):
    context = multiprocessing.get_context("spawn")
    ready = context.Event()
    process = context.Process(target=_hold, args=(stopped, ready))
    process.start()
    assert ready.wait(60)
    with pytest.raises(BbyteError, match=f"process {process.pid} on"):
        start(resume(stopped))
    process.kill()
    process.join()
    assert (stopped / ".lock-holder").exists()
    assert finished(events(resume(stopped))).step == 12
