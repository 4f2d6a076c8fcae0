"""Where step sizes start, as in mamba_ssm: spread evenly on a log scale."""

import math

import torch
from torch import Tensor

SMALLEST, LARGEST = 1e-3, 0.1


def log_step_sizes(count: int) -> Tensor:
    """Biases whose softplus lies between 0.001 and 0.1, (count,)."""
    dt = torch.exp(torch.rand(count) * math.log(LARGEST / SMALLEST) + math.log(SMALLEST))
    return dt + torch.log(-torch.expm1(-dt))  # softplus inverted
