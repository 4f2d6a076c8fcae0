"""What legacy files hold comes out as it was; who asks wrongly, or on the wrong machine, is told so."""

import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path

import hostile
import legacy_files
import pytest
import safetensors.torch
import torch

from bbyte.checkpoint import tensors
from bbyte.checkpoint.legacy import answer, child
from bbyte.checkpoint.legacy import extract as module
from bbyte.checkpoint.legacy.extract import extract
from bbyte.errors import BbyteError, DataError, UsageError

WRITERS = {
    "bitbyte": (legacy_files.bitbyte, {}),
    "grouped-query": (legacy_files.bitbyte, {"n_kv_head": 2}),
    "diffusion": (legacy_files.diffusion, {}),
    "additive": (legacy_files.diffusion, {"form": "additive"}),
    "adaln": (legacy_files.diffusion, {"form": "adaln"}),
    "mamba": (legacy_files.mamba, {}),
    "blm": (legacy_files.blm, {}),
    "muon": (legacy_files.muon, {}),
}


@pytest.mark.parametrize("name", WRITERS)
def test_every_shape_comes_out_as_it_was(tmp_path, name):
    write, options = WRITERS[name]
    weights = write(tmp_path / "old.pt", **options)
    found = extract(tmp_path / "old.pt", tmp_path)
    assert found.tensors == {key: tensors.info_of(value) for key, value in weights.items()}
    assert found.weights == tmp_path / "tensors.safetensors"
    loaded = safetensors.torch.load_file(found.weights)
    assert loaded.keys() == weights.keys()
    assert all(torch.equal(loaded[key], weights[key]) for key in weights)
    head = {"muon": "token_embedding.weight"}.get(name, "tok_emb.weight")
    assert found.shared == ({"lm_head.weight": head} if head in weights and name in TIED else {})


TIED = {"bitbyte", "grouped-query", "mamba", "muon"}


def test_the_facts_of_a_bitbyte_file(tmp_path):
    path = tmp_path / "old.pt"
    legacy_files.bitbyte(path, step=7, tags={"variant": "ar", "model_family": "bitbyte"})
    found = extract(path)
    assert found.top == ("args", "model", "model_family", "opt", "scaler", "step", "variant")
    assert (found.weights_key, found.weights, found.config_class) == ("model", None, None)
    assert found.settings["lr"] == 3e-4 and found.settings["no_ckpt"] is False
    assert found.settings["resume"] is None and found.settings["seq_len"] == 0
    assert found.labels == {"step": 7, "variant": "ar", "model_family": "bitbyte"} and not found.metrics
    assert [entry.name for entry in tmp_path.iterdir()] == ["old.pt"]


def test_the_facts_of_the_others(tmp_path):
    legacy_files.blm(tmp_path / "blm.pt")
    found = extract(tmp_path / "blm.pt")
    assert found.weights_key == "model_state" and found.labels == {"epoch": 3}
    assert (
        found.metrics["bpb"] == 1.8 and found.settings["block_size"] == 32 and found.settings["epochs"] == 3
    )
    legacy_files.muon(tmp_path / "muon.pt", module="__main__", name="MoEModelConfig")
    found = extract(tmp_path / "muon.pt")
    assert found.weights_key == "model_state_dict" and found.config_class == "__main__.MoEModelConfig"
    assert found.settings["max_seq_len"] == 512 and found.metrics["val_accuracy"] == 0.66


def test_a_bare_state_dict_and_the_names_that_wrappers_add(tmp_path):
    path = tmp_path / "old.pt"
    torch.save({"_orig_mod.module.a.weight": torch.nn.Parameter(torch.ones(2, 3))}, path)
    found = extract(path)
    assert found.top == () and found.weights_key == "" and not found.settings
    assert found.tensors == {"a.weight": tensors.TensorInfo("F32", (2, 3))}


def test_every_type_saved_on_any_device_and_a_tiny_optimizer(tmp_path):
    kinds = (torch.float64, torch.float16, torch.bfloat16, torch.int64, torch.int8, torch.uint8, torch.bool)
    values = {f"of.{str(kind)[6:]}": torch.tensor([[0, 1], [1, 0]]).to(kind) for kind in kinds}
    values |= {"scalar": torch.tensor(2.5), "empty": torch.zeros(0, 3), "transposed": torch.rand(3, 4).t()}
    torch.save({"model": values}, tmp_path / "cpu.pt")
    files = hostile.contents(tmp_path / "cpu.pt")
    files["data.pkl"] = files["data.pkl"].replace(b"X\3\0\0\0cpu", b"X\6\0\0\0cuda:7")
    found = extract(hostile.packed(tmp_path / "gpu.pt", files), tmp_path)
    loaded = safetensors.torch.load_file(found.weights)
    assert all(torch.equal(loaded[key], value) for key, value in values.items())


def test_settings_keep_plain_values_only(tmp_path):
    odd = {
        "deep": [[[]]], "nested": {"a": 1}, 7: "number", "long": "x" * 1001, "huge": 1 << 70,
        "nan": float("nan"), "inf": float("inf"), "tensor": torch.ones(1), "fine": "é", "n": "",
    }  # fmt: skip
    many = {f"k{n}": n for n in range(3000)}
    content = {"model": {"a": torch.ones(1)}, "args": odd, "metrics": {"a": 1, "b": float("nan"), "c": "x"}}
    torch.save(content | {"config": "no dict", "x" * 150: 1}, tmp_path / "old.pt")
    found = extract(tmp_path / "old.pt")
    assert found.settings == {"fine": "é", "n": ""} and found.metrics == {"a": 1.0}
    torch.save(content | {"args": many}, tmp_path / "many.pt")
    assert len(extract(tmp_path / "many.pt").settings) == 1000


def test_what_is_no_file(tmp_path):
    os.mkfifo(tmp_path / "pipe.pt")
    for path in (tmp_path / "pipe.pt", tmp_path, tmp_path / "missing.pt"):
        with pytest.raises(UsageError):
            extract(path)
    legacy_files.bitbyte(tmp_path / "old.pt")
    (tmp_path / "link.pt").symlink_to(tmp_path / "old.pt")
    assert extract(tmp_path / "link.pt").weights_key == "model"
    (tmp_path / "tensors.safetensors").write_bytes(b"mine")
    with pytest.raises(UsageError):
        extract(tmp_path / "old.pt", tmp_path)
    assert (tmp_path / "tensors.safetensors").read_bytes() == b"mine"


def test_a_system_without_limits_reads_nothing(tmp_path, monkeypatch):
    legacy_files.bitbyte(tmp_path / "old.pt")
    found = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == "resource" else found(name))
    with pytest.raises(BbyteError, match="cannot limit") as caught:
        extract(tmp_path / "old.pt")
    assert caught.value.exit_code == 1


def test_limits_that_cannot_be_set_are_an_answer(monkeypatch):
    def refuse(*_):
        raise ValueError("not allowed to raise maximum limit")

    monkeypatch.setattr(child.resource, "setrlimit", refuse)
    assert child.answer("nowhere", 0, "", None) == {"limits": "not allowed to raise maximum limit"}


def test_a_file_that_changes_meanwhile(tmp_path, monkeypatch):
    path = tmp_path / "old.pt"
    legacy_files.bitbyte(path)
    ask = module._ask

    def replaced(*arguments):
        legacy_files.mamba(tmp_path / "other.pt")
        (tmp_path / "other.pt").replace(path)  # another file under the same name: the open one counts
        return ask(*arguments)

    def rewritten(*arguments):
        facts = ask(*arguments)
        before = path.stat()
        path.write_bytes(path.read_bytes())
        os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
        return facts

    monkeypatch.setattr(module, "_ask", replaced)
    with pytest.raises(DataError, match="changed while"):  # its count of links is another
        extract(path)
    monkeypatch.setattr(module, "_ask", rewritten)
    with pytest.raises(DataError, match="changed while"):
        extract(path, tmp_path)
    assert not (tmp_path / "tensors.safetensors").exists()


@pytest.mark.parametrize(
    "answered",
    [
        b"", b"[]", b"{}", b"NaN", b"[" * 100_000, b'{"facts": {}}', b'{"refused": 7}',
        b'{"facts": 1, "facts": 2}',
        b'{"refused": "' + b"x" * (9 << 20) + b'"}', b'{"other": "x"}',
    ],
)  # fmt: skip
def test_nonsense_from_the_child_is_refused(tmp_path, monkeypatch, answered):
    legacy_files.bitbyte(tmp_path / "old.pt")

    def run(*_, stdout, **__):
        stdout.write(answered)
        return subprocess.CompletedProcess([], 0)

    monkeypatch.setattr(module.subprocess, "run", run)
    with pytest.raises(DataError, match="nonsense"):
        extract(tmp_path / "old.pt")


@pytest.mark.parametrize(
    ("part", "value"),
    [
        ("top", "args"), ("top", [1]), ("top", ["x" * 201]), ("weights_key", "opt"), ("tensors", {}),
        ("tensors", {"../a": ["F32", [1]]}), ("tensors", {"a": ["F4", [1]]}),
        ("tensors", {"a": ["F32", [-1]]}), ("tensors", {"a": ["F32", [True]]}), ("shared", {"a": "b"}),
        ("settings", {"a": [1]}), ("settings", 1),
        ("labels", {"a": 1 << 63}), ("metrics", {"a": 1}), ("metrics", {"a": "x"}), ("more", 1),
    ],
)  # fmt: skip
def test_every_part_of_the_answer_is_looked_at(part, value):
    good = {
        "top": ["model"], "weights_key": "model", "tensors": {"a": ["F32", [1]]}, "shared": {},
        "settings": {},
        "labels": {"step": 1}, "metrics": {"loss": 1.5},
    }  # fmt: skip
    assert answer.read(json.dumps({"facts": good}).encode()) == {"facts": good}
    with pytest.raises(ValueError, match="what was asked"):
        answer.read(json.dumps({"facts": good | {part: value}}).encode())


def test_neither_torch_nor_a_foreign_module_is_loaded_here(tmp_path):
    legacy_files.bitbyte(tmp_path / "old.pt")
    (tmp_path / "torch.py").write_text("raise SystemExit('the folder one stands in was searched')")
    program = "import sys; from pathlib import Path; sys.path.remove('') if '' in sys.path else 0\n"
    program += "from bbyte.checkpoint.legacy.extract import extract; extract(Path('old.pt'))\n"
    program += "assert not {'torch', 'numpy'} & sys.modules.keys()"
    source = str(Path(module.__file__).parents[3])
    environment = os.environ | {"PYTHONPATH": source, "TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD": "1"}
    command = [sys.executable, "-P", "-c", program]
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
