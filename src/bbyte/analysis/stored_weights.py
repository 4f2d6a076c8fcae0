"""The weights of a checkpoint as numpy arrays: trits and scales, or values. Imports no torch."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bbyte.checkpoint import matrices, tensors
from bbyte.checkpoint.contents import EMBEDDING, HEAD, part_of
from bbyte.checkpoint.find import Found
from bbyte.checkpoint.meta import MODEL
from bbyte.errors import UsageError
from bbyte.quantization.packing import unpack

_BYTES = 256
_WEIGHT = ".weight"
SCALE_FLOOR = 1e-5
"""Of `quantization.ternary`."""


@dataclass(frozen=True)
class Matrix:
    """A matrix (rows, columns) of a layer: trits -1, 0, 1 and their scale, or values and None."""

    name: str
    layer: int | None
    values: NDArray[Any]
    scale: float | None


def embedding(found: Found) -> NDArray[np.float32]:
    """The embeddings (256, C) of the bytes. Raises UsageError where a model has no such table."""
    for name, array in _arrays(found).items():
        if part_of(name) == EMBEDDING and array.ndim == 2 and len(array) >= _BYTES:
            return _floats(array)[:_BYTES]
    raise UsageError(f"{found.path} has no embeddings of the 256 bytes")


def layer_matrices(found: Found) -> list[Matrix]:
    """The matrices of the layers, not embedding and head: ternary ones as the forward pass sees them.

    Of a run that has not become ternary yet, values.
    """
    arrays, meta = _arrays(found), found.meta
    taken: dict[str, tuple[NDArray[Any], float | None]] = {}
    packed: Mapping[str, list[int]] = meta.packing.get("matrices", {})
    for stem, (_, columns) in packed.items():
        trits = unpack(arrays[f"{stem}.trits"], columns, meta.packing["trits_a_byte"])
        taken[stem] = trits, float(arrays[f"{stem}.scale"])
    for name, array in arrays.items():
        stem = name.removesuffix(_WEIGHT)
        if stem == name or array.ndim != 2 or part_of(name) in (EMBEDDING, HEAD):
            continue
        is_ternary = meta.quantized and stem in meta.ternary
        taken[stem] = ternarize(_floats(array)) if is_ternary else (_floats(array), None)
    # Its figures say nothing here: only the layers are asked for.
    numbered = matrices.matrices(
        {name: {"zeros": 0.0, "scale": 0.0} for name in taken},
        {name: values.shape for name, (values, _) in taken.items()},
    )
    return [Matrix(one.name, one.layer, *taken[one.name]) for one in numbered]


def ternarize(values: NDArray[np.float32]) -> tuple[NDArray[np.int8], float]:
    """The trits and the scale of a matrix, as `quantization.ternary.ternarize` takes them.

    The mean is summed in another order, so that a weight at the very border may come to the other side.
    """
    inverse = np.float32(1) / np.maximum(np.abs(values).mean(), np.float32(SCALE_FLOOR))
    return np.clip(np.rint(values * inverse), -1, 1).astype(np.int8), float(1 / inverse)


def _arrays(found: Found) -> dict[str, NDArray[Any]]:
    path = found.path / MODEL
    header = tensors.read_header(path)
    arrays = tensors.load_arrays(path, header, blake3=found.meta.files[MODEL]["blake3"])
    return {
        name: _of_bits(array) if header[name].dtype == "BF16" else array for name, array in arrays.items()
    }


def _of_bits(array: NDArray[np.uint16]) -> NDArray[np.float32]:
    return (array.astype(np.uint32) << np.uint32(16)).view(np.float32)


def _floats(array: NDArray[Any]) -> NDArray[np.float32]:
    return array.astype(np.float32)
