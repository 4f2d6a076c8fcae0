"""Weights and configs under the names of transformers and mamba_ssm: there and back, and what is refused."""

import json
import math
import subprocess
import sys
from dataclasses import replace

import pytest
import torch
from transformers import (
    Mamba2Config,
    Mamba2ForCausalLM,
    PreTrainedConfig,
)
from transformers import MambaConfig as TransformersMambaConfig
from transformers import MambaForCausalLM as TransformersMamba

from bbyte.errors import DataError, UsageError
from bbyte.models.mamba.config import PRESETS, MambaConfig
from bbyte.models.mamba.config_names import (
    from_mamba_ssm_config,
    from_transformers_config,
    mamba_ssm_config,
    transformers_config,
)
from bbyte.models.mamba.model import MambaLM
from bbyte.models.mamba.names import (
    from_mamba_ssm,
    from_transformers,
    to_mamba_ssm,
    to_transformers,
    weight_names,
)

# MambaByte's smaller model (arXiv 2401.13660), in the JSON of mamba_ssm 1.
MAMBABYTE = {
    "d_model": 1024, "n_layer": 53, "vocab_size": 256, "ssm_cfg": {}, "rms_norm": True,
    "residual_in_fp32": True, "fused_add_norm": True, "pad_vocab_size_multiple": 8,
}  # fmt: skip
SMALL = {"n_layer": 2, "d_model": 32, "d_state": 8}
CONFIGS = [
    MambaConfig(**SMALL, headdim=16),
    MambaConfig(**SMALL, headdim=8, n_groups=2, d_conv=3, tied=False),
    MambaConfig(**SMALL, ssm="mamba1"),
    MambaConfig(**SMALL, ssm="mamba1", dt_rank=5, expand=3, tied=False),
    *PRESETS.values(),
]
each_config = pytest.mark.parametrize("config", CONFIGS, ids=lambda c: f"{c.ssm}-{c.d_model}-{c.tied}")
each_kind = pytest.mark.parametrize("ssm", ["mamba2", "mamba1"])


def settled(config):
    """With numbers where a config leaves them to its kind."""
    rank = config.rank if config.ssm == "mamba1" else None
    return replace(config, d_state=config.state_width, dt_rank=rank)


def on_meta(kind, config):
    with torch.device("meta"):
        return kind(config)


def shapes(model):
    return {name: tuple(value.shape) for name, value in model.state_dict().items()}


@each_config
def test_the_names_are_those_of_the_model(config):
    model = on_meta(MambaLM, config)
    assert set(weight_names(config)) == model.state_dict().keys()
    assert set(weight_names(config)) == {name for name, _ in model.named_parameters()}


@each_config
def test_weights_come_back_from_either_library(config):
    weights = {name: object() for name in weight_names(config)}
    for there, back in ((to_transformers, from_transformers), (to_mamba_ssm, from_mamba_ssm)):
        theirs = there(weights, config)
        assert theirs["lm_head.weight"] is weights.get("lm_head.weight", weights["backbone.embedding.weight"])
        assert back(theirs, config) == weights


@each_config
def test_configs_come_back_from_either_library_through_json(config):
    for there, back in (
        (transformers_config, from_transformers_config),
        (mamba_ssm_config, from_mamba_ssm_config),
    ):
        assert back(json.loads(json.dumps(there(config), allow_nan=False))) == settled(config)


@each_config
def test_transformers_builds_the_same_model(config):
    values = transformers_config(config)
    kinds = {
        "MambaForCausalLM": (TransformersMambaConfig, TransformersMamba),
        "Mamba2ForCausalLM": (Mamba2Config, Mamba2ForCausalLM),
    }
    their_config, kind = kinds[values["architectures"][0]]
    theirs = on_meta(kind, their_config.from_dict(values))
    assert shapes(theirs) == to_transformers(shapes(on_meta(MambaLM, config)), config)
    # And what it writes of itself is read as the same config.
    for written in (theirs.config.to_json_string(), theirs.config.to_json_string(use_diff=False)):
        assert from_transformers_config(json.loads(written)) == settled(config)
    assert from_transformers_config(theirs.config.to_dict()) == settled(config)


def test_transformers_config_is_written_without_what_ends_a_text_at_byte_2():
    config: PreTrainedConfig = Mamba2Config.from_dict(transformers_config(MambaConfig()))
    assert (config.bos_token_id, config.eos_token_id) == (0, 0)
    assert tuple(config.time_step_limit) == (0.0, math.inf)


@each_kind
def test_a_tied_head_may_be_missing(ssm):
    config = MambaConfig(**SMALL, ssm=ssm)
    weights = {name: object() for name in weight_names(config)}
    for there, back in ((to_transformers, from_transformers), (to_mamba_ssm, from_mamba_ssm)):
        theirs = there(weights, config)
        del theirs["lm_head.weight"]
        assert back(theirs, config) == weights
    untied = MambaConfig(**SMALL, ssm=ssm, tied=False)
    with pytest.raises(DataError, match=r"lack 'lm_head\.weight'$"):
        from_mamba_ssm(weights, untied)


@each_kind
def test_unknown_and_missing_weights_are_named(ssm):
    config = MambaConfig(**SMALL, ssm=ssm)
    weights = dict.fromkeys(weight_names(config))
    more = weights | {"backbone.layers.2.norm.weight": None}
    less = {name: value for name, value in weights.items() if not name.endswith("D")}
    for convert in (to_transformers, to_mamba_ssm, from_mamba_ssm):
        with pytest.raises(DataError, match=r"hold the unexpected 'backbone\.layers\.2\.norm\.weight'$"):
            convert(more, config)
        with pytest.raises(DataError, match=r"lack 'backbone\.layers\.0\.mixer\.D' and 1 more$") as caught:
            convert(less, config)
        assert "same model" in caught.value.hint
    with pytest.raises(DataError) as caught:  # it is called `embeddings` there
        from_transformers(weights, config)
    assert "lack 'backbone.embeddings.weight' and hold the unexpected 'backbone.embedding.weight'" in str(
        caught.value
    )


@each_kind
def test_biases_of_the_projections_are_unexpected(ssm):
    config = MambaConfig(**SMALL, ssm=ssm)
    theirs = to_mamba_ssm(dict.fromkeys(weight_names(config)), config)
    with pytest.raises(DataError, match=r"mixer\.in_proj\.bias"):
        from_mamba_ssm(theirs | {"backbone.layers.0.mixer.in_proj.bias": None}, config)


def refused(read, values):
    with pytest.raises(UsageError) as caught:
        read(values)
    return caught.value.message


TRANSFORMERS_REFUSALS = [
    ("mamba1", {"use_bias": True}, "use_bias is True"),
    ("mamba2", {"use_bias": True}, "use_bias is True"),
    ("mamba1", {"use_conv_bias": False}, "use_conv_bias is False"),
    ("mamba2", {"hidden_act": "gelu"}, "hidden_act is 'gelu'"),
    ("mamba2", {"time_step_limit": [0.01, 0.1]}, "time_step_limit is [0.01, 0.1]"),
    ("mamba2", {"time_step_limit": (0.0, 0.1)}, "time_step_limit is (0.0, 0.1)"),
    ("mamba2", {"num_heads": 3}, "num_heads is 3"),
    ("mamba1", {"vocab_size": 50280}, "vocab_size is 50280"),
    ("mamba1", {"model_type": "falcon_mamba"}, "model_type is 'falcon_mamba'"),
    ("mamba1", {"model_type": None}, "model_type is None"),
    ("mamba1", {"mixer_rms_eps": 1e-6}, "unknown setting 'mixer_rms_eps'"),
    ("mamba2", {"norm_before_gate": True}, "unknown setting 'norm_before_gate'"),
    ("mamba2", {"hidden_size": "32"}, "d_model is '32'"),
    ("mamba2", {"expand": 1.5}, "expand is 1.5"),
    ("mamba2", {"head_dim": 7}, "headdim 7"),
]


@pytest.mark.parametrize(("ssm", "change", "message"), TRANSFORMERS_REFUSALS, ids=str)
def test_what_transformers_computes_otherwise_is_refused_by_name(ssm, change, message):
    values = transformers_config(MambaConfig(**SMALL, ssm=ssm, headdim=16))
    from_transformers_config(values)
    assert message in refused(from_transformers_config, values | change)


MAMBA_SSM_REFUSALS = [
    ("mamba2", {"rms_norm": False}, {}, "rms_norm is False"),
    ("mamba2", {"d_intermediate": 64}, {}, "d_intermediate is 64"),
    ("mamba1", {"attn_layer_idx": [1]}, {}, "attn_layer_idx is [1]"),
    ("mamba1", {"vocab_size": 50277}, {}, "vocab_size is 50280"),
    ("mamba1", {"pad_vocab_size_multiple": 512}, {}, "vocab_size is 512"),
    ("mamba1", {"vocab_size": None}, {}, "vocab_size is None"),
    ("mamba1", {"pad_vocab_size_multiple": 0, "vocab_size": 7}, {}, "vocab_size is 7"),
    ("mamba1", {"ssm_cfg": [1]}, {}, "ssm_cfg is [1]"),
    ("mamba1", {"norm_epsilon": 1e-6}, {}, "unknown setting 'norm_epsilon'"),
    ("mamba1", {}, {"layer": "Mamba3"}, "layer in ssm_cfg is 'Mamba3'"),
    ("mamba1", {}, {"layer": ["Mamba2"]}, "layer in ssm_cfg is ['Mamba2']"),
    ("mamba1", {}, {"bias": True}, "bias is True"),
    ("mamba2", {}, {"bias": True}, "bias is True"),
    ("mamba2", {}, {"conv_bias": False}, "conv_bias is False"),
    ("mamba2", {}, {"rmsnorm": False}, "rmsnorm is False"),
    ("mamba2", {}, {"norm_before_gate": True}, "norm_before_gate is True"),
    ("mamba2", {}, {"D_has_hdim": True}, "D_has_hdim is True"),
    ("mamba2", {}, {"dt_limit": [0.0, 0.5]}, "dt_limit is [0.0, 0.5]"),
    ("mamba2", {}, {"d_ssm": 32}, "d_ssm is 32"),
    ("mamba2", {}, {"dt_rank": 4}, "unknown setting 'dt_rank'"),
    ("mamba1", {}, {"headdim": 4}, "unknown setting 'headdim'"),
]


@pytest.mark.parametrize(("ssm", "change", "inner", "message"), MAMBA_SSM_REFUSALS, ids=str)
def test_what_mamba_ssm_computes_otherwise_is_refused_by_name(ssm, change, inner, message):
    values = mamba_ssm_config(MambaConfig(**SMALL, ssm=ssm, headdim=16))
    from_mamba_ssm_config(values)
    values = values | {"ssm_cfg": values["ssm_cfg"] | inner} | change
    assert message in refused(from_mamba_ssm_config, values)


def test_every_refused_setting_is_named_at_once():
    values = mamba_ssm_config(MambaConfig()) | {"rms_norm": False, "d_intermediate": 4, "vocab_size": 300}
    found = refused(from_mamba_ssm_config, values)
    assert all(name in found for name in ("rms_norm", "d_intermediate", "vocab_size"))


@pytest.mark.parametrize(
    "inner", [{"dt_limit": [0.0, math.inf]}, {"d_ssm": None}, {"chunk_size": 64}], ids=str
)
def test_settings_that_change_nothing_may_be_there(inner):
    config = MambaConfig()
    values = mamba_ssm_config(config)
    values["ssm_cfg"] |= inner
    assert from_mamba_ssm_config(values) == settled(config)


def test_what_is_not_said_is_as_their_libraries_have_it():
    assert from_mamba_ssm_config({"vocab_size": 256, "d_model": 64, "n_layer": 1}) == MambaConfig(
        ssm="mamba1", d_model=64, n_layer=1, d_state=16
    )
    found = from_mamba_ssm_config({"vocab_size": 250, "ssm_cfg": {"layer": "Mamba2"}})
    assert found == MambaConfig(n_layer=64, d_model=2560, d_state=128)  # 250 are padded to 256
    found = from_transformers_config({"model_type": "mamba", "vocab_size": 256})
    assert found == MambaConfig(ssm="mamba1", n_layer=32, d_model=768, d_state=16)
    found = from_transformers_config({"model_type": "mamba2", "vocab_size": 256})
    assert found == MambaConfig(n_layer=64, d_model=4096, d_state=128, n_groups=8, tied=False)


def test_what_no_other_library_computes_is_not_written():
    for write in (transformers_config, mamba_ssm_config):
        assert "ternary" in refused(write, MambaConfig(ternary=True))
        assert "vocab_size" in refused(write, MambaConfig(vocab_size=300))
    assert "norm_eps" in refused(mamba_ssm_config, MambaConfig(norm_eps=1e-6))
    assert transformers_config(MambaConfig(norm_eps=1e-6))["layer_norm_epsilon"] == 1e-6


def test_mambabyte_has_our_names_and_shapes():
    config = from_mamba_ssm_config(MAMBABYTE)
    assert config == MambaConfig(ssm="mamba1", n_layer=53, d_model=1024, d_state=16)
    model = on_meta(MambaLM, config)
    mixer = {
        "A_log": (2048, 16), "D": (2048,), "in_proj.weight": (4096, 1024), "conv1d.weight": (2048, 1, 4),
        "conv1d.bias": (2048,), "x_proj.weight": (64 + 2 * 16, 2048), "dt_proj.weight": (2048, 64),
        "dt_proj.bias": (2048,), "out_proj.weight": (1024, 2048),
    }  # fmt: skip
    expected = {"backbone.embedding.weight": (256, 1024), "backbone.norm_f.weight": (1024,)}
    for index in range(53):
        expected[f"backbone.layers.{index}.norm.weight"] = (1024,)
        expected |= {f"backbone.layers.{index}.mixer.{name}": shape for name, shape in mixer.items()}
    expected["lm_head.weight"] = (256, 1024)  # mamba_ssm's state dict names the tied matrix twice
    assert to_mamba_ssm(shapes(model), config) == expected
    assert from_mamba_ssm(expected, config) == shapes(model)


@pytest.mark.parametrize(("d_model", "n_layer", "size"), [(1024, 53, 353e6), (1792, 48, 972e6)])
def test_mambabyte_is_as_large_as_its_paper_says(d_model, n_layer, size):
    config = from_mamba_ssm_config(MAMBABYTE | {"d_model": d_model, "n_layer": n_layer})
    found = sum(parameter.numel() for parameter in on_meta(MambaLM, config).parameters())
    assert found == pytest.approx(size, rel=0.005)


def test_names_are_mapped_without_torch():
    code = (
        "import sys, bbyte.models.mamba.names, bbyte.models.mamba.config_names;"
        "sys.exit('torch' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
