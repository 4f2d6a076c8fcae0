"""What llama.cpp is told of a MambaLM: which of its architectures computes it, and its figures. No torch."""

from typing import Any

from bbyte.config import Problems
from bbyte.models.mamba.config import MambaConfig

UNLIMITED = 1 << 20
"""The context that llama.cpp's own converter gives for models whose text may be of any length."""


def gguf_architecture(config: MambaConfig, problems: Problems) -> str:
    """llama.cpp's name for it; what it cannot compute goes to the `problems`."""
    if config.ssm == "mamba1":
        problems.check(config.expand == 2, f"llama.cpp's mamba is 2 x d_model wide, not {config.expand} x")
        return "mamba"
    return "mamba2"


def add_gguf_figures(writer: Any, config: MambaConfig) -> None:
    """Tell a `gguf.GGUFWriter` the sizes of the model."""
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
