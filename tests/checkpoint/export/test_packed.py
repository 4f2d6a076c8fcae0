"""Packed checkpoints: the same logits, the same bytes again, and nothing else accepted."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from bbyte import manifest
from bbyte.checkpoint import find, meta, store
from bbyte.checkpoint.export.hf import export_hf
from bbyte.checkpoint.export.packed import export_packed
from bbyte.checkpoint.meta import CheckpointMeta
from bbyte.config import to_dict
from bbyte.errors import BbyteError, DataError, UsageError
from bbyte.models.ar.config import ARConfig
from bbyte.models.diffusion.config import DiffusionConfig
from bbyte.models.families import family as find_family
from bbyte.models.mamba.config import MambaConfig
from bbyte.quantization.bitlinear import BitLinear, set_quantized

CONFIGS = {
    "ar": ("ar", ARConfig(n_layer=2, d_model=48, n_head=4, n_kv_head=2, d_ff=70)),
    "ar untied": ("ar", ARConfig(n_layer=1, d_model=32, n_head=2, d_ff=64, tied=False, act_quant=False)),
    "ar full": ("ar", ARConfig(n_layer=1, d_model=32, n_head=2, d_ff=64, ternary=False)),
    "mamba": ("mamba", MambaConfig(n_layer=2, d_model=32, headdim=16, d_state=8, ternary=True)),
    "mamba1": ("mamba", MambaConfig(n_layer=2, d_model=32, d_state=8, ssm="mamba1", ternary=True)),
    "diffusion": ("diffusion", DiffusionConfig(n_layer=1, d_model=32, n_head=2, d_ff=66, ternary=True)),
}


def checkpoint(run, which="ar", **changes):
    """A checkpoint with random weights everywhere: fresh output projections would be zero."""
    family, config = CONFIGS[which]
    torch.manual_seed(3)
    model = find_family(family).build(config)
    for parameter in model.parameters():
        torch.nn.init.normal_(parameter, mean=0.3 if parameter.ndim == 1 else 0.0, std=0.2)
    run.mkdir(parents=True, exist_ok=True)
    values = {
        "kind": "resume", "family": family, "variant": "ternary", "config": to_dict(config), "step": 7,
        "bytes_seen": 700, "context": 32, "quantized": True,
        "corpus": {"path": "gone", "size": 10, "fingerprint": "0"}, "metrics": {"val_bpb": 2.5},
        "environment": {}, "progress": {"seed": 1},
    }  # fmt: skip
    return find.find(store.save(run, CheckpointMeta(**values | changes), model.state_dict(), None))


def logits(model):
    tokens = torch.randint(0, 256, (2, 24), generator=torch.Generator().manual_seed(1))
    with torch.inference_mode():
        return model(tokens)


@pytest.mark.parametrize("trits_a_byte", [4, 5])
@pytest.mark.parametrize("which", CONFIGS)
def test_the_logits_are_those_of_the_original(tmp_path, which, trits_a_byte):
    found = checkpoint(tmp_path / "run", which)
    packed = store.load(export_packed(found, tmp_path / "packed", trits_a_byte=trits_a_byte))
    assert packed.meta.kind == "packed" and packed.meta.metrics == {"val_bpb": 2.5}
    original = logits(store.load(found).model)
    assert original.std() > 0.05
    torch.testing.assert_close(logits(packed.model), original, atol=1e-5, rtol=0)


@pytest.mark.parametrize("rest", ["fp32", "fp16"])
@pytest.mark.parametrize("trits_a_byte", [4, 5])
def test_packing_what_is_packed_gives_the_same_bytes(tmp_path, trits_a_byte, rest):
    form = {"trits_a_byte": trits_a_byte, "rest": rest}
    once = export_packed(checkpoint(tmp_path / "run"), tmp_path / "once", **form)
    twice = export_packed(find.find(once), tmp_path / "twice", **form)
    for name in (meta.FILE, meta.MODEL):
        assert (once / name).read_bytes() == (twice / name).read_bytes()
    other = export_packed(find.find(once), tmp_path / "other", trits_a_byte=9 - trits_a_byte, rest=rest)
    back = export_packed(find.find(other), tmp_path / "back", **form)
    assert (once / meta.MODEL).read_bytes() == (back / meta.MODEL).read_bytes()


def test_sixteen_bits_for_the_rest_round_it_and_no_more(tmp_path):
    found = checkpoint(tmp_path / "run")
    full = store.load(export_packed(found, tmp_path / "full"))
    half = store.load(export_packed(found, tmp_path / "half", rest="fp16"))
    for (name, one), (_, other) in zip(
        full.model.state_dict().items(), half.model.state_dict().items(), strict=True
    ):
        is_ternary = "_proj" in name
        assert torch.equal(one if is_ternary else one.half().float(), other), name
    assert (logits(half.model) - logits(full.model)).abs().max() < 0.1


def test_loading_never_quantizes_again(tmp_path):
    found = checkpoint(tmp_path / "run")
    model = store.load(export_packed(found, tmp_path / "packed")).model
    before = logits(model)
    set_quantized(model, True)
    assert torch.equal(logits(model), before)
    for module in model.modules():
        if isinstance(module, BitLinear):
            assert torch.equal(module.effective_weight(), module.weight)
            # What quantizing would have done: the mean magnitude of ternary values is below their scale.
            assert module.weight.abs().mean() < 0.9 * module.stored_scale


def test_a_matrix_of_zeros_keeps_its_scale(tmp_path):
    found = checkpoint(tmp_path / "run")
    loaded = store.load(found)
    weights = dict(loaded.model.state_dict())
    weights["layers.0.mlp.up_proj.weight"] = torch.zeros_like(weights["layers.0.mlp.up_proj.weight"])
    (tmp_path / "zero").mkdir()
    found = find.find(store.save(tmp_path / "zero", found.meta, weights, None))
    once = export_packed(found, tmp_path / "once")
    twice = export_packed(find.find(once), tmp_path / "twice")
    assert (once / meta.MODEL).read_bytes() == (twice / meta.MODEL).read_bytes()


def test_ten_million_parameters_take_about_two_and_a_half_megabytes(tmp_path):
    config = ARConfig(n_layer=8, d_model=320, n_head=8, n_kv_head=2, d_ff=1024)
    model = find_family("ar").build(config)
    count = sum(parameter.numel() for parameter in model.parameters())
    assert 9.5e6 < count < 10.5e6
    run = tmp_path / "run"
    run.mkdir()
    described = CheckpointMeta(
        "resume", "ar", "ternary", to_dict(config), 1, 1, 32, True,
        {"path": "gone", "size": 10, "fingerprint": "0"}, {}, {},
    )  # fmt: skip
    found = find.find(store.save(run, described, model.state_dict(), None))
    size = (export_packed(found, tmp_path / "p", rest="fp16") / meta.MODEL).stat().st_size
    assert 2.4e6 < size < 2.7e6


def test_the_start_of_a_ternary_run_is_refused(tmp_path):
    with pytest.raises(UsageError, match="have not set in yet"):
        export_packed(checkpoint(tmp_path / "run", quantized=False), tmp_path / "packed")
    assert not (tmp_path / "packed").exists()


@pytest.mark.parametrize("name", ["norm.weight", "layers.0.mlp.up_proj.weight"])
def test_weights_that_are_no_numbers_are_refused(tmp_path, name):
    found = checkpoint(tmp_path / "run")
    weights = dict(store.load(found).model.state_dict())
    weights[name] = torch.full_like(weights[name], float("nan"))
    (tmp_path / "nan").mkdir()
    found = find.find(store.save(tmp_path / "nan", found.meta, weights, None))
    for export in (export_packed, export_hf):
        with pytest.raises(BbyteError, match=f"{name} holds numbers that are not finite"):
            export(found, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_the_old_export_comes_back_where_the_new_one_does_not_get_its_place(tmp_path, monkeypatch):
    found = checkpoint(tmp_path / "run")
    target = export_packed(found, tmp_path / "packed")
    before = (target / meta.MODEL).read_bytes()
    rename = Path.rename

    def fails(path, to):
        if path.name.startswith(".tmp-export"):
            raise OSError(5, "Input/output error")
        return rename(path, to)

    with monkeypatch.context() as patched:
        patched.setattr(Path, "rename", fails)
        with pytest.raises(OSError, match="Input/output"):
            export_packed(found, target, rest="fp16", force=True)
    assert (target / meta.MODEL).read_bytes() == before
    target.rename(tmp_path / ".tmp-old-packed")  # killed between the two renames
    with pytest.raises(UsageError, match="is there already"):
        export_packed(found, target)
    assert (target / meta.MODEL).read_bytes() == before


def test_what_is_there_is_replaced_only_by_force(tmp_path):
    found = checkpoint(tmp_path / "run")
    target = tmp_path / "packed"
    target.mkdir()
    (target / "precious").write_text("x")
    with pytest.raises(UsageError, match="is there already"):
        export_packed(found, target)
    assert (target / "precious").exists()
    with pytest.raises(UsageError, match="a folder of something else"):
        export_packed(found, target, force=True)
    assert [path.name for path in target.iterdir()] == ["precious"]
    (target / "precious").rename(target / meta.FILE)
    with pytest.raises(UsageError, match="can be trained on"):  # for all that is known
        export_packed(found, target, force=True)
    (target / meta.FILE).unlink()
    target.rmdir()
    export_packed(found, target, rest="fp16")
    export_packed(found, target, force=True)
    assert meta.read(target).packing["rest"] == "F32"
    assert sorted(path.name for path in target.iterdir()) == [meta.FILE, meta.MODEL]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["packed", "run"]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda packing: packing["matrices"].pop("layers.0.mlp.up_proj"), "other ternary matrices"),
        (lambda packing: packing["matrices"].update({"layers.0.mlp.up_proj": [48, 70]}), "other ternary"),
        (lambda packing: packing.update(trits_a_byte=5), "expected TensorInfo"),
        (lambda packing: packing.update(rest="F16"), "expected TensorInfo"),
    ],
)  # fmt: skip
def test_a_packing_that_belies_the_file_is_refused(tmp_path, change, message):
    folder = export_packed(checkpoint(tmp_path / "run"), tmp_path / "packed")
    values = json.loads((folder / meta.FILE).read_text())
    del values["digest"]
    change(values["packing"])
    (folder / meta.FILE).write_text(manifest.write_text(values))
    with pytest.raises(DataError, match=message):
        store.load(folder)


@pytest.mark.parametrize("trits_a_byte", [4, 5])
def test_bytes_that_are_no_trits_and_scales_that_are_none_are_refused(tmp_path, trits_a_byte, monkeypatch):
    from bbyte.checkpoint import packed, tensors

    folder = export_packed(checkpoint(tmp_path / "run"), tmp_path / "packed", trits_a_byte=trits_a_byte)
    good = tensors.load
    for suffix, value in ((".trits", 255), (".scale", float("nan")), (".scale", 0.0), (".scale", -1.0)):

        def damaged(*args, suffix=suffix, value=value, **kwargs):
            found = good(*args, **kwargs)
            next(tensor for name, tensor in found.items() if name.endswith(suffix)).fill_(value)
            return found

        monkeypatch.setattr(packed.tensors, "load", damaged)
        with pytest.raises(DataError, match=r"no packed trits|holds the scale"):
            store.load(folder)


def test_predictions_come_from_either_kind(tmp_path):
    found = checkpoint(tmp_path / "run")
    folder = export_packed(found, tmp_path / "packed")
    views = []
    for path in (found.path, folder):
        loaded = store.load(path)
        predictor = loaded.family.predictor(loaded.model, 32, 1)
        predictor.prime(b"once upon a time")
        views.append(predictor.logits())
    np.testing.assert_allclose(*views, atol=1e-5)
