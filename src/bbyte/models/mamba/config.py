"""What a MambaLM is made of."""

from dataclasses import dataclass
from typing import Literal

from bbyte.config import Problems, setting

# No model comes near these: they keep a damaged or malicious config from building anything.
LARGEST = {
    "n_layer": 1024, "d_model": 1 << 16, "d_state": 1 << 12, "d_conv": 64, "expand": 16, "headdim": 1 << 14,
    "n_groups": 1024, "dt_rank": 1 << 16, "vocab_size": 1 << 20,
}  # fmt: skip
WIDE = 512
"""From this width on Mamba-2 keeps twice as much a channel."""


@dataclass(frozen=True)
class MambaConfig:
    """Architecture of a MambaLM: Mamba-2 (arXiv 2405.21060) or Mamba-1 (arXiv 2312.00752)."""

    ssm: Literal["mamba2", "mamba1"] = setting("mamba2", "Kind of state space")
    n_layer: int = setting(7, "Blocks")
    d_model: int = setting(128, "Width of the residual stream")
    d_state: int | None = setting(
        None, "Numbers kept a channel (default: 64, from d_model 512 on 128, Mamba-1: 16)"
    )
    d_conv: int = setting(4, "Taps of the short convolution")
    expand: int = setting(2, "Width inside a block, as a multiple of d_model")
    headdim: int = setting(64, "Width of a head; of Mamba-2 alone")
    n_groups: int = setting(1, "Groups of heads that read and write alike; of Mamba-2 alone")
    dt_rank: int | None = setting(None, "Rank of the step sizes; of Mamba-1 alone (default: d_model / 16)")
    ternary: bool = setting(False, "Ternary weights in the projections (BitNet b1.58)")
    act_quant: bool = setting(True, "8-bit activations before each ternary matrix")
    tied: bool = setting(True, "Output head shares the embedding's weights")
    vocab_size: int = setting(256, "Symbols; 256 for bytes", flag=False)
    norm_eps: float = setting(1e-5, "Epsilon of every norm", flag=False)

    def __post_init__(self) -> None:
        problems = Problems()
        if problems.check_types(self):
            good = {name: self._check_size(problems, name, most) for name, most in LARGEST.items()}
            if self.ssm == "mamba2" and all(good.values()):
                self._check_heads(problems)
            problems.check(0 < self.norm_eps < 1, f"norm_eps {self.norm_eps} is not between 0 and 1")
        problems.raise_if_any()

    @property
    def d_inner(self) -> int:
        """Width inside a block."""
        return self.expand * self.d_model

    @property
    def n_head(self) -> int:
        """Heads of Mamba-2."""
        return self.d_inner // self.headdim

    @property
    def state_width(self) -> int:
        """Numbers kept a channel, as a number. Checkpoints without one rely on these."""
        if self.d_state is not None:
            return self.d_state
        return 16 if self.ssm == "mamba1" else 64 if self.d_model < WIDE else 128

    @property
    def rank(self) -> int:
        """Rank of Mamba-1's step sizes, as a number."""
        return -(-self.d_model // 16) if self.dt_rank is None else self.dt_rank

    def _check_size(self, problems: Problems, name: str, most: int) -> bool:
        value = getattr(self, name)
        if value is None:
            return True
        return problems.check(1 <= value <= most, f"{name} {value} is not from 1 to {most:,}")

    def _check_heads(self, problems: Problems) -> None:
        fitting = [n for n in range(1, self.d_inner + 1) if self.d_inner % n == 0]
        whole = problems.check(
            self.d_inner % self.headdim == 0,
            f"{self.expand} x d_model {self.d_model} is not divisible by headdim {self.headdim}",
            f"try --headdim {min(fitting, key=lambda n: abs(n - self.headdim))}",
        )
        if whole:
            groups = [n for n in range(1, self.n_head + 1) if self.n_head % n == 0]
            problems.check(
                self.n_head % self.n_groups == 0,
                f"{self.n_head} heads of width {self.headdim} are not divisible by n_groups {self.n_groups}",
                f"try --n-groups {min(groups, key=lambda n: abs(n - self.n_groups))}",
            )


# As many parameters as AR's presets of the same name, within 5 %.
PRESETS = {
    "tiny": MambaConfig(),
    "small": MambaConfig(n_layer=10, d_model=256),
    "base": MambaConfig(n_layer=20, d_model=768),
    "12gb": MambaConfig(n_layer=41, d_model=1536),
}
