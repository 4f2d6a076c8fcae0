"""The autoregressive family: a ternary or full-precision byte transformer."""

from typing import TYPE_CHECKING

from bbyte.models.ar.blueprint import blueprint
from bbyte.models.ar.config import PRESETS, ARConfig
from bbyte.models.contract import Family, Predictor
from bbyte.models.next_byte_config import NextByteConfig

if TYPE_CHECKING:
    import torch


def _build(config: ARConfig) -> "torch.nn.Module":
    from bbyte.models.ar.model import BitByteLM

    return BitByteLM(config)


def _objective(model: "torch.nn.Module", config: NextByteConfig) -> "torch.nn.Module":
    from bbyte.models.next_byte import NextByte

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
    blueprint=blueprint,
)
