"""Memory that runs out: smaller batches, the same bytes, and no step lost."""

import errno

import pytest
import torch
from small_runs import corpus, events, finished, losses, only, request

from bbyte.checkpoint import find, store
from bbyte.errors import OutOfMemoryError
from bbyte.models.contract import Cost
from bbyte.training import saving, validator
from bbyte.training.events import Saved, Warned
from bbyte.training.request import Request
from bbyte.training.start import start

NO_MEMORY = (
    torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB"),
    RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 8 bytes. Error code 12"),
    MemoryError(),
)


@pytest.fixture
def data(tmp_path):
    return corpus(tmp_path)


def asked(out, data, **changes):
    return request(out, data, batch_size=8, save_every=4, keep=0, full_precision_start=1.0, **changes)


def fails_above(trainer, windows, error, steps=range(1000)):
    """The forward pass of more than `windows` windows at once finds no memory in those steps."""
    forward = trainer.update.forward

    def limited(window):
        if len(window) > windows and trainer.progress.step in steps:
            raise error
        return forward(window)

    trainer.update.forward = limited
    return trainer


class _NoWayBack(torch.autograd.Function):
    error: BaseException = MemoryError()

    @staticmethod
    def forward(ctx, x):
        return x.clone()

    @staticmethod
    def backward(ctx, grad):
        raise _NoWayBack.error


def same(one, other):
    assert losses(one).keys() == losses(other).keys()
    for step, loss in losses(one).items():
        assert losses(other)[step] == pytest.approx(loss, rel=1e-4)


def warnings(happened):
    return [event.message for event in only(Warned, happened)]


@pytest.mark.parametrize("error", NO_MEMORY, ids=["cuda", "cpu", "numpy"])
def test_in_the_forward_pass_the_step_is_taken_again_in_halves(tmp_path, data, error):
    events(asked(tmp_path / "whole", data))
    trainer = fails_above(start(asked(tmp_path / "run", data)), 3, error, steps=range(5, 1000))
    happened = list(trainer.run())
    assert warnings(happened) == [
        "out of memory at step 6: 4 windows at once from here, not 8",
        "out of memory at step 6: 2 windows at once from here, not 4",
    ]
    same(tmp_path / "whole", tmp_path / "run")
    assert store.load(tmp_path / "run").meta.progress["micro_batch"] == 2
    assert trainer.progress.bytes_seen == 12 * 8 * 16  # bytes a step stay what they were


def test_in_the_backward_pass_nothing_of_the_failed_attempt_is_left(tmp_path, data):
    events(asked(tmp_path / "whole", data))
    trainer = start(asked(tmp_path / "run", data))
    forward = trainer.update.forward

    def limited(window):
        cost = forward(window)
        failing = len(window) > 4 and trainer.progress.step == 7
        return Cost(_NoWayBack.apply(cost.nats) if failing else cost.nats, cost.count)

    trainer.update.forward = limited
    assert len(warnings(list(trainer.run()))) == 1
    same(tmp_path / "whole", tmp_path / "run")


def test_while_the_weights_change_the_run_goes_back_to_its_checkpoint(tmp_path, data):
    events(asked(tmp_path / "whole", data))
    trainer = start(asked(tmp_path / "run", data))
    member = trainer.update.optimizers.members[-1]  # the first one has changed its weights by then
    step, left = member.step, [1]

    def failing(*args):
        if trainer.progress.step == 9 and left:
            left.pop()
            raise NO_MEMORY[0]
        return step(*args)

    member.step = failing
    happened = list(trainer.run())
    assert "4 windows at once" in warnings(happened)[0]
    assert "back from step 9 to the checkpoint of step 8" in warnings(happened)[1]
    assert store.load(tmp_path / "run").meta.progress["skipped"] == []
    same(tmp_path / "whole", tmp_path / "run")


def test_at_a_validation_it_is_scored_in_smaller_batches(tmp_path, data, monkeypatch):
    whole = finished(events(asked(tmp_path / "whole", data, val_fraction=0.3)))
    score = validator.bits_per_byte

    def limited(*args, batch_size, **settings):
        if batch_size > 100:
            raise NO_MEMORY[0]
        return score(*args, batch_size=batch_size, **settings)

    monkeypatch.setattr(validator, "bits_per_byte", limited)
    happened = events(asked(tmp_path / "run", data, val_fraction=0.3))
    assert len(warnings(happened)) == 4 and "of 64 windows" in warnings(happened)[-1]  # 1024, 512, 256, 128
    assert finished(happened).bpb == pytest.approx(whole.bpb, rel=1e-6)


def test_at_a_save_it_is_saved_at_the_next_interval(tmp_path, data, monkeypatch):
    trainer, save, left = start(asked(tmp_path / "run", data)), store.save, [1]

    def failing(*args):
        if left:
            left.pop()
            raise MemoryError
        return save(*args)

    monkeypatch.setattr(store, "save", failing)
    happened = list(trainer.run())
    assert "not saved" in warnings(happened)[0] and "out of memory" in warnings(happened)[0]
    assert [event.step for event in only(Saved, happened)] == [8, 12]


def test_a_single_window_that_does_not_fit_ends_the_run_with_everything_saved(tmp_path, data):
    out = tmp_path / "run"
    trainer = fails_above(start(asked(out, data)), 0, NO_MEMORY[0], steps={6})
    happened = []
    with pytest.raises(OutOfMemoryError, match="step 7 does not fit in memory") as caught:
        happened.extend(trainer.run())
    assert caught.value.exit_code == 4 and "--grad-checkpoint block" in caught.value.hint
    assert find.find(out).meta.step == 6
    events(asked(tmp_path / "whole", data))
    assert finished(events(Request(family="ar", resume=out, training={"micro_batch": 8}))).step == 12
    same(tmp_path / "whole", out)


def test_what_fits_is_remembered_when_the_run_is_resumed(tmp_path, data):
    out = tmp_path / "run"
    trainer = fails_above(start(asked(out, data)), 4, NO_MEMORY[0])
    for event in (happening := trainer.run()):
        if isinstance(event, Saved):
            break
    happening.close()
    assert start_and_close(Request(family="ar", resume=out)).progress.micro_batch == 4
    asked_for = Request(family="ar", resume=out, training={"micro_batch": 2})
    assert start_and_close(asked_for).progress.micro_batch == 2


def start_and_close(wanted):
    trainer = start(wanted)
    trainer.log.close()
    return trainer


def test_any_other_error_is_not_taken_for_want_of_memory(tmp_path, data):
    for error in (RuntimeError("shapes do not match"), OSError(errno.EIO, "bad disk"), ValueError("no")):
        trainer = fails_above(start(asked(tmp_path / type(error).__name__, data)), 0, error)
        with pytest.raises(type(error)):
            list(trainer.run())


@pytest.mark.parametrize("micro_batch", [1, 3, 5, 6, 100])
def test_how_many_windows_are_computed_at_once_changes_nothing(tmp_path, data, micro_batch):
    settings = {"grad_accum": 2, "lr": 1e-3, "matrix_lr": 0.005}
    events(asked(tmp_path / "whole", data, **settings))
    happened = events(asked(tmp_path / "run", data, micro_batch=micro_batch, **settings))
    same(tmp_path / "whole", tmp_path / "run")
    assert finished(happened).step == 12


def test_the_pause_before_a_last_attempt_is_long_enough_to_make_room():
    assert 10 <= saving.PAUSE <= 60
