"""Which of llama.cpp's architectures computes a model, and the figures it must be told. Imports no torch."""

from typing import Any

from bbyte.config import Config, Problems
from bbyte.errors import UsageError
from bbyte.models.mamba.config import MambaConfig
from bbyte.models.transformer_config import TransformerConfig

UNLIMITED = 1 << 20
"""What llama.cpp's own converter says for models whose text may be of any length."""


def architecture(family: str, config: Config) -> str:
    """llama.cpp's name for what computes the model: llama, bitnet, qwen3, mamba or mamba2.

    Raises UsageError, with every reason, for a model that none of them computes.
    """
    problems = Problems()
    if family == "ar" and isinstance(config, TransformerConfig):
        chosen = _of_transformer(config, problems)
    elif family == "mamba" and isinstance(config, MambaConfig):
        chosen = _of_mamba(config, problems)
    else:
        raise UsageError(
            f"llama.cpp has no architecture for the family {family}", "ar and mamba models can be exported"
        )
    problems.check(config.vocab_size == 256, f"its vocabulary has {config.vocab_size} symbols, not 256")
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


def _of_mamba(config: MambaConfig, problems: Problems) -> str:
    if config.ssm == "mamba1":
        problems.check(config.expand == 2, f"llama.cpp's mamba is 2 x d_model wide, not {config.expand} x")
        return "mamba"
    return "mamba2"


def add_figures(writer: Any, config: Config, context: int) -> None:
    """Tell a `gguf.GGUFWriter` the sizes of a model and the `context` it was trained on, in bytes."""
    if isinstance(config, TransformerConfig):
        _add_transformer(writer, config, context)
    elif isinstance(config, MambaConfig):
        _add_mamba(writer, config)


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


def _add_mamba(writer: Any, config: MambaConfig) -> None:
    writer.add_context_length(UNLIMITED)
    writer.add_embedding_length(config.d_model)
    writer.add_block_count(config.n_layer)
    writer.add_feed_forward_length(0)  # it has none, but llama.cpp asks
    writer.add_head_count(0)
    writer.add_layer_norm_rms_eps(config.norm_eps)
    writer.add_vocab_size(config.vocab_size)
    writer.add_ssm_conv_kernel(config.d_conv)
    writer.add_ssm_inner_size(config.d_inner)
    writer.add_ssm_state_size(config.state_width)
    if config.ssm == "mamba1":
        writer.add_ssm_time_step_rank(config.rank)
    else:
        writer.add_ssm_time_step_rank(config.n_head)
        writer.add_ssm_group_count(config.n_groups)
