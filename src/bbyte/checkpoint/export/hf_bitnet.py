"""Ternary weights as transformers' BitNet takes them: quantized while it runs, or packed, 2 bits a weight."""

from typing import Any, Literal

import torch
from torch import Tensor

from bbyte.checkpoint.export.hf_config import HEAD
from bbyte.errors import DataError

Weights = Literal["packed", "online"]
ROWS = 4
"""Rows of a matrix that share a row of packed bytes."""


def quantization_config(weights: Weights) -> dict[str, Any]:
    """The `quantization_config` of config.json that makes transformers read the weights as what they are."""
    how = {"online": ("autobitlinear", "online"), "packed": ("bitlinear", "offline")}
    linear_class, mode = how[weights]
    return {
        "quant_method": "bitnet",
        "linear_class": linear_class,
        "quantization_mode": mode,
        "modules_to_not_convert": [HEAD.removesuffix(".weight")],
        "use_rms_norm": False,
    }


def packed(trits: Tensor) -> Tensor:
    """Trits (rows, columns) of -1, 0 and 1 as uint8 (rows / 4, columns), for rows divisible by 4.

    A trit t is the two bits t + 1. The lowest bits hold the first quarter of the rows, the next ones the
    second: row r of the bytes is rows r, r + rows/4, r + rows/2 and r + 3 rows/4 of the matrix.
    """
    quarters = (trits + 1).to(torch.uint8).chunk(ROWS)
    result = quarters[0].clone()
    for place, quarter in enumerate(quarters[1:], 1):
        result |= quarter << 2 * place
    return result


def unpacked(values: Tensor) -> Tensor:
    """The trits (rows, columns), float32, of what `packed` made. Raises DataError for other bits."""
    digits = torch.cat([values >> 2 * place & 3 for place in range(ROWS)])
    if (digits == 3).any():
        raise DataError("it holds two bits that are no trit", "the file is damaged: use a copy")
    return digits.float() - 1


def weight_scale(scale: Tensor) -> Tensor:
    """What `bitlinear` calls the weight_scale (1,): it divides by it, and `autobitlinear` multiplies."""
    return (1.0 / scale.float()).reshape(1)
