"""What every family gets from the training engine. A new one is tested as soon as its folder exists."""

import dataclasses

import pytest
import torch
from small_runs import corpus, events, finished, losses, only

from bbyte.checkpoint import find, store
from bbyte.cli import main
from bbyte.models.families import families, family
from bbyte.quantization.bitlinear import is_ternary
from bbyte.training.events import Saved
from bbyte.training.request import Request
from bbyte.training.start import start

NAMES = tuple(families())
OPTIMIZERS = ("adamw", "adamw8bit", "muon")
TRAINING = {
    "steps": 60, "batch_size": 2, "seq_len": 24, "log_every": 1, "eval_every": 25, "save_every": 20,
    "keep": 0, "val_fraction": 0.1, "eval_bytes": 500, "full_precision_start": 0.5, "warmup_steps": 5,
    "micro_batch": 1,
}  # fmt: skip


def asked(name, out, data, **training):
    preset = next(iter(family(name).presets))
    runtime = {"device": "cpu", "threads": 1}
    return Request(
        family=name, data=data, preset=preset, training={**TRAINING, **training}, runtime=runtime, out=out
    )


def ternary(name):
    with torch.device("meta"):
        return is_ternary(family(name).build(next(iter(family(name).presets.values()))))


def stop_after_save(request, step):
    for event in (happening := start(request).run()):
        if isinstance(event, Saved) and event.step == step:
            happening.close()
            return
    raise AssertionError("nothing was saved at that step")


def check_resumed(tmp_path, request):
    whole = events(dataclasses.replace(request, out=tmp_path / "whole"))
    out = tmp_path / "run"
    stop_after_save(dataclasses.replace(request, out=out), 20)
    stop_after_save(Request(family=request.family, resume=out), 40)
    happened = events(Request(family=request.family, resume=out))
    assert finished(happened).bpb == finished(whole).bpb
    assert losses(out) == losses(tmp_path / "whole") and len(losses(out)) == 60
    folders = [store.step_folder(folder, 60) for folder in (out, tmp_path / "whole")]
    for name in ("model.safetensors", "optimizer.safetensors"):
        assert (folders[0] / name).read_bytes() == (folders[1] / name).read_bytes()
    described = [find.find(folder).meta for folder in folders]
    assert described[0].progress == described[1].progress
    assert described[0].metrics == described[1].metrics


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_resumed_twice_a_run_is_bit_for_bit_the_run_that_was_never_stopped(tmp_path, name, optimizer):
    if optimizer == "adamw8bit":
        pytest.importorskip("bitsandbytes")
    check_resumed(tmp_path, asked(name, None, corpus(tmp_path, 20_000), optimizer=optimizer))


@pytest.mark.parametrize("name", NAMES)
def test_averaged_weights_are_resumed_too(tmp_path, name):
    request = asked(name, None, corpus(tmp_path, 20_000), optimizer="adamw", ema=0.9)
    if ternary(name):
        request = dataclasses.replace(request, model={"ternary": False})
    check_resumed(tmp_path, request)


@pytest.mark.parametrize("name", NAMES)
def test_with_averages_the_checkpoint_holds_them_and_is_scored_with_them(tmp_path, name):
    request = asked(name, tmp_path / "run", corpus(tmp_path, 20_000), optimizer="adamw", ema=0.9)
    if ternary(name):
        request = dataclasses.replace(request, model={"ternary": False})
    trainer = start(request)
    bpb = finished(list(trainer.run())).bpb
    loaded = store.load(tmp_path / "run").model.state_dict()
    for key, latest in trainer.model.named_parameters():
        assert torch.equal(loaded[key], trainer.update.ema.averages[key])
        assert not torch.equal(loaded[key], latest)
    with trainer.update.ema.swapped():
        pass
    plain = dataclasses.replace(trainer.validator, ema=None)
    with pytest.raises(StopIteration) as scored:
        next(plain.score(24))
    assert scored.value.value.bits_per_byte != bpb
    trainer.model.load_state_dict(loaded)
    with pytest.raises(StopIteration) as scored:
        next(plain.score(24))
    assert scored.value.value.bits_per_byte == pytest.approx(bpb, rel=1e-9)


@pytest.mark.parametrize("name", NAMES)
def test_every_saved_event_names_a_checkpoint_that_loads(tmp_path, name):
    happened = events(asked(name, tmp_path / "run", corpus(tmp_path, 20_000), steps=20, save_every=5))
    for event in only(Saved, happened):
        assert store.load(tmp_path / "run" / f"step-{event.step:07d}").meta.step == event.step


@pytest.mark.parametrize("name", NAMES)
def test_another_familys_command_refuses_a_run_and_names_the_one_that_takes_it(tmp_path, name, capfd):
    run = tmp_path / "run"
    events(asked(name, run, corpus(tmp_path, 20_000), steps=2, full_precision_start=0.0))
    for other in set(NAMES) - {name}:
        for flag in ("--resume", "--extend"):
            assert main(["train", other, flag, str(run)]) == 2
            said = " ".join(capfd.readouterr().err.split())
            assert f"is a run of family {name}, not {other}" in said
            assert f"bbyte train {name} {flag}" in said
