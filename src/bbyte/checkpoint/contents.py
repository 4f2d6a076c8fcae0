"""What a checkpoint holds, told by checkpoint.json and the header of its weights. Imports no torch."""

import dataclasses
import math
import os
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from bbyte import manifest
from bbyte.checkpoint import find, meta, tensors
from bbyte.checkpoint.matrices import Matrix, matrices
from bbyte.checkpoint.meta import MODEL, CheckpointMeta
from bbyte.checkpoint.tensors import DAMAGED, ITEM_SIZES, TensorInfo
from bbyte.errors import BbyteError, DataError
from bbyte.models.families import families

TERNARY = "ternary"
"""The variant whose weights are, or become, ternary."""

EMBEDDING, HEAD, OTHER = "embedding", "head", "other"
_PARTS = (
    ("norms", ("norm",)),  # first: norms also lie inside the others
    (EMBEDDING, ("embed",)),
    ("attention", ("attn", "attention")),
    ("feed-forward", ("mlp", "ffn", "feed_forward")),
    ("mixer", ("mixer",)),
    (HEAD, ("head",)),
)
"""The parts of a model, each with what the names of its tensors contain."""
_SHOWN = (EMBEDDING, "attention", "mixer", "feed-forward", "norms", HEAD, OTHER)


def part_of(name: str) -> str:
    """The part of a model that a tensor belongs to by its name: "attention"; "other" where none fits."""
    words = name.lower()
    return next((part for part, signs in _PARTS if any(sign in words for sign in signs)), OTHER)


@dataclass(frozen=True)
class Part:
    """A part of a model: its parameters and their bytes in the file."""

    name: str
    parameters: int
    bytes: int


@dataclass(frozen=True)
class Contents:
    """A checkpoint without its weights.

    tensors: what the header of the weights says, in the order of the file. files: the size of each file,
    checkpoint.json among them. skipped: newer checkpoints of the same run that cannot be read: (path, why).
    """

    path: Path
    meta: CheckpointMeta
    tensors: Mapping[str, TensorInfo]
    files: Mapping[str, int]
    skipped: tuple[tuple[Path, str], ...] = ()

    @cached_property
    def weights(self) -> dict[str, tuple[int, str]]:
        """How many parameters each tensor of the file holds, and of which type: packed ones are trits."""
        found = {name: (math.prod(info.shape), info.dtype) for name, info in self.tensors.items()}
        for stem, shape in self.meta.packing.get("matrices", {}).items():
            found[f"{stem}.trits"] = math.prod(shape), "trits"
            found[f"{stem}.scale"] = 0, "scales"
        return found

    @cached_property
    def parts(self) -> tuple[Part, ...]:
        """The parts that the model has, from the embedding to the head."""
        parameters: Counter[str] = Counter()
        size: Counter[str] = Counter()
        for name, info in self.tensors.items():
            parameters[part_of(name)] += self.weights[name][0]
            size[part_of(name)] += math.prod(info.shape) * ITEM_SIZES[info.dtype]
        return tuple(Part(name, parameters[name], size[name]) for name in _SHOWN if name in parameters)

    @property
    def parameters(self) -> int:
        """All parameters of the model."""
        return sum(part.parameters for part in self.parts)

    @property
    def inner_parameters(self) -> int:
        """The parameters but those of the embedding and of the head."""
        return sum(part.parameters for part in self.parts if part.name not in (EMBEDDING, HEAD))

    @property
    def dtypes(self) -> dict[str, int]:
        """How many parameters there are of each type."""
        counts: Counter[str] = Counter()
        for count, kind in self.weights.values():
            counts[kind] += count
        return {kind: count for kind, count in counts.items() if count}

    @cached_property
    def matrices(self) -> tuple[Matrix, ...]:
        """The ternary matrices with the statistics stored at save; empty where there are none."""
        shapes = {name.removesuffix(".weight"): info.shape for name, info in self.tensors.items()}
        return matrices(self.meta.ternary, {**shapes, **self.meta.packing.get("matrices", {})})

    @property
    def packed_bytes(self) -> int | None:
        """About how many bytes the model takes with 2 bits a ternary weight and 16 bits each other number.

        None where no ternary matrix is known, or the model is packed already.
        """
        if not self.matrices or self.meta.packing:
            return None
        trits = sum(matrix.size for matrix in self.matrices)
        return sum(-(-matrix.size // 4) + 2 for matrix in self.matrices) + 2 * (self.parameters - trits)


def read(path: Path) -> Contents:
    """What the checkpoint at `path` holds: its folder, a file in that, or a run's folder (then the newest).

    Sizes of files are compared with checkpoint.json, digests are not. Raises UsageError where there is none,
    DataError where it is damaged; of a run, where all are.
    """
    _, found, skipped = find.newest_of(path, _contents)
    return dataclasses.replace(found, skipped=skipped)


def sizes(folder: Path, content: CheckpointMeta) -> dict[str, int]:
    """The size of each file, checkpoint.json last. Raises DataError where one is not as that says."""
    for name, entry in content.files.items():
        check_size(folder / name, entry["bytes"])
    found = {name: entry["bytes"] for name, entry in content.files.items()}
    return {**found, meta.FILE: (folder / meta.FILE).stat().st_size}


def check_size(path: Path, expected: int) -> None:
    """Raise DataError unless there is a plain file of this size at `path`; OSError for one not to be read."""
    with manifest.opened(path, DAMAGED) as file:
        size = os.fstat(file.fileno()).st_size
    if size != expected:
        raise DataError(f"{path} is {size} bytes long, not {expected}", DAMAGED)


def validation(content: CheckpointMeta) -> float | None:
    """The validation figure of the checkpoint's own step, in bits per byte; None where it has none."""
    bpb = content.metrics.get("val_bpb")
    if bpb is None or content.metrics.get("val_step", content.step) != content.step:
        return None
    return float(bpb)


def is_unfinished(content: CheckpointMeta) -> bool:
    """Whether it is of the full-precision start of a run that becomes ternary."""
    return content.variant == TERNARY and not content.quantized


def is_bound(content: CheckpointMeta) -> bool:
    """Whether the figures of the checkpoint are upper bounds."""
    return families()[content.family].is_bound


def why(error: BbyteError | OSError) -> str:
    """The sentence of an error, naming the file."""
    if isinstance(error, BbyteError):
        return error.message
    return f"{error.filename} cannot be read: {error.strerror or error}"


def _contents(folder: Path) -> Contents:
    content = meta.read(folder)
    files = sizes(folder, content)
    return Contents(folder, content, tensors.read_header(folder / MODEL), files, ())
