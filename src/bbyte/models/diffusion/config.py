"""What a masked-diffusion model is made of, and how its masks are drawn in training. Imports no torch."""

from dataclasses import dataclass
from typing import Literal

from bbyte.config import Problems, setting
from bbyte.models.transformer_config import TransformerConfig

MASK = 256
"""The symbol that stands for a hidden byte."""
MOST = 1 << 16


@dataclass(frozen=True)
class DiffusionConfig(TransformerConfig):
    """Architecture of a DiffusionLM: a transformer that sees both sides of a hole."""

    ternary: bool = setting(False, "Ternary weights in the blocks (BitNet b1.58)")

    def __post_init__(self) -> None:
        super().__post_init__()
        problems = Problems()
        problems.check(
            self.vocab_size == MASK, f"vocab_size {self.vocab_size} is not {MASK}: its symbols are bytes"
        )
        problems.raise_if_any()


@dataclass(frozen=True)
class MaskingConfig:
    """How many bytes of a window are hidden in training, and which. The default is the any-order bound."""

    mask_mode: Literal["token", "span"] = setting("token", "Hide single bytes, or spans of them")
    span_len: int = setting(8, "Bytes of a hidden span")
    diffusion_steps: int | None = setting(
        None, "Rates to hide at, evenly spaced (default: every number of bytes)"
    )
    min_mask_prob: float = setting(0.0, "Smallest part of a window that is hidden; at least one byte is")
    max_mask_prob: float = setting(1.0, "Largest part of a window that is hidden")
    short_windows: float = setting(0.01, "Part of the windows that are cut to a random length")

    def __post_init__(self) -> None:
        problems = Problems()
        if problems.check_types(self):
            problems.check(1 <= self.span_len <= MOST, f"span_len {self.span_len} is not from 1 to {MOST:,}")
            steps = self.diffusion_steps
            problems.check(
                steps is None or 1 <= steps <= MOST, f"diffusion_steps {steps} is not from 1 to {MOST:,}"
            )
            problems.check(
                0 <= self.min_mask_prob <= self.max_mask_prob <= 1 and self.max_mask_prob > 0,
                f"min_mask_prob {self.min_mask_prob} and max_mask_prob {self.max_mask_prob} are no rates "
                "from 0 to 1, the smaller one first",
                "leave both out to hide any number of bytes",
            )
            problems.check(
                0 <= self.short_windows <= 1, f"short_windows {self.short_windows} is not a part, from 0 to 1"
            )
        problems.raise_if_any()


PRESETS = {
    "tiny": DiffusionConfig(),
    "small": DiffusionConfig(n_layer=6, d_model=256, n_head=8, n_kv_head=2, d_ff=768),
    "base": DiffusionConfig(n_layer=12, d_model=768, n_head=12, n_kv_head=3, d_ff=2048),
    "12gb": DiffusionConfig(n_layer=24, d_model=1536, n_head=12, n_kv_head=3, d_ff=4096),
}
