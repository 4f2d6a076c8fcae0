"""config.json of a model from elsewhere: which of ours computes the same, or why none does.

Every setting must be known: one that is not might change what is computed.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from bbyte import manifest
from bbyte.checkpoint.export.hf_config import ACTIVATIONS, CLASSES, SAME, is_transformer, own_module
from bbyte.config import Config, Problems
from bbyte.errors import BbyteError, DataError, UsageError
from bbyte.models.contract import Family
from bbyte.models.families import families

BYTES = 256
HINT = "only what bbyte's models compute can be imported"
Weights = Literal["full", "online", "divided", "multiplied"]
"""How weights are stored; of packed ones whether transformers divides by their weight_scale or multiplies."""

_SIZES = ("num_hidden_layers", "hidden_size", "num_attention_heads", "intermediate_size")
_DEFAULTS: dict[str, dict[str, Any]] = {
    "llama": {"rms_norm_eps": 1e-6, "hidden_act": "silu", "rope_theta": 10000.0},
    "qwen3": {"rms_norm_eps": 1e-6, "hidden_act": "silu", "rope_theta": 10000.0, "head_dim": 128},
    "bitnet": {"rms_norm_eps": 1e-5, "hidden_act": "relu2", "rope_theta": 500000.0},
}
"""What transformers takes where config.json says nothing."""
_ONLY: dict[str, Any] = {
    "attention_bias": False, "mlp_bias": False, "use_sliding_window": False, "rope_scaling": None,
    "partial_rotary_factor": 1.0, "pretraining_tp": 1, "is_encoder_decoder": False, "is_decoder": False,
    "add_cross_attention": False,
}  # fmt: skip
"""Settings of which our transformers compute this one value."""
_IDLE = (
    "model_type", "architectures", "vocab_size", "max_position_embeddings", "dtype", "torch_dtype",
    "transformers_version", "_name_or_path", "use_cache", "bos_token_id", "eos_token_id", "pad_token_id",
    "initializer_range", "attention_dropout", "return_dict", "output_hidden_states", "output_attentions",
    "chunk_size_feed_forward", "id2label", "label2id", "problem_type", "max_window_layers",
)  # fmt: skip
"""Settings that change nothing that is computed."""
_READ = {*SAME, "head_dim", "hidden_act", "rope_theta", "rope_parameters", "layer_types", "sliding_window",
         "quantization_config"}  # fmt: skip


@dataclass(frozen=True)
class Architecture:
    """What a config.json says: the family and config of ours, how its weights are stored, and the longest
    window it was trained on, where it says that."""

    family: Family
    config: Config
    weights: Weights
    context: int | None


def architecture(values: Mapping[str, Any]) -> Architecture:
    """What the content of a config.json comes to as a model of ours.

    Raises DataError, naming every setting that a model of ours does not compute.
    """
    context = values.get("max_position_embeddings")
    if context is not None and not (type(context) is int and 0 < context < 1 << 40):
        raise DataError(f"max_position_embeddings is {manifest.shown(context)}", HINT)
    kind = str(values.get("model_type"))
    try:
        if kind in CLASSES:
            return _transformer(kind, values, context)
        for family in families().values():
            own = own_module(family, "config_names")
            if own is not None and kind in own.MODEL_TYPES:
                rest = {name: value for name, value in values.items() if name != "max_position_embeddings"}
                return Architecture(family, own.from_transformers_config(rest), "full", context)
    except UsageError as error:  # it is the file that is off, not what was asked for
        raise DataError("; ".join(error.message.splitlines()), HINT) from error
    raise DataError(f"model_type is {manifest.shown(kind)}, which none of bbyte's models computes", HINT)


def _transformer(kind: str, values: Mapping[str, Any], context: int | None) -> Architecture:
    problems = Problems()
    family = next(family for family in families().values() if is_transformer(family))
    make: Any = family.config
    _check_known(kind, values, problems)
    weights = _stored(kind, values.get("quantization_config"), problems)
    given = _DEFAULTS[kind] | {name: value for name, value in values.items() if value is not None}
    ours = {ours: given[theirs] for theirs, ours in SAME.items() if theirs in given}
    act = given["hidden_act"]
    known = isinstance(act, str) and act in ACTIVATIONS
    problems.check(known, f"hidden_act is {manifest.shown(act)}, ours are {' and '.join(ACTIVATIONS)}")
    base = _rotary_base(values, _DEFAULTS[kind]["rope_theta"], problems)
    problems.raise_if_any()
    config = make(
        **{"tied": False, **ours},
        activation=ACTIVATIONS[act],
        ternary=weights != "full",
        act_quant=True,
        sub_norm=kind == "bitnet",
        qk_norm=kind == "qwen3",
        rope_base=base,
    )
    width = config.d_model // config.n_head
    head = given.get("head_dim", width)
    problems.check(head == width, f"head_dim is {manifest.shown(head)}, ours is hidden_size / heads, {width}")
    problems.raise_if_any()
    return Architecture(family, config, weights, context)


def _check_known(kind: str, values: Mapping[str, Any], problems: Problems) -> None:
    """Note each setting that our transformers do not compute, and each that is missing or unknown."""
    size, named = values.get("vocab_size"), values.get("architectures")
    problems.check(
        size == BYTES, f"vocab_size is {manifest.shown(size)}: a model of bytes has {BYTES}, one for each"
    )
    problems.check(
        named in (None, [CLASSES[kind]]),
        f"architectures is {manifest.shown(named)}, expected {CLASSES[kind]}",
    )
    for name in _SIZES:
        problems.check(values.get(name) is not None, f"{name} is missing")
    for name, value in values.items():
        if name in _ONLY:
            fits = value is None or value == _ONLY[name]
            problems.check(fits, f"{name} is {manifest.shown(value)}, ours is {_ONLY[name]}")
        elif name not in _READ and name not in _IDLE:
            problems.check(
                False, f"unknown setting {manifest.shown(name)}, which may change what is computed"
            )
    kinds = values.get("layer_types") or []
    full = isinstance(kinds, list) and all(layer == "full_attention" for layer in kinds)
    problems.check(full, f"layer_types is {manifest.shown(kinds)}, ours are all full_attention")
    # Qwen3 keeps a width that it does not use.
    slides = values.get("sliding_window") is not None and kind != "qwen3"
    problems.check(not slides, f"sliding_window is {manifest.shown(values.get('sliding_window'))}")


def _rotary_base(values: Mapping[str, Any], default: float, problems: Problems) -> Any:
    """The base of the rotary frequencies; anything but the plain kind is noted as a problem."""
    rotary = values.get("rope_parameters") or {}
    if not problems.check(isinstance(rotary, dict), f"rope_parameters is {manifest.shown(rotary)}"):
        return default
    for name, value in rotary.items():
        plain = name == "rope_theta" or (name == "rope_type" and value == "default")
        plain |= name == "partial_rotary_factor" and value == 1.0
        problems.check(plain, f"{manifest.shown(name)} in rope_parameters is {manifest.shown(value)}")
    said = [where["rope_theta"] for where in (rotary, values) if where.get("rope_theta") is not None]
    problems.check(len(said) < 2 or said[0] == said[1], f"rope_theta is {manifest.shown(said)}: which?")
    return said[0] if said else default


def _stored(kind: str, said: Any, problems: Problems) -> Weights:
    """How the weights are stored, by the quantization_config."""
    if said is None:
        return "full"
    if kind != "bitnet" or not isinstance(said, dict) or said.get("quant_method") != "bitnet":
        problems.check(False, f"quantization_config is {manifest.shown(said)}, ours is BitNet's alone")
        return "full"
    known = ("quant_method", "linear_class", "quantization_mode", "modules_to_not_convert", "use_rms_norm",
             "rms_norm_eps")  # fmt: skip
    for name in said:
        problems.check(name in known, f"unknown setting {manifest.shown(name)} in quantization_config")
    problems.check(not said.get("use_rms_norm", False), "use_rms_norm adds norms that ours do not have")
    kept = said.get("modules_to_not_convert")
    problems.check(
        kept in (None, ["lm_head"]), f"modules_to_not_convert is {manifest.shown(kept)}, ours is the head"
    )
    linear, mode = said.get("linear_class", "bitlinear"), said.get("quantization_mode", "offline")
    found: dict[tuple[Any, Any], Weights] = {
        ("bitlinear", "offline"): "divided",
        ("autobitlinear", "online"): "online",
        ("autobitlinear", "offline"): "multiplied",
    }
    for pair, weights in found.items():
        if (linear, mode) == pair:
            return weights
    problems.check(False, f"BitNet's {manifest.shown(linear)} in the mode {manifest.shown(mode)} is unknown")
    return "full"


def read(values_of: Mapping[str, Any], where: str) -> Architecture:
    """As `architecture`, its errors naming the file."""
    try:
        return architecture(values_of)
    except BbyteError as error:
        raise DataError(f"{where}: {error.message}", error.hint) from error
