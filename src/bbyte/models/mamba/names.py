"""The weights of a MambaLM under the names that transformers and mamba_ssm give them, and back.

Shapes and the order of rows are the same everywhere, so that names alone tell the three apart: transformers
says `embeddings`, and both carry the output head even where it is the embedding once more.
"""

from collections.abc import Iterable, Mapping
from typing import TypeVar

from bbyte.errors import DataError
from bbyte.models.mamba.config import MambaConfig

T = TypeVar("T")

EMBEDDING, HEAD = "backbone.embedding.weight", "lm_head.weight"
EMBEDDING_IN_TRANSFORMERS = "backbone.embeddings.weight"
OF_A_MIXER = {
    "mamba2": (
        "dt_bias", "A_log", "D", "in_proj.weight", "conv1d.weight", "conv1d.bias", "norm.weight",
        "out_proj.weight",
    ),
    "mamba1": (
        "A_log", "D", "in_proj.weight", "conv1d.weight", "conv1d.bias", "x_proj.weight", "dt_proj.weight",
        "dt_proj.bias", "out_proj.weight",
    ),
}  # fmt: skip


def weight_names(config: MambaConfig) -> list[str]:
    """The names of a MambaLM's weights."""
    blocks = [
        f"backbone.layers.{index}.{name}"
        for index in range(config.n_layer)
        for name in ("norm.weight", *(f"mixer.{name}" for name in OF_A_MIXER[config.ssm]))
    ]
    return [EMBEDDING, *blocks, "backbone.norm_f.weight", *([] if config.tied else [HEAD])]


def to_mamba_ssm(weights: Mapping[str, T], config: MambaConfig) -> dict[str, T]:
    """A MambaLM's weights as the state dict of mamba_ssm's MambaLMHeadModel.

    Of ternary projections give the effective weights. Raises DataError for weights that `config` does not
    have, and for those it has that are missing.
    """
    _check(weights, weight_names(config))
    return dict(weights) | {HEAD: weights[EMBEDDING if config.tied else HEAD]}


def from_mamba_ssm(weights: Mapping[str, T], config: MambaConfig) -> dict[str, T]:
    """The state dict of a MambaLMHeadModel as a MambaLM's weights; a tied head, a repetition, falls away.

    Raises DataError for weights that `config` does not have, and for those it has that are missing.
    """
    ours = {name: value for name, value in weights.items() if not (config.tied and name == HEAD)}
    _check(ours, weight_names(config))
    return ours


def to_transformers(weights: Mapping[str, T], config: MambaConfig) -> dict[str, T]:
    """A MambaLM's weights as the state dict of transformers' MambaForCausalLM or Mamba2ForCausalLM.

    Of ternary projections give the effective weights. Raises DataError as `to_mamba_ssm` does.
    """
    theirs = to_mamba_ssm(weights, config)
    return {EMBEDDING_IN_TRANSFORMERS if name == EMBEDDING else name: theirs[name] for name in theirs}


def from_transformers(weights: Mapping[str, T], config: MambaConfig) -> dict[str, T]:
    """The state dict of a MambaForCausalLM or Mamba2ForCausalLM as a MambaLM's weights.

    A tied head may be there or not. Raises DataError as `from_mamba_ssm` does, with the names of
    transformers.
    """
    ours = weight_names(config)
    kept = {name: value for name, value in weights.items() if not (config.tied and name == HEAD)}
    _check(kept, [EMBEDDING_IN_TRANSFORMERS, *ours[1:]])
    return {EMBEDDING if name == EMBEDDING_IN_TRANSFORMERS else name: kept[name] for name in kept}


def _check(found: Iterable[str], expected: Iterable[str]) -> None:
    present, known = set(found), set(expected)
    parts = [
        f"{word} {_listed(names)}"
        for word, names in (("lack", known - present), ("hold the unexpected", present - known))
        if names
    ]
    if parts:
        raise DataError(
            f"the weights {' and '.join(parts)}", "weights and config must belong to the same model"
        )


def _listed(names: set[str]) -> str:
    first, *others = sorted(names)
    return repr(first) + (f" and {len(others)} more" if others else "")
