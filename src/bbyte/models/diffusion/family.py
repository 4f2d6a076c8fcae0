"""The masked-diffusion family: hidden bytes are predicted from both sides."""

from typing import TYPE_CHECKING

from bbyte.models.contract import Family, Infiller, Predictor
from bbyte.models.diffusion.config import PRESETS, DiffusionConfig, MaskingConfig

if TYPE_CHECKING:
    import torch


def _build(config: DiffusionConfig) -> "torch.nn.Module":
    from bbyte.models.diffusion.model import DiffusionLM

    return DiffusionLM(config)


def _objective(model: "torch.nn.Module", config: MaskingConfig) -> "torch.nn.Module":
    from bbyte.models.diffusion.objective import AnyOrder

    return AnyOrder(model, config)


def _predictor(model: "torch.nn.Module", context: int, lanes: int) -> Predictor:
    from bbyte.models.diffusion.views import SuffixPredictor

    return SuffixPredictor(model, context, lanes)


def _infiller(model: "torch.nn.Module", context: int) -> Infiller:
    from bbyte.models.diffusion.views import MaskedInfiller

    return MaskedInfiller(model, context)


FAMILY = Family(
    name="diffusion",
    summary="Masked diffusion: fills holes from both sides",
    config=DiffusionConfig,
    presets=PRESETS,
    objective_config=MaskingConfig,
    build=_build,
    objective=_objective,
    predictor=_predictor,
    infiller=_infiller,
    is_bound=True,
)
