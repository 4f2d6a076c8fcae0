"""Saving: complete or not there, whatever fails on the way; loading: exactly what was saved."""

import os
from pathlib import Path

import pytest
import torch
from small import CONFIG, saved, weights

from bbyte.checkpoint import find, store, tensors
from bbyte.checkpoint.tensors import TensorInfo
from bbyte.config import to_dict
from bbyte.errors import DataError
from bbyte.models.ar.config import ARConfig
from bbyte.quantization.bitlinear import BitLinear


def loads(run, step):
    """The run's newest good checkpoint is that of `step`, and its weights are those that were saved."""
    loaded = store.load(run)
    assert loaded.meta.step == step
    state = loaded.model.state_dict()
    assert all(torch.equal(value, state[name]) for name, value in weights(step).items())
    return True


def leftovers(run):
    return [path.name for path in run.rglob("*") if ".tmp" in path.name]


def test_what_is_saved_is_loaded(tmp_path):
    folder = saved(tmp_path, 3)
    assert folder == store.step_folder(tmp_path, 3) == tmp_path / "step-0000003"
    assert sorted(path.name for path in folder.iterdir()) == [
        "checkpoint.json", "model.safetensors", "optimizer.safetensors",
    ]  # fmt: skip
    assert loads(tmp_path, 3) and not leftovers(tmp_path)
    state = store.load_optimizer(folder, {"exp_avg.norm.weight": TensorInfo("F32", (8,))}, "cpu")
    assert torch.equal(state["exp_avg.norm.weight"], torch.full((8,), 3.0))


@pytest.mark.parametrize("quantized", [True, False])
def test_a_loaded_model_computes_as_it_did_when_it_was_saved(tmp_path, quantized):
    saved(tmp_path, quantized=quantized)
    model = store.load(tmp_path).model
    assert {m.active for m in model.modules() if isinstance(m, BitLinear)} == {quantized}
    assert all(parameter.requires_grad and not parameter.is_meta for parameter in model.parameters())


class Faults:
    """Counts the calls to the system, and makes one of them fail: the `at`-th."""

    def __init__(self, monkeypatch, at=None):
        self.trace, self.at = [], at
        originals = {"fsync": os.fsync, "rename": Path.rename, "open": Path.open, "mkdir": Path.mkdir}
        write = store.tensors._write

        def counted(name, function):
            def call(*args, **kwargs):
                target = args[0] if isinstance(args[0], Path) else ""
                self._count(name, str(getattr(target, "name", target)))
                return function(*args, **kwargs)

            return call

        def fsync(descriptor):
            self._count("fsync", Path(f"/proc/self/fd/{descriptor}").readlink().name if LINUX else "")
            return originals["fsync"](descriptor)

        monkeypatch.setattr(os, "fsync", fsync)
        for name in ("rename", "open", "mkdir"):
            monkeypatch.setattr(Path, name, counted(name, originals[name]))
        monkeypatch.setattr(store.tensors, "_write", counted("write", write))

    def _count(self, name, target):
        self.trace.append((name, target))
        if len(self.trace) - 1 == self.at:
            raise OSError(28, "No space left on device")


LINUX = Path("/proc/self/fd").is_dir()


@pytest.mark.parametrize("target", ["a new step", "a step that is there"])
def test_a_failure_at_any_call_leaves_the_earlier_checkpoints_and_nothing_else(tmp_path, target):
    step = 2 if target == "a new step" else 1
    saved(tmp_path / "counting", 1)
    with pytest.MonkeyPatch.context() as patch:
        calls = Faults(patch).trace
        saved(tmp_path / "counting", step)
    assert len(calls) >= 15
    for at in range(1, len(calls)):  # the first one is this test's own
        run = tmp_path / f"run-{at}"
        saved(run, 1)
        with pytest.MonkeyPatch.context() as patch, pytest.raises(OSError, match="No space"):
            Faults(patch, at)
            saved(run, step)
        assert not leftovers(run)
        newest = find.find(run)
        assert newest.skipped == ()
        assert loads(run, newest.meta.step) and newest.meta.step in (1, step)
        assert saved(run, 3) and loads(run, 3)  # and the next save goes well


@pytest.mark.skipif(not LINUX, reason="needs /proc to name what was flushed")
def test_everything_is_flushed_before_it_is_renamed_and_the_folder_after(tmp_path, monkeypatch):
    faults = Faults(monkeypatch)
    saved(tmp_path, 1)
    moments = [call for call in faults.trace if call[0] in ("fsync", "rename")]
    assert moments == [
        ("fsync", "model.safetensors"),
        ("fsync", "optimizer.safetensors"),
        ("fsync", "checkpoint.json"),
        ("fsync", ".tmp-step-0000001"),
        ("rename", ".tmp-step-0000001"),
        ("fsync", tmp_path.name),
    ]
    opened = [name for kind, name in faults.trace if kind == "open"]
    assert opened[-1] == "checkpoint.json"


def test_what_a_killed_save_left_is_removed_by_the_next(tmp_path):
    saved(tmp_path, 1)
    (tmp_path / ".tmp-step-0000002").mkdir()
    (tmp_path / ".tmp-step-0000002" / "model.safetensors").write_bytes(b"half")
    assert loads(tmp_path, 1)
    saved(tmp_path, 2)
    assert loads(tmp_path, 2) and not leftovers(tmp_path)


def test_a_save_that_is_interrupted_by_the_user_leaves_nothing(tmp_path, monkeypatch):
    saved(tmp_path, 1)
    monkeypatch.setattr(store.tensors, "_write", lambda *a: (_ for _ in ()).throw(KeyboardInterrupt))
    with pytest.raises(KeyboardInterrupt):
        saved(tmp_path, 2)
    assert loads(tmp_path, 1) and not leftovers(tmp_path)


def test_a_step_that_is_there_is_replaced(tmp_path):
    folder = saved(tmp_path, 5)
    (folder / "model.safetensors").write_bytes(b"damaged")
    saved(tmp_path, 5)
    assert loads(tmp_path, 5) and not leftovers(tmp_path)


@pytest.mark.parametrize(
    "config",
    [{"n_layer": 2}, {"d_ff": 16}, {"tied": False}, {"sub_norm": False}, {"qk_norm": True}, {"d_model": 16}],
    ids=str,
)
def test_weights_other_than_the_config_implies_are_refused_unread(tmp_path, monkeypatch, config):
    other = ARConfig(**{**to_dict(CONFIG), **config})
    saved(tmp_path, config=to_dict(other))
    monkeypatch.setattr(tensors, "_read", lambda *a, **k: pytest.fail("data was read"))
    with pytest.raises(DataError, match=r"model\.safetensors"):
        store.load(tmp_path)


@pytest.mark.skipif(os.name == "nt" or os.geteuid() == 0, reason="this user may write everywhere")
def test_a_folder_that_may_not_be_written_is_told_by_the_system(tmp_path):
    saved(tmp_path, 1)
    tmp_path.chmod(0o500)
    try:
        with pytest.raises(PermissionError):
            saved(tmp_path, 2)
    finally:
        tmp_path.chmod(0o700)
    assert loads(tmp_path, 1)
