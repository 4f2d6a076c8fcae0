"""In what two checkpoints differ: their settings, their tensors, and how far the weights have moved."""

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

from bbyte import manifest
from bbyte.checkpoint.contents import Contents, part_of
from bbyte.checkpoint.meta import MODEL, CheckpointMeta
from bbyte.checkpoint.tensors import DAMAGED, ITEM_SIZES, TensorInfo
from bbyte.errors import DataError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

SAME = "same"
_AT_ONCE = 1 << 20
_LEFT_OUT = ("progress", "ternary", "files")
_TYPES = {
    "F64": "<f8", "F32": "<f4", "F16": "<f2", "BF16": "<u2", "I64": "<i8", "I32": "<i4", "I16": "<i2",
    "I8": "<i1", "U8": "<u1", "BOOL": "<u1",
}  # fmt: skip


@dataclass(frozen=True)
class Change:
    """How far a tensor or a part has moved: the sum of squares of the difference, and that of the first."""

    name: str
    difference: float
    size: float

    @property
    def relative(self) -> float:
        """||B - A|| / ||A||; infinite where A is zero, NaN where a number is not finite."""
        if not (math.isfinite(self.difference) and math.isfinite(self.size)):
            return math.nan
        if not self.size:
            return math.inf if self.difference else 0.0
        return math.sqrt(self.difference / self.size)


@dataclass(frozen=True)
class Differences:
    """In what two checkpoints differ.

    settings: name, value here, value there; None where one has it not. files: of each file, by its digest in
    checkpoint.json, "same", "differs", "only first" or "only second". only_first, only_second: names of
    tensors. reshaped: name, and what it is here and there. changes: of each tensor with the same shape;
    empty where the files are the same.
    """

    settings: tuple[tuple[str, Any, Any], ...]
    files: Mapping[str, str]
    only_first: tuple[str, ...]
    only_second: tuple[str, ...]
    reshaped: tuple[tuple[str, TensorInfo, TensorInfo], ...]
    changes: tuple[Change, ...]

    @property
    def same_weights(self) -> bool:
        """Whether the files of the weights have the same digest."""
        return self.files[MODEL] == SAME

    @property
    def parts(self) -> tuple[Change, ...]:
        """How far each part of the model has moved."""
        sums: dict[str, tuple[float, float]] = {}
        for change in self.changes:
            difference, size = sums.get(part_of(change.name), (0.0, 0.0))
            sums[part_of(change.name)] = difference + change.difference, size + change.size
        return tuple(Change(name, *both) for name, both in sums.items())

    @property
    def total(self) -> Change:
        """How far the tensors that have the same shape have moved together."""
        return Change(
            "all", sum(one.difference for one in self.changes), sum(one.size for one in self.changes)
        )


def differences(
    first: Contents, second: Contents, on_progress: Callable[[int], None] | None = None
) -> Differences:
    """In what two checkpoints differ. Weights are read only where their digests differ, in blocks.

    `on_progress` is told how many bytes of `first` were compared so far, of `to_compare`. Raises DataError
    for weights that do not have their digest.
    """
    here, there = first.tensors, second.tensors
    common = [name for name in here if name in there]
    files = _files(first.meta, second.meta)
    same = files[MODEL] == SAME
    return Differences(
        settings=tuple(_unequal(_settings(first.meta), _settings(second.meta))),
        files=files,
        only_first=tuple(name for name in here if name not in there),
        only_second=tuple(name for name in there if name not in here),
        reshaped=tuple((name, here[name], there[name]) for name in common if here[name] != there[name]),
        changes=() if same else tuple(_changes(first, second, common, on_progress or (lambda count: None))),
    )


def _files(first: CheckpointMeta, second: CheckpointMeta) -> dict[str, str]:
    found = {}
    for name in dict.fromkeys((*first.files, *second.files)):
        if name not in first.files or name not in second.files:
            found[name] = "only first" if name in first.files else "only second"
        else:
            same = first.files[name]["blake3"] == second.files[name]["blake3"]
            found[name] = SAME if same else "differs"
    return found


def to_compare(first: Contents, second: Contents) -> int:
    """How many bytes of the first `differences` will read."""
    if _files(first.meta, second.meta)[MODEL] == SAME:
        return 0
    return sum(
        math.prod(info.shape) * ITEM_SIZES[info.dtype]
        for name, info in first.tensors.items()
        if name in second.tensors and _compares(name, info, second.tensors[name])
    )


def _settings(meta: CheckpointMeta) -> dict[str, Any]:
    values = {key: value for key, value in asdict(meta).items() if key not in _LEFT_OUT}
    values["packing"] = {key: value for key, value in meta.packing.items() if key != "matrices"}
    return dict(_flat(values))


def _flat(values: Mapping[str, Any], before: str = "") -> Iterator[tuple[str, Any]]:
    for key, value in values.items():
        if isinstance(value, dict):
            yield from _flat(value, f"{before}{key}.")
        else:
            yield f"{before}{key}", value


def _unequal(here: Mapping[str, Any], there: Mapping[str, Any]) -> Iterator[tuple[str, Any, Any]]:
    groups = list(dict.fromkeys(name.partition(".")[0] for name in (*here, *there)))
    for name in sorted({**here, **there}, key=lambda name: groups.index(name.partition(".")[0])):
        if here.get(name) != there.get(name):
            yield name, here.get(name), there.get(name)


def _changes(
    first: Contents, second: Contents, names: list[str], on_progress: Callable[[int], None]
) -> Iterator[Change]:
    import numpy as np

    here, there = _starts(first), _starts(second)
    paths, done = (first.path / MODEL, second.path / MODEL), 0
    with manifest.opened(paths[0], DAMAGED) as one, manifest.opened(paths[1], DAMAGED) as other:
        _check_digest(first, one)
        _check_digest(second, other)
        for name in names:
            a, b = first.tensors[name], second.tensors[name]
            if not _compares(name, a, b):
                continue
            one.seek(here[name])
            other.seek(there[name])
            difference = size = 0.0
            for count in _blocks(math.prod(a.shape)):
                x = _numbers(paths[0], one, a.dtype, count)
                with np.errstate(all="ignore"):  # what is not finite shows in the sums
                    moved = _numbers(paths[1], other, b.dtype, count) - x
                    difference, size = difference + float(moved @ moved), size + float(x @ x)
                done += count * ITEM_SIZES[a.dtype]
                on_progress(done)
            yield Change(name, difference, size)


def _compares(name: str, a: TensorInfo, b: TensorInfo) -> bool:
    """Whether a distance between two tensors says anything: not so of trits, several of which are a byte."""
    return a.shape == b.shape and not name.endswith(".trits")


def _check_digest(checkpoint: Contents, file: BinaryIO) -> None:
    if manifest.digest_of(file) != checkpoint.meta.files[MODEL]["blake3"]:
        path = checkpoint.path / MODEL
        raise DataError(f"{path} does not match the digest in checkpoint.json", DAMAGED)


def _starts(checkpoint: Contents) -> dict[str, int]:
    """Where each tensor begins in the file; they fill it to its end, as `read_header` has made sure."""
    ends = checkpoint.files[MODEL]
    lengths = [math.prod(info.shape) * ITEM_SIZES[info.dtype] for info in checkpoint.tensors.values()]
    place = ends - sum(lengths)
    starts = {}
    for name, length in zip(checkpoint.tensors, lengths, strict=True):
        starts[name], place = place, place + length
    return starts


def _blocks(count: int) -> Iterator[int]:
    for start in range(0, count, _AT_ONCE):
        yield min(_AT_ONCE, count - start)


def _numbers(path: Path, file: BinaryIO, dtype: str, count: int) -> "NDArray[np.float64]":
    import numpy as np

    raw = file.read(count * ITEM_SIZES[dtype])
    if len(raw) != count * ITEM_SIZES[dtype]:
        raise DataError(f"{path} was cut off while it was read", DAMAGED)
    values = np.frombuffer(raw, _TYPES[dtype])
    if dtype == "BF16":  # the upper half of a float32
        values = (values.astype("<u4") << 16).view("<f4")
    return values.astype(np.float64)
