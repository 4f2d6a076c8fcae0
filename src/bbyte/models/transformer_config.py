"""What a transformer over bytes is made of, whichever way it reads them. Imports no torch."""

import math
from dataclasses import dataclass
from typing import Literal

from bbyte.config import Problems, setting

# No model comes near these: they keep a damaged or malicious config from building anything.
LARGEST = {
    "n_layer": 1024, "d_model": 1 << 16, "n_head": 1024, "n_kv_head": 1024, "d_ff": 1 << 18,
    "vocab_size": 1 << 20,
}  # fmt: skip


@dataclass(frozen=True)
class TransformerConfig:
    """Architecture of a transformer: with sub-norms that of BitNet b1.58, otherwise Llama or Qwen3."""

    n_layer: int = setting(4, "Transformer blocks")
    d_model: int = setting(128, "Width of the residual stream")
    n_head: int = setting(4, "Attention heads")
    n_kv_head: int | None = setting(
        None, "Key/value heads, shared by groups of attention heads (default: n_head)"
    )
    d_ff: int = setting(384, "Width inside the feed-forward")
    ternary: bool = setting(True, "Ternary weights in the blocks (BitNet b1.58)")
    act_quant: bool = setting(True, "8-bit activations before each ternary matrix")
    activation: Literal["swiglu", "relu2"] = setting("swiglu", "Gate of the feed-forward")
    sub_norm: bool | None = setting(None, "Norms before the output projections (default: where ternary)")
    qk_norm: bool = setting(False, "Normalise queries and keys per head")
    tied: bool = setting(True, "Output head shares the embedding's weights")
    vocab_size: int = setting(256, "Symbols; 256 for bytes", flag=False)
    rope_base: float = setting(10000.0, "Base of the rotary frequencies")
    norm_eps: float = setting(1e-5, "Epsilon of every norm", flag=False)

    def __post_init__(self) -> None:
        problems = Problems()
        if problems.check_types(self):
            if self.n_kv_head is None:
                object.__setattr__(self, "n_kv_head", self.n_head)
            if self.sub_norm is None:
                object.__setattr__(self, "sub_norm", self.ternary)
            good = {name: self._check_size(problems, name, most) for name, most in LARGEST.items()}
            if good["d_model"] and good["n_head"] and good["n_kv_head"]:
                self._check_heads(problems)
            problems.check(0 < self.norm_eps < 1, f"norm_eps {self.norm_eps} is not between 0 and 1")
            problems.check(
                1 < self.rope_base < math.inf,
                f"rope_base {self.rope_base} is not a number above 1",
                "--rope-base 10000 is usual",
            )
        problems.raise_if_any()

    @property
    def kv_heads(self) -> int:
        """Key/value heads, as a number."""
        return self.n_kv_head or self.n_head

    def _check_size(self, problems: Problems, name: str, most: int) -> bool:
        value = getattr(self, name)
        return problems.check(1 <= value <= most, f"{name} {value} is not from 1 to {most:,}")

    def _check_heads(self, problems: Problems) -> None:
        divides = problems.check(
            self.d_model % self.n_head == 0,
            f"d_model {self.d_model} is not divisible by n_head {self.n_head}",
            _divisible_hint(self.d_model, self.n_head),
        )
        if divides:
            width = self.d_model // self.n_head
            problems.check(
                width % 2 == 0,
                f"heads of width {width} (d_model {self.d_model} / n_head {self.n_head}) cannot be rotated",
                f"choose an even width, such as --d-model {self.n_head * (width + 1)}",
            )
        fitting = [n for n in range(1, self.n_head + 1) if self.n_head % n == 0]
        problems.check(
            self.n_head % self.kv_heads == 0,
            f"n_head {self.n_head} is not divisible by n_kv_head {self.n_kv_head}",
            f"try --n-kv-head {min(fitting, key=lambda n: abs(n - self.kv_heads))}",
        )


def _divisible_hint(d_model: int, n_head: int) -> str:
    heads = [n for n in range(1, d_model + 1) if d_model % n == 0 and (d_model // n) % 2 == 0]
    multiple = max(2 * n_head, round(d_model / (2 * n_head)) * 2 * n_head)
    hint = f"try --d-model {multiple}"
    return hint + (f" or --n-head {min(heads, key=lambda n: abs(n - n_head))}" if heads else "")
