"""What a BitByteLM is made of."""

from dataclasses import dataclass

from bbyte.models.transformer_config import TransformerConfig


@dataclass(frozen=True)
class ARConfig(TransformerConfig):
    """Architecture of a BitByteLM. Ternary with sub-norms it is BitNet b1.58, otherwise Llama or Qwen3."""


PRESETS = {
    "tiny": ARConfig(),
    "small": ARConfig(n_layer=6, d_model=256, n_head=8, n_kv_head=2, d_ff=768),
    "base": ARConfig(n_layer=12, d_model=768, n_head=12, n_kv_head=3, d_ff=2048),
    "12gb": ARConfig(n_layer=24, d_model=1536, n_head=12, n_kv_head=3, d_ff=4096),
}
