"""Our architectures as the config.json of transformers' classes, and our names of weights as theirs.

Byte transformers are translated here. A family of another kind translates itself, in modules `config_names`
and `names` of its own; one that has none has no class there.
"""

import importlib
import importlib.util
from collections.abc import Iterable
from types import ModuleType
from typing import Any

from bbyte.checkpoint.export.hf_tokenizer import BEGIN
from bbyte.config import Config
from bbyte.models.contract import Family
from bbyte.models.transformer_config import TransformerConfig

SAME = {
    "num_hidden_layers": "n_layer", "hidden_size": "d_model", "num_attention_heads": "n_head",
    "num_key_value_heads": "n_kv_head", "intermediate_size": "d_ff", "rms_norm_eps": "norm_eps",
    "tie_word_embeddings": "tied",
}  # fmt: skip
"""Settings of a transformer that say the same here and there, theirs to ours."""
ACTIVATIONS = {"silu": "swiglu", "relu2": "relu2"}
CLASSES = {"llama": "LlamaForCausalLM", "qwen3": "Qwen3ForCausalLM", "bitnet": "BitNetForCausalLM"}
"""By their model_type."""
EMBEDDING, HEAD = "embed_tokens.weight", "lm_head.weight"
TOKENS = {"bos_token_id": BEGIN, "eos_token_id": BEGIN, "pad_token_id": BEGIN}


def is_transformer(family: Family) -> bool:
    """Whether its models are transformers that predict the next byte."""
    return issubclass(family.config, TransformerConfig) and not family.is_bound


def own_module(family: Family, name: str) -> ModuleType | None:
    """The module by which a family translates itself (`config_names`, `names`); None where it has none."""
    full = f"bbyte.models.{family.name}.{name}"
    return importlib.import_module(full) if importlib.util.find_spec(full) else None


def model_type(config: TransformerConfig) -> str | None:
    """Which of CLASSES computes what a transformer of this config does in full precision; None: none does."""
    if config.sub_norm:
        return None if config.qk_norm else "bitnet"
    return "qwen3" if config.qk_norm else "llama"


def config_json(family: Family, config: Config, context: int) -> dict[str, Any]:
    """The config.json of a full-precision model of `config`, trained on windows of `context` bytes."""
    if isinstance(config, TransformerConfig):
        values = _transformer_json(config)
    else:
        own = own_module(family, "config_names")
        assert own is not None  # noqa: S101
        values = own.transformers_config(config)
    return values | TOKENS | {"max_position_embeddings": context, "dtype": "float32"}


def their_names(family: Family, config: Any, ours: Iterable[str]) -> dict[str, str]:
    """Our name of each tensor by theirs; a tied head is the embedding once more.

    Raises DataError for names that are not those of the config.
    """
    if own := own_module(family, "names"):
        translated: dict[str, str] = own.to_transformers({name: name for name in ours}, config)
        return translated
    found = {name if name == HEAD else f"model.{name}": name for name in ours}
    return found | ({HEAD: EMBEDDING} if config.tied else {})


def _transformer_json(config: TransformerConfig) -> dict[str, Any]:
    kind = model_type(config)
    assert kind is not None  # noqa: S101
    acts = {ours: theirs for theirs, ours in ACTIVATIONS.items()}
    return {
        "architectures": [CLASSES[kind]],
        "model_type": kind,
        "vocab_size": config.vocab_size,
        **{theirs: getattr(config, ours) for theirs, ours in SAME.items()},
        "head_dim": config.d_model // config.n_head,
        "hidden_act": acts[config.activation],
        "attention_bias": False,
        **({"mlp_bias": False} if kind == "llama" else {}),
        "rope_parameters": {"rope_type": "default", "rope_theta": config.rope_base},
        "rope_theta": config.rope_base,  # where transformers 4 looks, whose BitNet would take 500000
    }
