"""The random numbers that some objectives are given with their windows."""

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn


def noise(
    objective: nn.Module, keys: NDArray[np.int64], length: int, device: str | torch.device
) -> tuple[Tensor, ...]:
    """What `objective` takes beside windows (B, length + 1) with these keys: decided by the keys alone.

    Nothing for an objective that is not random.
    """
    if not objective.is_random:
        return ()
    drawn: tuple[Tensor, ...] = objective.noise(keys, length)  # type: ignore[operator]
    return tuple(part.to(device) for part in drawn)
