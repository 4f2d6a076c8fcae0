"""AdamW by torch, and with a state of 8 bits by bitsandbytes; the state of both is there from the start."""

import logging
from collections.abc import Iterable
from typing import Any

import torch

from bbyte.errors import UsageError

BETAS = (0.9, 0.95)
Groups = list[dict[str, Any]]


def adamw(groups: Groups, lr: float) -> torch.optim.Optimizer:
    """torch's AdamW, fused where that can skip a step on the device."""
    fused = _devices(groups) <= {"cpu", "cuda"}
    optimizer = torch.optim.AdamW(groups, lr=lr, betas=BETAS, fused=fused)
    for _, _, parameter in _numbered(groups):
        optimizer.state[parameter] = {
            "step": torch.zeros((), dtype=torch.float32, device=parameter.device if fused else "cpu"),
            "exp_avg": torch.zeros_like(parameter),
            "exp_avg_sq": torch.zeros_like(parameter),
        }
    return optimizer


def adamw8bit(groups: Groups, lr: float) -> torch.optim.Optimizer:
    """AdamW with both averages in 8 bits, in blocks of 256 (arXiv 2110.02861); in 32 below 4096 elements.

    Raises UsageError where bitsandbytes is missing or does not know the device.
    """
    kind = adamw8bit_class()
    if not _devices(groups) <= {"cpu", "cuda", "meta"}:
        raise UsageError("optimizer adamw8bit runs on CUDA and CPUs only", "--optimizer muon or adamw")
    optimizer: Any = kind(groups, lr=lr, betas=BETAS)
    for number, position, parameter in _numbered(optimizer.param_groups):
        optimizer.init_state(optimizer.param_groups[number], parameter, number, position)
    result: torch.optim.Optimizer = optimizer
    return result


def adamw8bit_class() -> Any:
    """bitsandbytes.optim.AdamW8bit. Raises UsageError where it is not installed."""
    # It warns at once of what its 4-bit products lack, which nothing here uses.
    logging.getLogger("bitsandbytes").setLevel(logging.ERROR)
    try:
        from bitsandbytes.optim import AdamW8bit  # type: ignore
    except ImportError as error:
        raise UsageError(
            "optimizer adamw8bit needs bitsandbytes, which is not installed", "pip install 'bbyte[bnb]'"
        ) from error
    return AdamW8bit


def _numbered(groups: Groups) -> Iterable[tuple[int, int, torch.Tensor]]:
    for number, group in enumerate(groups):
        for position, parameter in enumerate(group["params"]):
            yield number, position, parameter


def _devices(groups: Groups) -> set[str]:
    return {parameter.device.type for _, _, parameter in _numbered(groups)}
