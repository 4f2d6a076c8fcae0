"""A MambaLM's config as transformers and mamba_ssm write theirs, and back.

A setting that a MambaLM does not compute is refused by its name, and so is one that is not known here: it
might change what is computed. Weights: see `names`.
"""

import math
from collections.abc import Mapping
from typing import Any, Literal, NamedTuple

from bbyte.config import Problems, to_dict
from bbyte.errors import UsageError
from bbyte.models.mamba.config import MambaConfig

Kind = Literal["mamba1", "mamba2"]
BYTES = 256
EPS_OF_MAMBA_SSM = 1e-5
"""Of every norm; its config does not say."""


class _Settings(NamedTuple):
    """What a library says of a model: by `same` in our words, with what it takes where nothing is said.

    Of `only` a MambaLM computes that one value, which is their default too. `idle` changes nothing computed.
    """

    same: Mapping[str, tuple[str, Any]]
    only: Mapping[str, Any]
    idle: str

    def read(self, values: Mapping[str, Any], problems: Problems) -> dict[str, Any]:
        """Our settings; what cannot be read is noted in `problems`."""
        idle = self.idle.split()
        for name, value in values.items():
            if name in self.only:
                expected = self.only[name]
                problems.check(_plain(value) == expected, f"{name} is {value!r}, a MambaLM has {expected!r}")
            elif name not in self.same:
                problems.check(name in idle, f"unknown setting {name!r}, which may change what is computed")
        found = {ours: values.get(theirs, default) for theirs, (ours, default) in self.same.items()}
        return found | ({"dt_rank": None} if found.get("dt_rank") == "auto" else {})

    def write(self, config: MambaConfig) -> dict[str, Any]:
        """What `read` makes into the settings of `config`; what it leaves open is settled."""
        settled = to_dict(config) | {"d_state": config.state_width, "dt_rank": config.rank}
        return {theirs: settled[ours] for theirs, (ours, _) in self.same.items()}


_IDLE_IN_TRANSFORMERS = """
    model_type vocab_size architectures dtype torch_dtype transformers_version _name_or_path return_dict
    output_hidden_states output_attentions is_encoder_decoder chunk_size_feed_forward id2label label2id
    problem_type use_cache use_mambapy use_associative_scan chunk_size pad_token_id bos_token_id eos_token_id
    initializer_range rescale_prenorm_residual time_step_min time_step_max time_step_floor time_step_scale
    time_step_init_scheme residual_in_fp32 intermediate_size
"""
_TRANSFORMERS: dict[Kind, _Settings] = {
    "mamba1": _Settings(
        same={
            "num_hidden_layers": ("n_layer", 32), "hidden_size": ("d_model", 768), "expand": ("expand", 2),
            "state_size": ("d_state", 16), "conv_kernel": ("d_conv", 4),
            "layer_norm_epsilon": ("norm_eps", 1e-5), "time_step_rank": ("dt_rank", "auto"),
            "tie_word_embeddings": ("tied", True),
        },
        only={"use_bias": False, "use_conv_bias": True, "hidden_act": "silu"},
        idle=_IDLE_IN_TRANSFORMERS,
    ),
    "mamba2": _Settings(
        same={
            "num_hidden_layers": ("n_layer", 64), "hidden_size": ("d_model", 4096), "expand": ("expand", 2),
            "state_size": ("d_state", 128), "conv_kernel": ("d_conv", 4), "head_dim": ("headdim", 64),
            "n_groups": ("n_groups", 8), "layer_norm_epsilon": ("norm_eps", 1e-5),
            "tie_word_embeddings": ("tied", False),
        },
        only={
            "use_bias": False, "use_conv_bias": True, "hidden_act": "silu",
            "time_step_limit": [0.0, math.inf],
        },
        idle=_IDLE_IN_TRANSFORMERS + "time_step_rank num_heads",
    ),
}  # fmt: skip
_MAMBA_SSM = _Settings(
    same={"n_layer": ("n_layer", 64), "d_model": ("d_model", 2560), "tie_embeddings": ("tied", True)},
    only={"rms_norm": True, "d_intermediate": 0, "attn_layer_idx": []},
    idle="ssm_cfg vocab_size pad_vocab_size_multiple attn_cfg residual_in_fp32 fused_add_norm",
)
_SSM_CFG: dict[Kind, _Settings] = {
    "mamba1": _Settings(
        same={
            "d_state": ("d_state", 16), "d_conv": ("d_conv", 4), "expand": ("expand", 2),
            "dt_rank": ("dt_rank", "auto"),
        },
        only={"bias": False, "conv_bias": True},
        idle="layer dt_min dt_max dt_init dt_scale dt_init_floor use_fast_path",
    ),
    "mamba2": _Settings(
        same={
            "d_state": ("d_state", 128), "d_conv": ("d_conv", 4), "expand": ("expand", 2),
            "headdim": ("headdim", 64), "ngroups": ("n_groups", 1),
        },
        only={
            "bias": False, "conv_bias": True, "d_ssm": None, "rmsnorm": True, "norm_before_gate": False,
            "D_has_hdim": False, "dt_limit": [0.0, math.inf], "process_group": None,
        },
        idle="""
            layer conv_init A_init_range dt_min dt_max dt_init_floor chunk_size use_mem_eff_path
            sequence_parallel
        """,
    ),
}  # fmt: skip
_LAYERS: dict[str, Kind] = {"Mamba1": "mamba1", "Mamba2": "mamba2"}
MODEL_TYPES: dict[str, Kind] = {"mamba": "mamba1", "mamba2": "mamba2"}


def transformers_config(config: MambaConfig) -> dict[str, Any]:
    """The config.json of the MambaForCausalLM or Mamba2ForCausalLM that computes what `config` says.

    Raises UsageError for ternary projections, which they do not know: for their effective weights give the
    config with `ternary` off.
    """
    problems = Problems()
    _check_ours(config, problems)
    problems.raise_if_any()
    if config.ssm == "mamba2":
        about = {"model_type": "mamba2", "architectures": ["Mamba2ForCausalLM"], "num_heads": config.n_head}
    else:
        about = {"model_type": "mamba", "architectures": ["MambaForCausalLM"]}
    settings = _TRANSFORMERS[config.ssm]
    # A document begins and ends with byte 0; Mamba-2's defaults would end it with byte 2.
    tokens = {"vocab_size": BYTES, "bos_token_id": 0, "eos_token_id": 0, "pad_token_id": 0}
    fixed = {name: value for name, value in settings.only.items() if name != "time_step_limit"}
    return about | tokens | settings.write(config) | fixed


def from_transformers_config(values: Mapping[str, Any]) -> MambaConfig:
    """The config of the MambaLM that computes what the model of transformers' config.json does.

    Raises UsageError, naming every setting, for what a MambaLM does not compute.
    """
    kind = _kind("model_type", values.get("model_type"), MODEL_TYPES)
    problems = Problems()
    settings = _TRANSFORMERS[kind].read(values, problems)
    _check_vocabulary(values.get("vocab_size"), problems)
    problems.raise_if_any()
    config = MambaConfig(ssm=kind, **settings)
    heads = values.get("num_heads", 128)
    fits = kind == "mamba1" or heads == config.n_head
    problems.check(fits, f"num_heads is {heads!r}, the widths make {config.n_head}")
    problems.raise_if_any()
    return config


def mamba_ssm_config(config: MambaConfig) -> dict[str, Any]:
    """The config.json of mamba_ssm's MambaLMHeadModel that computes what `config` says.

    Raises UsageError for ternary projections, as `transformers_config` does, and for another epsilon of the
    norms than mamba_ssm's.
    """
    problems = Problems()
    _check_ours(config, problems)
    problems.check(
        config.norm_eps == EPS_OF_MAMBA_SSM,
        f"norm_eps is {config.norm_eps}, mamba_ssm's norms have {EPS_OF_MAMBA_SSM}",
    )
    problems.raise_if_any()
    layer = {kind: name for name, kind in _LAYERS.items()}[config.ssm]
    return _MAMBA_SSM.write(config) | {
        "vocab_size": BYTES,
        "ssm_cfg": {"layer": layer} | _SSM_CFG[config.ssm].write(config),
        "d_intermediate": 0,
        "attn_layer_idx": [],
        "attn_cfg": {},
        "rms_norm": True,
        "residual_in_fp32": True,
        "fused_add_norm": True,
        "pad_vocab_size_multiple": 8,
    }


def from_mamba_ssm_config(values: Mapping[str, Any]) -> MambaConfig:
    """The config of the MambaLM that computes what mamba_ssm's MambaLMHeadModel of this config.json does.

    Raises UsageError, naming every setting, for what a MambaLM does not compute.
    """
    mixer = values.get("ssm_cfg", {})
    if not isinstance(mixer, Mapping):
        raise UsageError(f"ssm_cfg is {mixer!r}, expected settings by name")
    kind = _kind("layer in ssm_cfg", mixer.get("layer", "Mamba1"), _LAYERS)
    problems = Problems()
    settings = _MAMBA_SSM.read(values, problems) | _SSM_CFG[kind].read(mixer, problems)
    _check_vocabulary(_padded_vocabulary(values), problems)
    problems.raise_if_any()
    return MambaConfig(ssm=kind, **settings)


def _kind(setting: str, value: Any, known: Mapping[str, Kind]) -> Kind:
    if not isinstance(value, str) or value not in known:
        raise UsageError(f"{setting} is {value!r}, expected one of {', '.join(known)}")
    return known[value]


def _check_ours(config: MambaConfig, problems: Problems) -> None:
    problems.check(
        not config.ternary,
        "ternary projections with 8-bit activations are unknown to other libraries",
        "only their effective weights can be written, as a model of full precision",
    )
    _check_vocabulary(config.vocab_size, problems)


def _check_vocabulary(size: Any, problems: Problems) -> None:
    problems.check(size == BYTES, f"vocab_size is {size!r}: a model of bytes has {BYTES}")


def _padded_vocabulary(values: Mapping[str, Any]) -> Any:
    """The rows of mamba_ssm's embedding; what is no number stays as it is, for the message."""
    size, multiple = values.get("vocab_size"), values.get("pad_vocab_size_multiple", 8)
    if not isinstance(size, int) or not isinstance(multiple, int) or multiple < 1:
        return size
    return size + -size % multiple


def _plain(value: Any) -> Any:
    """A value as JSON has it; transformers writes an infinite number as {"__float__": "Infinity"}."""
    if isinstance(value, list | tuple):
        return [_plain(part) for part in value]
    if value == {"__float__": "Infinity"}:
        return math.inf
    return value
