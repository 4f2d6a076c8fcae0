"""The Mamba family: state-space models with constant memory and time a byte."""

from typing import TYPE_CHECKING

from bbyte.models.contract import Family, Predictor
from bbyte.models.mamba.blueprint import blueprint
from bbyte.models.mamba.config import PRESETS, MambaConfig
from bbyte.models.next_byte_config import NextByteConfig

if TYPE_CHECKING:
    import torch


def _build(config: MambaConfig) -> "torch.nn.Module":
    from bbyte.models.mamba.model import MambaLM

    return MambaLM(config)


def _objective(model: "torch.nn.Module", config: NextByteConfig) -> "torch.nn.Module":
    from bbyte.models.next_byte import NextByte

    return NextByte(model, config.z_loss)


def _predictor(model: "torch.nn.Module", context: int, lanes: int) -> Predictor:
    from bbyte.models.mamba.predictor import StatePredictor

    return StatePredictor(model, lanes)


def _path(config: MambaConfig, device: str) -> str:
    from bbyte.models.mamba.kernels import path

    return path(config.ssm, device)


FAMILY = Family(
    name="mamba",
    summary="State-space model (Mamba-2 or Mamba-1), constant memory and time a byte",
    config=MambaConfig,
    presets=PRESETS,
    objective_config=NextByteConfig,
    build=_build,
    objective=_objective,
    predictor=_predictor,
    blueprint=blueprint,
    carries_state=True,
    path=_path,
)
