"""Which of llama.cpp's architectures computes a model, and the figures it must be told. Imports no torch."""

from typing import Any

from bbyte.checkpoint.export.hf_config import is_transformer, own_module
from bbyte.config import Config, Problems
from bbyte.errors import UsageError
from bbyte.models.families import families
from bbyte.models.transformer_config import TransformerConfig


def architecture(family: str, config: Config) -> str:
    """llama.cpp's name for what computes the model: llama, bitnet, qwen3, mamba or mamba2.

    Raises UsageError, with every reason, for a model that none of them computes.
    """
    problems = Problems()
    if isinstance(config, TransformerConfig) and is_transformer(families()[family]):
        chosen = _of_transformer(config, problems)
    elif own := own_module(families()[family], "gguf"):
        chosen = own.gguf_architecture(config, problems)
    else:
        raise UsageError(
            f"llama.cpp has no architecture for the family {family}",
            "it computes models that predict the next byte",
        )
    symbols = getattr(config, "vocab_size", None)
    problems.check(symbols == 256, f"its vocabulary has {symbols} symbols, not 256")
    problems.raise_if_any()
    return chosen


def _of_transformer(config: TransformerConfig, problems: Problems) -> str:
    problems.check(
        config.activation == "swiglu",
        "llama.cpp has no architecture with a gated squared ReLU",
        "models trained with --activation swiglu can be exported",
    )
    if not config.sub_norm:
        return "qwen3" if config.qk_norm else "llama"
    problems.check(not config.qk_norm, "llama.cpp's bitnet has sub-norms, but no norms of queries and keys")
    problems.check(config.tied, "llama.cpp's bitnet has no output head of its own beside the embedding")
    return "bitnet"


def add_figures(writer: Any, family: str, config: Config, context: int) -> None:
    """Tell a `gguf.GGUFWriter` the sizes of a model and the `context` it was trained on, in bytes."""
    if isinstance(config, TransformerConfig):
        _add_transformer(writer, config, context)
    elif own := own_module(families()[family], "gguf"):
        own.add_gguf_figures(writer, config)


def _add_transformer(writer: Any, config: TransformerConfig, context: int) -> None:
    writer.add_context_length(context)
    writer.add_embedding_length(config.d_model)
    writer.add_block_count(config.n_layer)
    writer.add_feed_forward_length(config.d_ff)
    writer.add_head_count(config.n_head)
    writer.add_head_count_kv(config.kv_heads)
    writer.add_layer_norm_rms_eps(config.norm_eps)
    writer.add_rope_dimension_count(config.d_model // config.n_head)
    writer.add_rope_freq_base(config.rope_base)
    writer.add_vocab_size(config.vocab_size)
