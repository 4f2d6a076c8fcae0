"""The weights of a checkpoint as the engine takes them: numpy arrays, ternary matrices still packed."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from bbyte.checkpoint import tensors
from bbyte.checkpoint.find import Found
from bbyte.checkpoint.meta import FILE, MODEL, CheckpointMeta
from bbyte.checkpoint.tensors import DAMAGED, TensorInfo
from bbyte.errors import DataError, UsageError
from bbyte.models.blueprint import Blueprint, Roles
from bbyte.models.families import families
from bbyte.quantization.packing import packed_width

Floats = NDArray[np.float32]
VOCABULARY = 256
_WITH_TORCH = "--device cpu computes it with torch"


@dataclass(frozen=True)
class Matrix:
    """A matrix (rows, columns): `packed` trits (`quantization.packing`) and a scale a row, or `values`."""

    rows: int
    columns: int
    values: Floats | None = None
    packed: NDArray[np.uint8] | None = None
    scales: Floats | None = None
    trits_a_byte: int = 4


@dataclass(frozen=True)
class Layer:
    """A block's matrices and vectors by role (`Blueprint.matrices`, `Blueprint.vectors`)."""

    matrices: Mapping[str, Matrix]
    vectors: Mapping[str, Floats]


@dataclass(frozen=True)
class Weights:
    """A whole model. `head` may be the very array that `embedding` is."""

    blueprint: Blueprint
    embedding: Floats
    head: Floats
    final_norm: Floats
    layers: tuple[Layer, ...] = field(repr=False)


def load(found: Found) -> Weights:
    """The weights of a verified checkpoint, its digest compared once more with the bytes that are read.

    Raises UsageError for one that the engine does not compute (`refusal`), and DataError for weights other
    than the config implies.
    """
    if why := refusal(found.meta):
        raise UsageError(f"the engine does not compute {found.path}: {why[0]}", why[1] or _WITH_TORCH)
    make = families()[found.meta.family].blueprint
    assert make is not None  # noqa: S101
    plan = make(found.meta.model_config())
    path = found.path / MODEL
    arrays = tensors.load_arrays(path, _expected(plan, found.meta), blake3=found.meta.files[MODEL]["blake3"])
    return _Stack(plan, arrays, found.meta.packing.get("trits_a_byte", 4), str(path)).weights()


def refusal(meta: CheckpointMeta) -> tuple[str, str] | None:
    """Why the engine does not compute such a checkpoint, and what makes it one it does, if anything does."""
    make = families()[meta.family].blueprint
    if make is None:
        return f"a {meta.family} model has no step from byte to byte", ""
    config = meta.model_config()
    if getattr(config, "vocab_size", VOCABULARY) != VOCABULARY:
        return "its vocabulary is not the 256 bytes", ""
    if meta.kind != "packed" and getattr(config, "ternary", False):
        return "its ternary weights are not packed", "bbyte export packed packs them"
    return None


def _expected(plan: Blueprint, meta: CheckpointMeta) -> dict[str, TensorInfo]:
    """The tensors that the file must hold, by the sizes of the model."""
    rest = meta.packing.get("rest", "F32")
    packed: Mapping[str, list[int]] = meta.packing.get("matrices", {})
    found = {plan.final_norm: TensorInfo(rest, (plan.d_model,))}
    for name in (plan.embedding, plan.head):
        found[name] = TensorInfo(rest, (VOCABULARY, plan.d_model))
    shapes = {role: (shape,) for role, shape in plan.vectors().items()} | plan.matrices()
    for roles in plan.layers:
        for role, names in roles.items():
            for name, shape in zip(names, shapes[role], strict=True):
                stem = name.removesuffix(".weight")
                if stem not in packed:
                    found[name] = TensorInfo(rest, shape)
                    continue
                if tuple(packed[stem]) != shape:
                    raise DataError(f"{FILE} lists {stem} with another shape than its config has", DAMAGED)
                width = packed_width(shape[1], meta.packing["trits_a_byte"])
                found[f"{stem}.trits"] = TensorInfo("U8", (shape[0], width))
                found[f"{stem}.scale"] = TensorInfo("F32", ())
    return found


@dataclass(frozen=True)
class _Stack:
    """What was read, and how a block's roles are stacked of it."""

    plan: Blueprint
    arrays: Mapping[str, NDArray[np.generic]]
    trits_a_byte: int
    where: str

    def weights(self) -> Weights:
        plan = self.plan
        embedding = self._floats(plan.embedding)
        head = embedding if plan.head == plan.embedding else self._floats(plan.head)
        layers = tuple(self._layer(roles) for roles in plan.layers)
        return Weights(plan, embedding, head, self._floats(plan.final_norm), layers)

    def _layer(self, roles: Roles) -> Layer:
        matrices = self.plan.matrices()
        return Layer(
            {role: self._matrix(roles[role], shapes[0][1]) for role, shapes in matrices.items()},
            {
                role: self._floats(names[0]).reshape(-1)
                for role, names in roles.items()
                if role not in matrices
            },
        )

    def _matrix(self, names: tuple[str, ...], columns: int) -> Matrix:
        stems = [name.removesuffix(".weight") for name in names]
        if f"{stems[0]}.trits" not in self.arrays:
            values = np.concatenate([self._floats(name) for name in names])
            return Matrix(len(values), columns, values=values)
        parts = [np.asarray(self.arrays[f"{stem}.trits"], np.uint8) for stem in stems]
        scales = [self._scale(f"{stem}.scale") for stem in stems]
        each_row = np.repeat(np.array(scales, np.float32), [len(part) for part in parts])
        packed = np.concatenate(parts)
        return Matrix(len(packed), columns, packed=packed, scales=each_row, trits_a_byte=self.trits_a_byte)

    def _floats(self, name: str) -> Floats:
        return np.ascontiguousarray(self.arrays[name], np.float32)

    def _scale(self, name: str) -> float:
        scale = float(self.arrays[name])
        if not (math.isfinite(scale) and scale > 0):
            raise DataError(f"{self.where} holds the scale {scale} for {name}", DAMAGED)
        return scale
