"""What only a GPU shows; skipped where there is none."""

import dataclasses

import pytest
import torch
from small_runs import MODEL, corpus, events, finished, losses, only, request

from bbyte.training.events import Saved, Stepped
from bbyte.training.request import Request
from bbyte.training.start import start

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")

WIDER = {**MODEL, "d_model": 64}


def on_cuda(out, data, **changes):
    runtime = {"device": "cuda", **changes.pop("runtime", {})}
    return dataclasses.replace(request(out, data, model=WIDER, **changes), runtime=runtime)


@pytest.fixture
def data(tmp_path):
    return corpus(tmp_path, 60_000)


@pytest.mark.parametrize("precision", ["fp32", "bf16", "fp16"])
@pytest.mark.parametrize("optimizer", ["adamw", "muon", "adamw8bit"])
def test_it_learns_with_every_optimizer_and_number_type(tmp_path, data, optimizer, precision):
    if optimizer == "adamw8bit":
        pytest.importorskip("bitsandbytes")
    runtime = {"precision": precision, "compile": False}
    happened = events(
        on_cuda(tmp_path / "run", data, steps=200, optimizer=optimizer, lr=4e-3, runtime=runtime)
    )
    stepped = only(Stepped, happened)
    assert stepped[-1].bpb < 3.2 < stepped[0].bpb
    assert finished(happened).step == 200


def test_a_run_is_near_that_on_a_cpu(tmp_path, data):
    settings = {"full_precision_start": 1.0, "lr": 1e-3, "matrix_lr": 0.002, "optimizer": "adamw"}
    events(dataclasses.replace(request(tmp_path / "cpu", data, model=WIDER, **settings)))
    runtime = {"precision": "fp32", "compile": False}
    events(on_cuda(tmp_path / "gpu", data, runtime=runtime, **settings))
    for step, loss in losses(tmp_path / "cpu").items():
        assert losses(tmp_path / "gpu")[step] == pytest.approx(loss, rel=1e-3)


@pytest.mark.parametrize("compiled", [False, True])
def test_a_resumed_run_goes_on_as_before(tmp_path, data, compiled):
    runtime = {"precision": "bf16", "compile": compiled}
    settings = {"steps": 30, "save_every": 10, "runtime": runtime}
    events(on_cuda(tmp_path / "whole", data, **settings))
    for event in (happening := start(on_cuda(tmp_path / "run", data, **settings)).run()):
        if isinstance(event, Saved):
            break
    happening.close()
    assert finished(events(Request(family="ar", resume=tmp_path / "run"))).step == 30
    for step, loss in losses(tmp_path / "whole").items():
        assert losses(tmp_path / "run")[step] == pytest.approx(loss, rel=1e-2)


@pytest.mark.parametrize("optimizer", ["adamw", "muon"])
def test_a_step_never_waits_for_the_device(tmp_path, data, optimizer):
    runtime = {"compile": False}
    trainer = start(on_cuda(tmp_path / "run", data, optimizer=optimizer, micro_batch=2, runtime=runtime))
    step = trainer.update.__call__

    def watched(*args):
        torch.cuda.set_sync_debug_mode("error")
        try:
            return step(*args)
        finally:
            torch.cuda.set_sync_debug_mode("default")

    trainer.update = Watched(trainer.update, watched)
    assert finished(list(trainer.run())).step == 12


class Watched:
    def __init__(self, update, call):
        self.update, self.call = update, call

    def __call__(self, *args):
        return self.call(*args)

    def __getattr__(self, name):
        return getattr(self.update, name)


@pytest.mark.parametrize("what", ["none", "mlp", "block"])
def test_recomputed_activations_take_less_memory_and_change_nothing(tmp_path, data, what):
    runtime = {"grad_checkpoint": what, "compile": False, "precision": "fp32"}
    events(on_cuda(tmp_path / what, data, runtime=runtime, seq_len=512, batch_size=8))
    kept = {"grad_checkpoint": "none", "compile": False, "precision": "fp32"}
    events(on_cuda(tmp_path / "kept", data, runtime=kept, seq_len=512, batch_size=8))
    for step, loss in losses(tmp_path / "kept").items():
        assert losses(tmp_path / what)[step] == pytest.approx(loss, rel=1e-4)


def test_memory_that_runs_out_halves_what_is_computed_at_once(tmp_path):
    data = corpus(tmp_path, 2_000_000)
    total = torch.cuda.get_device_properties(0).total_memory
    torch.cuda.set_per_process_memory_fraction(min(1.0, (2 << 30) / total))
    try:
        runtime = {"compile": False, "grad_checkpoint": "none"}
        trainer = start(
            on_cuda(
                tmp_path / "run",
                data,
                steps=2,
                batch_size=256,
                micro_batch=256,
                seq_len=4096,
                runtime=runtime,
            )
        )
        assert finished(list(trainer.run())).step == 2
        assert trainer.progress.micro_batch < 256
    finally:
        torch.cuda.set_per_process_memory_fraction(1.0)
