"""The autoregressive family: a ternary or full-precision byte transformer."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from bbyte.config import Problems, setting
from bbyte.models.ar.config import PRESETS, ARConfig
from bbyte.models.contract import Family, Predictor

if TYPE_CHECKING:
    import torch


@dataclass(frozen=True)
class NextByteConfig:
    """What is added to next-byte cross-entropy in training."""

    z_loss: float = setting(1e-4, "Weight of the z-loss, which keeps logits small")

    def __post_init__(self) -> None:
        problems = Problems()
        if problems.check_types(self):
            problems.check(self.z_loss >= 0, f"z_loss {self.z_loss} is negative")
        problems.raise_if_any()


def _build(config: ARConfig) -> "torch.nn.Module":
    from bbyte.models.ar.model import BitByteLM

    return BitByteLM(config)


def _objective(model: "torch.nn.Module", config: NextByteConfig) -> "torch.nn.Module":
    from bbyte.models.ar.objective import NextByte

    return NextByte(model, config.z_loss)


def _predictor(model: "torch.nn.Module", context: int, lanes: int) -> Predictor:
    from bbyte.models.ar.predictor import CachedPredictor

    return CachedPredictor(model, context, lanes)


FAMILY = Family(
    name="ar",
    summary="Autoregressive transformer (BitByteLM), ternary by default",
    config=ARConfig,
    presets=PRESETS,
    objective_config=NextByteConfig,
    build=_build,
    objective=_objective,
    predictor=_predictor,
)
