"""GGUF files read back: every tensor, the figures, what is refused, and what a failure leaves."""

import errno
import sys

import numpy as np
import pytest
import torch
from gguf_models import FULL, MODELS, SIZES, STATE, TERNARY, random_model, saved, stored

from bbyte.checkpoint import store
from bbyte.checkpoint.export.gguf import FOR_TRITS, TYPES, export_gguf
from bbyte.checkpoint.export.packed import export_packed
from bbyte.checkpoint.find import find
from bbyte.errors import BbyteError, UsageError
from bbyte.models.ar.config import ARConfig
from bbyte.models.diffusion.config import DiffusionConfig
from bbyte.models.mamba.config import MambaConfig
from bbyte.quantization.bitlinear import BitLinear

gguf = pytest.importorskip("gguf", reason="gguf is not installed: pip install 'bbyte[export]'")
ARCHITECTURES = {
    "full": "llama", "untied": "llama", "qk_norm": "qwen3", "sub_norm": "bitnet", "ternary": "bitnet",
    "ternary_without_sub_norms": "llama", "ternary_qk_norm": "qwen3", "mamba2": "mamba2", "mamba1": "mamba",
    "ternary_mamba2": "mamba2",
}  # fmt: skip


def read(path):
    """The fields of a file that this test wrote, and its tensors: (type's name, values)."""
    reader = gguf.GGUFReader(path)
    fields = {name: field.contents() for name, field in reader.fields.items()}
    tensors = {
        tensor.name: (tensor.tensor_type.name, gguf.quants.dequantize(tensor.data, tensor.tensor_type))
        for tensor in reader.tensors
    }
    return fields, tensors


def halves(matrix, heads):
    """The rows of a matrix whose heads pair neighbours, as ones whose heads pair halves; row by row."""
    width = len(matrix) // heads
    result = np.empty_like(matrix)
    for head in range(heads):
        for pair in range(width // 2):
            for half in range(2):
                row = head * width + half * width // 2 + pair
                result[row] = matrix[head * width + 2 * pair + half]
    return result


def effective(model):
    """The weights that `model` computes with, by its own names."""
    weights = {name: value.detach().float() for name, value in model.named_parameters()}
    for name, module in model.named_modules():
        if isinstance(module, BitLinear):
            weights[f"{name}.weight"] = module.effective_weight().detach()
    return {name: value.numpy() for name, value in weights.items()}


def ours(tensors, config, architecture):
    """A file's values under a model's own names and in its own shapes, by a table of the test's own."""
    blocks = {
        "attn_norm": "input_layernorm", "attn_q": "self_attn.q_proj", "attn_k": "self_attn.k_proj",
        "attn_v": "self_attn.v_proj", "attn_output": "self_attn.o_proj", "attn_q_norm": "self_attn.q_norm",
        "attn_k_norm": "self_attn.k_norm", "attn_sub_norm": "self_attn.attn_sub_norm",
        "ffn_norm": "post_attention_layernorm", "ffn_gate": "mlp.gate_proj", "ffn_up": "mlp.up_proj",
        "ffn_down": "mlp.down_proj", "ffn_sub_norm": "mlp.ffn_sub_norm",
    }  # fmt: skip
    mixer = {
        "attn_norm": "norm", "ssm_in": "mixer.in_proj", "ssm_out": "mixer.out_proj", "ssm_x": "mixer.x_proj",
        "ssm_conv1d": "mixer.conv1d", "ssm_norm": "mixer.norm",
        "ssm_dt": "mixer.dt_proj" if architecture == "mamba" else "mixer.dt_bias",
        "ssm_a": "mixer.A_log", "ssm_d": "mixer.D",
    }  # fmt: skip
    around = {"token_embd": "embed_tokens", "output_norm": "norm", "output": "lm_head"}
    around_mixers = {
        "token_embd": "backbone.embedding",
        "output_norm": "backbone.norm_f",
        "output": "lm_head",
    }
    of_mamba = architecture in ("mamba", "mamba2")
    result = {}
    for name, (_, values) in tensors.items():
        parts = name.split(".")
        if parts[0] != "blk":
            result[f"{(around_mixers if of_mamba else around)[parts[0]]}.{parts[1]}"] = values
            continue
        stem = (mixer if of_mamba else blocks)[parts[2]]
        ending = f".{parts[3]}" if len(parts) > 3 and stem != "mixer.dt_bias" else ""
        if architecture == "llama" and parts[2] in ("attn_q", "attn_k"):
            values = halves(values, config.n_head if parts[2] == "attn_q" else config.kv_heads)
        if parts[2] == "ssm_a":
            values = np.log(-values)
        if parts[2] == "ssm_conv1d" and ending == ".weight":
            values = values[:, None]
        if architecture == "mamba2" and parts[2] in ("ssm_a", "ssm_d", "ssm_norm"):
            values = values.reshape(-1)
        result[f"{'backbone.' if of_mamba else ''}layers.{parts[1]}.{stem}{ending}"] = values
    return result


def allowed(kind, values):
    """How far from `values` those of a type may be."""
    if kind == "F32":
        return 1e-6 * np.abs(values) + 1e-6
    if kind == "Q8_0":
        largest = np.abs(values.reshape(-1, 32)).max(1, keepdims=True)
        return np.broadcast_to(largest * (0.51 / 127 + 2**-10), (values.size // 32, 32)).reshape(values.shape)
    return 2.0**-11 * np.abs(values) + 2.0**-24  # F16, and trits with a scale in F16


@pytest.mark.parametrize(
    ("name", "type_"),
    [
        (name, type_)
        for name, (_, config) in MODELS.items()
        for type_ in TYPES
        if config.ternary or type_ not in FOR_TRITS
    ],
)
def test_every_tensor_is_the_models(tmp_path, name, type_):
    family, config = MODELS[name]
    found = saved(tmp_path / "run", family, config)
    written = export_gguf(found, tmp_path / "model.gguf", type=type_)
    assert (written.architecture, written.bytes) == (ARCHITECTURES[name], written.path.stat().st_size)
    _, tensors = read(written.path)
    values, expected = ours(tensors, config, written.architecture), effective(store.load(found).model)
    assert values.keys() == expected.keys()
    kinds = dict(zip(values, (kind for kind, _ in tensors.values()), strict=True))
    for name, weight in expected.items():
        assert values[name].shape == weight.shape
        assert (np.abs(values[name] - weight) <= allowed(kinds[name], weight)).all(), name
    ternary = {
        f"{name}.weight"
        for name, layer in store.load(found).model.named_modules()
        if isinstance(layer, BitLinear)
    }
    assert {kinds[name] for name in ternary} <= {type_.upper()}
    matrices = {"F16", "Q8_0"} if type_ == "q8_0" else {"F16"}
    assert {kinds[name] for name in kinds if name not in ternary} <= {"F32", *matrices}
    assert all(kinds[name] == "F32" for name in kinds if "norm" in name)


def test_trits_stay_trits(tmp_path):
    found = saved(tmp_path / "run", *MODELS["ternary"])
    for type_ in TYPES:
        _, tensors = read(export_gguf(found, tmp_path / f"{type_}.gguf", type=type_).path)
        levels = np.unique(tensors["blk.1.ffn_down.weight"][1])
        assert len(levels) == 3 and levels[1] == 0 and -levels[0] == levels[2]


def test_what_the_file_says(tmp_path):
    found = saved(tmp_path / "tales", *MODELS["untied"])
    fields, _ = read(export_gguf(found, tmp_path / "model.gguf").path)
    assert fields["general.name"] == "tales"
    assert fields["general.file_type"] == gguf.LlamaFileType.MOSTLY_F16
    parameters = sum(value.numel() for value in store.load(found).model.parameters())
    assert fields["general.description"] == (
        f"Byte model (ar) with {parameters:,} parameters, trained on 10 bytes; 2.5000 bits per byte on its"
        " held-out data. Exported by bbyte."
    )
    assert not any("license" in name for name in fields)
    expected = {
        "context_length": 64, "block_count": 2, "embedding_length": 64, "feed_forward_length": 96,
        "attention.head_count": 4, "attention.head_count_kv": 2, "rope.dimension_count": 16,
        "rope.freq_base": 500.0, "attention.layer_norm_rms_epsilon": np.float32(1e-6), "vocab_size": 256,
    }  # fmt: skip
    assert {name: fields[f"llama.{name}"] for name in expected} == expected


def test_a_figure_of_another_step_is_not_told(tmp_path):
    found = saved(tmp_path / "run", *MODELS["full"], metrics={"val_bpb": 2.5, "val_step": 0})
    fields, _ = read(export_gguf(found, tmp_path / "model.gguf").path)
    assert "bits per byte" not in fields["general.description"]


@pytest.mark.parametrize("type_", TYPES)
def test_a_packed_checkpoint_gives_the_same_tensors(tmp_path, type_):
    found = saved(tmp_path / "run", *MODELS["ternary"])
    packed = find(export_packed(found, tmp_path / "tales-packed"))
    fields, after = read(export_gguf(packed, tmp_path / "after.gguf", type=type_).path)
    _, before = read(export_gguf(found, tmp_path / "before.gguf", type=type_).path)
    assert fields["general.name"] == "tales"
    assert all(before[name][1].tobytes() == after[name][1].tobytes() for name in before)


def test_the_same_checkpoint_gives_the_same_file(tmp_path):
    found = saved(tmp_path / "run", *MODELS["ternary"])
    files = [export_gguf(found, tmp_path / name, type="tq1_0").path for name in ("a.gguf", "b.gguf")]
    assert files[0].read_bytes() == files[1].read_bytes()


@pytest.mark.parametrize(
    ("family", "config", "type_", "message"),
    [
        ("ar", ARConfig(**FULL, activation="relu2"), "f16", "no architecture with a gated squared ReLU"),
        ("ar", ARConfig(**TERNARY, tied=False), "f16", "bitnet has no output head of its own"),
        ("ar", ARConfig(**TERNARY, qk_norm=True), "f16", "no norms of queries and keys"),
        ("ar", ARConfig(**FULL, vocab_size=260), "f16", "260 symbols, not 256"),
        ("diffusion", DiffusionConfig(**FULL), "f16", "no architecture for the family diffusion"),
        ("mamba", MambaConfig(**STATE, ssm="mamba1", expand=3), "f16", "2 x d_model wide, not 3 x"),
        ("ar", ARConfig(**SIZES), "tq2_0", "rows of multiples of 256, .* have rows of 64 and 96$"),
        ("ar", ARConfig(**TERNARY | {"d_ff": 500}), "tq1_0", "have rows of 500$"),
        ("ar", ARConfig(**FULL | {"d_ff": 100}), "q8_0", "rows of multiples of 32, .* have rows of 100$"),
        ("ar", ARConfig(**FULL), "tq1_0", "tq1_0 holds ternary weights, and this model's are full precision"),
    ],
)  # fmt: skip
def test_refusals(tmp_path, family, config, type_, message):
    found = saved(tmp_path / "run", family, config)
    with pytest.raises(UsageError, match=message):
        export_gguf(found, tmp_path / "model.gguf", type=type_)
    assert [path.name for path in tmp_path.iterdir()] == ["run"]


def test_what_fits_instead_is_named(tmp_path):
    for name, config, hint in (
        ("a", ARConfig(**SIZES), "--type f16 or --type q8_0"),
        ("b", ARConfig(**SIZES | {"d_ff": 100}), "--type f16"),
    ):
        with pytest.raises(UsageError) as caught:
            export_gguf(saved(tmp_path / name, "ar", config), tmp_path / "model.gguf", type="tq2_0")
        assert caught.value.hint == hint


def test_all_reasons_are_told(tmp_path):
    found = saved(tmp_path / "run", "ar", ARConfig(**TERNARY, tied=False, qk_norm=True, activation="relu2"))
    with pytest.raises(UsageError) as caught:
        export_gguf(found, tmp_path / "model.gguf")
    assert len(caught.value.message.splitlines()) == 3


def test_ternary_weights_must_have_set_in(tmp_path):
    found = saved(tmp_path / "run", *MODELS["ternary"], quantized=False)
    with pytest.raises(UsageError, match="have not set in"):
        export_gguf(found, tmp_path / "model.gguf")


def test_without_gguf(tmp_path, monkeypatch):
    found = saved(tmp_path / "run", *MODELS["full"])
    monkeypatch.setitem(sys.modules, "gguf", None)
    with pytest.raises(UsageError, match="needs the package gguf") as caught:
        export_gguf(found, tmp_path / "model.gguf")
    assert caught.value.hint == "pip install 'bbyte[export]'"


@pytest.mark.parametrize("value", [float("nan"), 1e5])
def test_numbers_beyond_16_bits(tmp_path, value):
    family, config = MODELS["full"]
    model = random_model(family, config)
    with torch.no_grad():
        model.layers[1].mlp.down_proj.weight[3, 5] = value
    found = stored(tmp_path / "run", family, config, model)
    with pytest.raises(BbyteError, match=r"^blk\.1\.ffn_down\.weight holds numbers that F16 cannot$"):
        export_gguf(found, tmp_path / "model.gguf")
    assert [path.name for path in tmp_path.iterdir()] == ["run"]


def test_what_is_there_gives_way_only_to_force(tmp_path):
    found, target = saved(tmp_path / "run", *MODELS["full"]), tmp_path / "model.gguf"
    target.write_text("precious")
    with pytest.raises(UsageError, match="is there already"):
        export_gguf(found, target)
    assert target.read_text() == "precious"
    export_gguf(found, target, force=True)
    assert read(target)[0]["general.architecture"] == "llama"
    assert {path.name for path in tmp_path.iterdir()} == {"run", "model.gguf"}


def test_a_folder_is_never_replaced(tmp_path):
    found = saved(tmp_path / "run", *MODELS["full"])
    with pytest.raises(UsageError, match="is a folder"):
        export_gguf(found, tmp_path, force=True)
    assert [path.name for path in tmp_path.iterdir()] == ["run"]


@pytest.mark.skipif(sys.platform == "win32", reason="needs a limit on the size of files")
@pytest.mark.parametrize("part", [0.001, 0.5, 0.999])
def test_a_full_disk_leaves_what_was_there(tmp_path, part):
    import resource

    found, target = saved(tmp_path / "run", *MODELS["full"]), tmp_path / "model.gguf"
    size = export_gguf(found, target).bytes
    before = target.read_bytes()
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (int(size * part), limits[1]))
    try:
        with pytest.raises(OSError) as caught:
            export_gguf(found, target, force=True)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert caught.value.errno == errno.EFBIG
    assert target.read_bytes() == before
    assert {path.name for path in tmp_path.iterdir()} == {"run", "model.gguf"}
