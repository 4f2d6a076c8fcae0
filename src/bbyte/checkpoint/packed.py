"""The weights of a packed checkpoint: trits and stored scales, norms and embedding beside them."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from bbyte.checkpoint import tensors
from bbyte.checkpoint.tensors import TensorInfo
from bbyte.errors import BbyteError, DataError
from bbyte.quantization.bitlinear import ternary_layers, trits_and_scale
from bbyte.quantization.packing import pack, packed_width, unpack

TYPES = {"fp32": "F32", "fp16": "F16"}
"""What the tensors that are not ternary may be kept as."""
_WEIGHT, _TRITS, _SCALE = ".weight", ".trits", ".scale"


def packed_tensors(
    model: nn.Module, *, trits_a_byte: int, rest: str
) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """The tensors of a packed checkpoint of `model`, and what checkpoint.json says under `packing`.

    A ternary matrix NAME.weight becomes NAME.trits, uint8 as `packing.pack` makes them, and NAME.scale, a
    float32; all other tensors are kept as `rest`. Raises BbyteError for one that float16 cannot hold.
    """
    ternary = ternary_layers(model)
    result: dict[str, Tensor] = {}
    for name, value in model.state_dict().items():
        stem = name.removesuffix(_WEIGHT)
        if stem in ternary:
            trits, scale = trits_and_scale(ternary[stem])
            packed = pack(trits.to(torch.int8).cpu().numpy(), trits_a_byte)
            result |= {stem + _TRITS: torch.from_numpy(packed), stem + _SCALE: scale.float().reshape(())}
        else:
            result[name] = kept = value.to(torch.float16 if TYPES[rest] == "F16" else torch.float32)
            if not torch.isfinite(kept).all():
                raise BbyteError(f"{name} holds numbers that 16 bits cannot", "--rest fp32 keeps them")
    shapes = {stem: list(layer.weight.shape) for stem, layer in ternary.items()}
    return result, {"trits_a_byte": trits_a_byte, "rest": TYPES[rest], "matrices": shapes}


def load(path: Path, model: nn.Module, packing: Mapping[str, Any], device: str, digest: str) -> nn.Module:
    """Give `model`, built on the meta device, the weights of the packed checkpoint's file at `path`.

    Scales are taken as stored: nothing is quantized again. Raises DataError unless names, types and shapes
    are those that the model implies and the bytes those of the digest.
    """
    ternary, trits_a_byte = ternary_layers(model), int(packing["trits_a_byte"])
    shapes = {stem: list(layer.weight.shape) for stem, layer in ternary.items()}
    if packing["matrices"] != shapes:
        raise DataError(f"{path.parent} lists other ternary matrices than its config has", tensors.DAMAGED)
    expected: dict[str, TensorInfo] = {}
    for name, value in model.state_dict().items():
        stem = name.removesuffix(_WEIGHT)
        if stem in ternary:
            rows, columns = value.shape
            expected[stem + _TRITS] = TensorInfo("U8", (rows, packed_width(columns, trits_a_byte)))
            expected[stem + _SCALE] = TensorInfo("F32", ())
        else:
            expected[name] = TensorInfo(packing["rest"], tuple(value.shape))
    found = tensors.load(path, expected, blake3=digest)
    weights = {name: value.float() for name, value in found.items() if name in model.state_dict()}
    for stem, layer in ternary.items():
        scale = found[stem + _SCALE]
        if not (torch.isfinite(scale) and scale > 0):
            raise DataError(f"{path} holds the scale {float(scale)} for {stem}", tensors.DAMAGED)
        try:
            trits = unpack(found[stem + _TRITS].numpy(), layer.in_features, trits_a_byte)
        except DataError as error:
            raise DataError(f"{path}, {stem}: {error.message}", error.hint) from error
        weights[stem + _WEIGHT] = torch.from_numpy(trits.astype(np.float32)) * scale
        layer.stored_scale = scale.to(device)
    model.load_state_dict({name: value.to(device) for name, value in weights.items()}, assign=True)
    return model.requires_grad_(False)
