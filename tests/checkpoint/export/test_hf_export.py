"""What an export to transformers writes, and what it refuses."""

import json
import re

import pytest
import torch
from hf_models import KINDS, MAMBA, TRANSFORMER, built, randomised, saved
from safetensors import safe_open
from transformers.integrations.bitnet import pack_weights

from bbyte.checkpoint.export import hf, hf_bitnet
from bbyte.checkpoint.export.hf import export_hf
from bbyte.checkpoint.export.packed import export_packed
from bbyte.checkpoint.find import find
from bbyte.errors import DataError, UsageError

NAMES = {
    "README.md", "config.json", "generation_config.json", "model.safetensors", "tokenizer.json",
    "tokenizer_config.json",
}  # fmt: skip


def a_model(tmp_path, family="ar", settings=TRANSFORMER, **changes):
    return saved(tmp_path / "run", family, randomised(built(family, settings)), **changes)


def as_json(path):
    return json.loads(path.read_text("utf-8"))


def test_packed_rows_are_striped_as_transformers_does():
    trits = torch.randint(-1, 2, (24, 7), generator=torch.Generator().manual_seed(0)).float()
    assert torch.equal(hf_bitnet.packed(trits), pack_weights(trits.clone()))
    assert torch.equal(hf_bitnet.unpacked(hf_bitnet.packed(trits)), trits)
    with pytest.raises(DataError, match="no trit"):
        hf_bitnet.unpacked(torch.tensor([[255]], dtype=torch.uint8))


def test_the_folder(tmp_path):
    written = export_hf(a_model(tmp_path), tmp_path / "out" / "tales-hf")
    assert {path.name for path in written.path.iterdir()} == NAMES == set(written.files)
    assert [path.name for path in written.path.parent.iterdir()] == ["tales-hf"]
    config = as_json(written.path / "config.json")
    assert config["vocab_size"] == 256 and config["max_position_embeddings"] == 256
    assert config["bos_token_id"] == config["eos_token_id"] == 0
    assert config["quantization_config"]["linear_class"] == "bitlinear"
    assert as_json(written.path / "generation_config.json") == {
        "bos_token_id": 0, "eos_token_id": 0, "pad_token_id": 0,
    }  # fmt: skip
    with safe_open(written.path / "model.safetensors", "pt") as file:
        assert file.metadata() == {"format": "pt"}
        assert "lm_head.weight" not in file.keys()  # noqa: SIM118
        assert file.get_tensor("model.layers.0.mlp.down_proj.weight").shape == (12, 80)
        assert file.get_tensor("model.layers.0.mlp.down_proj.weight_scale").shape == (1,)


def test_two_bits_a_weight(tmp_path):
    found = a_model(tmp_path)
    packed, online = (
        export_hf(found, tmp_path / w, weights=w).files["model.safetensors"] for w in ("packed", "online")
    )
    matrices = 2 * (4 * 48 * 48 + 3 * 48 * 80)
    assert online - packed == pytest.approx(matrices * (4 - 0.25), rel=0.05)


@pytest.mark.parametrize("kind", ["bitnet packed, grouped", "llama", "mamba1"])
def test_the_card(kind, tmp_path):
    family, settings, architecture, _ = KINDS[kind]
    found = a_model(tmp_path, family, settings)
    folder = export_hf(found, tmp_path / "tales-hf").path
    card = (folder / "README.md").read_text("utf-8")
    head, rest = card.removeprefix("---\n").split("---\n", 1)
    assert "library_name: transformers" in head and "license" not in head
    parameters = sum(value.numel() for value in built(family, settings).state_dict().values())
    assert f"{parameters:,}" in rest and architecture in rest and "12,345 bytes of the corpus tales" in rest
    assert "2.345 on held-out bytes" in rest and "bbyte eval-bpb" in rest and "<=" not in rest
    assert "somewhere" not in card and str(tmp_path) not in card
    assert ("accelerate" in rest) == ("packed" in kind)
    assert f'"n_layer": {settings["n_layer"]}' in rest


def test_the_card_says_what_is_not_known(tmp_path):
    found = a_model(tmp_path, metrics={}, bytes_seen=0, corpus={"path": "x", "size": 0, "fingerprint": ""})
    card = (export_hf(found, tmp_path / "hf").path / "README.md").read_text("utf-8")
    assert "| bits per byte | not measured |" in card and "| trained on | unknown |" in card


def test_the_lines_of_the_card_run(tmp_path, monkeypatch, capsys):
    found = a_model(tmp_path, settings=TRANSFORMER | {"ternary": False})
    card = (export_hf(found, tmp_path / "tales-hf").path / "README.md").read_text("utf-8")
    code = re.search(r"```python\n(.*?)```", card, re.DOTALL)[1]
    assert len(code.splitlines()) == 6
    monkeypatch.chdir(tmp_path)
    exec(compile(code, "card", "exec"), {})  # noqa: S102
    assert capsys.readouterr().out.startswith("Once upon a time")


@pytest.mark.parametrize(
    ("family", "settings", "asked", "message"),
    [
        ("diffusion", TRANSFORMER, {}, "no class for a diffusion model"),
        ("ar", TRANSFORMER | {"qk_norm": True}, {}, "both sub-norms and qk-norm"),
        ("ar", TRANSFORMER | {"sub_norm": False}, {}, "only BitNet does"),
        ("ar", TRANSFORMER | {"sub_norm": False, "qk_norm": True}, {}, "only BitNet does"),
        ("ar", TRANSFORMER | {"vocab_size": 300}, {}, "300 symbols"),
        ("ar", TRANSFORMER | {"ternary": False}, {"weights": "packed"}, "full precision"),
        ("ar", TRANSFORMER | {"ternary": False}, {"dequantize": True}, "full precision"),
        ("ar", TRANSFORMER | {"act_quant": False}, {"weights": "online"}, "--weights online"),
        ("ar", TRANSFORMER, {"weights": "online", "dequantize": True}, "--weights online"),
        ("ar", TRANSFORMER | {"d_ff": 82}, {}, "82 rows"),
        ("mamba", MAMBA | {"ternary": True}, {}, "only BitNet does"),
        ("mamba", MAMBA | {"ternary": True}, {"weights": "packed"}, "--weights packed"),
    ],
)
def test_what_has_no_counterpart_is_refused(tmp_path, family, settings, asked, message):
    found = a_model(tmp_path, family, settings)
    with pytest.raises(UsageError, match=message):
        export_hf(found, tmp_path / "hf", **asked)
    assert [path.name for path in tmp_path.iterdir()] == ["run"]


def test_rows_that_do_not_pack_go_online(tmp_path):
    found = a_model(tmp_path, settings=TRANSFORMER | {"d_ff": 82})
    assert export_hf(found, tmp_path / "hf", weights="online").weights == "online"


def test_a_packed_checkpoint_has_no_full_weights(tmp_path):
    packed = find(export_packed(a_model(tmp_path), tmp_path / "packed"))
    with pytest.raises(UsageError, match="the full weights that are quantized online are gone"):
        export_hf(packed, tmp_path / "hf", weights="online")


def test_the_full_precision_start_of_a_ternary_run_is_refused(tmp_path):
    with pytest.raises(UsageError, match="ternary weights have not set in yet"):
        export_hf(a_model(tmp_path, quantized=False), tmp_path / "hf")


def test_what_is_there_stays_unless_forced(tmp_path):
    found, target = a_model(tmp_path), tmp_path / "hf"
    export_hf(found, target)
    before = (target / "model.safetensors").read_bytes()
    with pytest.raises(UsageError, match="is there already"):
        export_hf(found, target, weights="online")
    assert (target / "model.safetensors").read_bytes() == before
    export_hf(found, target, weights="online", force=True)
    assert (target / "model.safetensors").read_bytes() != before


def test_a_folder_of_something_else_is_not_replaced(tmp_path):
    found = a_model(tmp_path)
    (tmp_path / "hf").mkdir()
    (tmp_path / "hf" / "config.json").write_text("{}")
    with pytest.raises(UsageError, match="folder of something else"):
        export_hf(found, tmp_path / "hf", force=True)
    assert [path.name for path in (tmp_path / "hf").iterdir()] == ["config.json"]


def test_a_failure_leaves_nothing(tmp_path, monkeypatch):
    found = a_model(tmp_path)

    def fail(path, *_):
        path.write_bytes(b"half")
        raise OSError(28, "No space left on device", str(path))

    monkeypatch.setattr(hf.tensors, "write", fail)
    with pytest.raises(OSError, match="No space"):
        export_hf(found, tmp_path / "hf")
    assert [path.name for path in tmp_path.iterdir()] == ["run"]
