"""What is added to next-byte cross-entropy in training. Imports no torch."""

from dataclasses import dataclass

from bbyte.config import Problems, setting


@dataclass(frozen=True)
class NextByteConfig:
    """What is added to next-byte cross-entropy in training."""

    z_loss: float = setting(1e-4, "Weight of the z-loss, which keeps logits small")

    def __post_init__(self) -> None:
        problems = Problems()
        if problems.check_types(self):
            problems.check(self.z_loss >= 0, f"z_loss {self.z_loss} is negative")
        problems.raise_if_any()
