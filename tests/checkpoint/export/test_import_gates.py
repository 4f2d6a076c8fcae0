"""What `import` refuses: every setting that we do not compute, every file that is not what it says."""

import json
import random

import pytest
import torch
from hf_models import KINDS, built, randomised, saved
from safetensors.torch import load_file, save_file

from bbyte.checkpoint.export.hf import export_hf
from bbyte.checkpoint.importing.folder import import_folder
from bbyte.errors import BbyteError, DataError, UsageError


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    root = tmp_path_factory.mktemp("exports")
    for kind in ("llama", "qwen3, grouped", "bitnet packed, grouped", "bitnet online", "mamba1"):
        family, settings, _, weights = KINDS[kind]
        found = saved(root / kind / "run", family, randomised(built(family, settings)))
        export_hf(found, root / kind / "hf", weights=weights if weights != "full" else None)
    return root


@pytest.fixture
def copy(folders, tmp_path):
    """A folder to change, by kind."""

    def made(kind):
        target = tmp_path / "hf"
        target.mkdir()
        for path in (folders / kind / "hf").iterdir():
            (target / path.name).write_bytes(path.read_bytes())
        return target

    return made


def changed(folder, **settings):
    path = folder / "config.json"
    config = json.loads(path.read_text("utf-8"))
    for name, value in settings.items():
        config[name] = value
        if value is ...:
            del config[name]
    path.write_text(json.dumps(config))


def refused(folder, message, kind=DataError, **asked):
    run = folder.parent / "run"
    with pytest.raises(kind, match=message) as caught:
        import_folder(folder, run, **asked)
    assert not run.exists()
    assert caught.value.hint


@pytest.mark.parametrize(
    ("kind", "settings", "message"),
    [
        ("llama", {"model_type": "gpt2"}, "model_type is 'gpt2'"),
        ("llama", {"model_type": ["llama"]}, "none of bbyte's models"),
        ("llama", {"model_type": ...}, "none of bbyte's models"),
        ("llama", {"architectures": ["LlamaForSequenceClassification"]}, "architectures"),
        ("llama", {"vocab_size": 32000}, "vocab_size is 32000: a model of bytes has 256"),
        ("llama", {"rope_scaling": {"type": "linear", "factor": 2.0}}, "rope_scaling"),
        ("llama", {"rope_parameters": {"rope_type": "yarn", "rope_theta": 1e4, "factor": 2}}, "yarn"),
        ("llama", {"rope_parameters": 3}, "rope_parameters is 3"),
        ("llama", {"rope_theta": 5e5}, "rope_theta .* which"),
        ("llama", {"partial_rotary_factor": 0.5}, "partial_rotary_factor"),
        ("llama", {"attention_bias": True}, "attention_bias"),
        ("llama", {"mlp_bias": True}, "mlp_bias"),
        ("llama", {"sliding_window": 128}, "sliding_window"),
        ("qwen3, grouped", {"use_sliding_window": True}, "use_sliding_window"),
        ("qwen3, grouped", {"layer_types": ["full_attention", "sliding_attention"]}, "layer_types"),
        ("qwen3, grouped", {"head_dim": ...}, "head_dim is 128"),
        ("llama", {"head_dim": 16}, "head_dim is 16"),
        ("llama", {"hidden_act": "gelu"}, "hidden_act is 'gelu'"),
        ("llama", {"pretraining_tp": 2}, "pretraining_tp"),
        ("llama", {"logit_scale": 0.5}, "unknown setting 'logit_scale'"),
        ("llama", {"hidden_size": ...}, "hidden_size is missing"),
        ("llama", {"hidden_size": "48"}, "d_model is '48'"),
        ("llama", {"hidden_size": 1 << 40}, "d_model"),
        ("llama", {"num_attention_heads": 5}, "not divisible"),
        ("llama", {"rms_norm_eps": -1}, "norm_eps"),
        ("llama", {"max_position_embeddings": -1}, "max_position_embeddings"),
        ("llama", {"quantization_config": {"quant_method": "bitnet"}}, "quantization_config"),
        ("bitnet online", {"quantization_config": {"quant_method": "gptq"}}, "quantization_config"),
        (
            "bitnet online",
            {"quantization_config": {"quant_method": "bitnet", "use_rms_norm": True}},
            "use_rms_norm",
        ),
        (
            "bitnet online",
            {"quantization_config": {"quant_method": "bitnet", "linear_class": "x"}},
            "BitNet's 'x'",
        ),
        (
            "bitnet online",
            {"quantization_config": {"quant_method": "bitnet", "modules_to_not_convert": ["q_proj"]}},
            "modules_to_not_convert",
        ),
        ("bitnet online", {"quantization_config": {"quant_method": "bitnet", "bits": 1}}, "'bits'"),
        ("mamba1", {"use_bias": True}, "use_bias"),
        ("mamba1", {"vocab_size": 50280}, "vocab_size"),
        ("mamba1", {"odd": 1}, "unknown setting 'odd'"),
    ],
)
def test_settings_that_we_do_not_compute_are_named(copy, kind, settings, message):
    folder = copy(kind)
    changed(folder, **settings)
    refused(folder, message)


@pytest.mark.parametrize(
    "text",
    ["", "[]", "{", '{"a": NaN}', '{"a": 1, "a": 1}', "[" * 100_000, '{"a":' * 40 + "1" + "}" * 40, "\xff",
     '{"a": ' + "9" * 400 + "}", '{"a": "' + "x" * (1 << 20) + '"}'],
)  # fmt: skip
def test_a_config_that_is_no_plain_json_is_refused(copy, text):
    folder = copy("llama")
    (folder / "config.json").write_bytes(text.encode("latin-1"))
    refused(folder, "config.json")


def with_weights(folder, change):
    path = folder / "model.safetensors"
    weights = load_file(path)
    change(weights)
    save_file(weights, path, metadata={"format": "pt"})
    return folder


Q = "model.layers.1.self_attn.q_proj.weight"


@pytest.mark.parametrize(
    ("kind", "change", "message"),
    [
        ("llama", lambda w: w.pop(Q), f"lacks {Q}"),
        ("llama", lambda w: [w.pop(n) for n in list(w) if "mlp" in n], "lacks .* and 5 more"),
        ("llama", lambda w: w.update({"model.rotary_emb.inv_freq": torch.ones(6)}), "inv_freq, which its"),
        ("llama", lambda w: w.update({Q: w[Q][:-1].clone()}), r"F32 \(47, 48\), expected .* \(48, 48\)"),
        ("llama", lambda w: w.update({Q: w[Q].double()}), "is F64"),
        ("llama", lambda w: w.update({Q: w[Q] * float("nan")}), "not finite"),
        ("llama", lambda w: w.update({"lm_head.weight": torch.ones(256, 48)}), "not the embedding"),
        ("bitnet packed, grouped", lambda w: w.update({Q: w[Q] | 255}), "no trit"),
        ("bitnet packed, grouped", lambda w: w.update({Q: w[Q].float()}), "expected U8"),
        ("bitnet packed, grouped", lambda w: w.pop(f"{Q}_scale"), "lacks"),
        ("bitnet packed, grouped", lambda w: w.update({f"{Q}_scale": torch.zeros(1)}), "has the scale inf"),
        ("bitnet packed, grouped", lambda w: w.update({f"{Q}_scale": -torch.ones(1)}), "has the scale -1"),
        ("bitnet packed, grouped", lambda w: w.update({f"{Q}_scale": torch.full((1,), 1e7)}), "smallest"),
        ("bitnet online", lambda w: w.update({Q: w[Q].to(torch.uint8)}), "is U8"),
    ],
)
def test_weights_that_are_not_those_of_the_config_are_refused(copy, kind, change, message):
    refused(with_weights(copy(kind), change), message)


def test_a_matrix_of_zeros_needs_no_scale(copy, tmp_path):
    def clear(weights):
        weights[Q] = torch.full_like(weights[Q], 0b01010101)
        weights[f"{Q}_scale"] = torch.full((1,), 1e5)

    step = import_folder(with_weights(copy("bitnet packed, grouped"), clear), tmp_path / "run")
    assert not load_file(step / "model.safetensors")[Q.removeprefix("model.")].any()


def test_a_tied_head_may_stand_in_the_file(copy, tmp_path):
    def repeat(weights):
        weights["lm_head.weight"] = weights["model.embed_tokens.weight"].clone()

    import_folder(with_weights(copy("llama"), repeat), tmp_path / "run")


def test_pickles_are_not_read(copy):
    folder = copy("llama")
    (folder / "model.safetensors").rename(folder / "pytorch_model.bin")
    refused(folder, "is a pickle")
    (folder / "pytorch_model.bin").unlink()
    refused(folder, "holds no model.safetensors")


@pytest.mark.parametrize(
    ("index", "message"),
    [
        ({}, "does not name its files"),
        ({"weight_map": {"a": "../run/model.safetensors"}}, "does not name its files"),
        ({"weight_map": {"a": "/etc/passwd"}}, "does not name its files"),
        ({"weight_map": {"a": 3}}, "does not name its files"),
        ({"weight_map": {"a": "gone.safetensors"}}, "gone.safetensors is missing"),
        ({"weight_map": {"a": "a.safetensors", "b": "b.safetensors"}}, "again"),
    ],
)
def test_an_index_names_files_of_the_folder(copy, index, message):
    folder = copy("llama")
    data = (folder / "model.safetensors").read_bytes()
    (folder / "model.safetensors").unlink()
    for name in ("a", "b"):
        (folder / f"{name}.safetensors").write_bytes(data)
    (folder / "model.safetensors.index.json").write_text(json.dumps(index))
    refused(folder, message)


def test_a_link_out_of_the_folder_is_refused(copy, tmp_path):
    folder = copy("llama")
    (folder / "model.safetensors").rename(tmp_path / "elsewhere.safetensors")
    (folder / "model.safetensors").symlink_to(tmp_path / "elsewhere.safetensors")
    refused(folder, "leads out of its folder")


def test_what_is_there_stays(copy, tmp_path):
    folder = copy("llama")
    (tmp_path / "taken").mkdir()
    (tmp_path / "taken" / "file").touch()
    with pytest.raises(UsageError, match="exists already"):
        import_folder(folder, tmp_path / "taken")
    assert [path.name for path in (tmp_path / "taken").iterdir()] == ["file"]


@pytest.mark.parametrize("name", ["config.json", "model.safetensors"])
def test_damage_anywhere_is_refused_in_a_sentence_or_harmless(copy, tmp_path, name):
    folder, generator = copy("bitnet packed, grouped"), random.Random(7)
    data = (folder / name).read_bytes()
    head = len(data) if name == "config.json" else 8 + int.from_bytes(data[:8], "little")
    for number in range(150):
        mutant = bytearray(data)
        for _ in range(generator.randint(1, 3)):
            mutant[generator.randrange(head)] = generator.randrange(256)
        (folder / name).write_bytes(mutant)
        try:
            import_folder(folder, tmp_path / f"run-{number}")
        except BbyteError as error:
            assert error.message and error.hint
            assert not (tmp_path / f"run-{number}").exists()


def test_a_context_that_is_not_said_is_asked_for(copy):
    folder = copy("mamba1")
    changed(folder, max_position_embeddings=...)
    refused(folder, "how long the windows were", kind=UsageError)
    refused(folder.parent / "gone", "is no folder", kind=UsageError)


def test_cut_files_are_refused(copy):
    folder = copy("llama")
    path = folder / "model.safetensors"
    data = path.read_bytes()
    for length in (0, 7, 8, 100, len(data) // 2, len(data) - 1):
        path.write_bytes(data[:length])
        refused(folder, "model.safetensors")
