"""safetensors files: our own writer, whose every write can be watched, and the gate on every load.

Loading copies: the library's loader hands out tensors that are maps of the file, so that a file written over
later changes the numbers, and one that is cut off ends the process.
"""

import json
import math
import os
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, NoReturn, TypeVar

from blake3 import blake3 as Blake3

from bbyte import manifest
from bbyte.errors import DataError

if TYPE_CHECKING:
    import torch
    from numpy.typing import NDArray
    from torch import Tensor

T = TypeVar("T")
LARGEST_HEADER = 8 << 20
NAME = re.compile(r"[A-Za-z0-9._]{1,200}")
ITEM_SIZES = {
    "F64": 8,
    "F32": 4,
    "F16": 2,
    "BF16": 2,
    "I64": 8,
    "I32": 4,
    "I16": 2,
    "I8": 1,
    "U8": 1,
    "BOOL": 1,
}
DAMAGED = "the file is damaged: use another checkpoint of the run, or a copy"
_NUMPY = {
    "F64": "<f8", "F32": "<f4", "F16": "<f2", "BF16": "<u2", "I64": "<i8", "I32": "<i4", "I16": "<i2",
    "I8": "i1", "U8": "u1", "BOOL": "?",
}  # fmt: skip
_CHUNK = 16 << 20


@dataclass(frozen=True)
class TensorInfo:
    """What the header says of one tensor."""

    dtype: str
    shape: tuple[int, ...]


def write(
    path: Path, tensors: Mapping[str, "Tensor"], metadata: Mapping[str, str] | None = None
) -> dict[str, Any]:
    """Write `tensors` to `path` and flush them to the disk; returns the file's size and BLAKE3 digest.

    `metadata` is for other programs: bbyte itself keeps what it knows in checkpoint.json.
    """
    header: dict[str, Any] = {"__metadata__": dict(metadata)} if metadata else {}
    position = 0
    for name, tensor in tensors.items():
        end = position + tensor.numel() * tensor.element_size()
        header[name] = {
            "dtype": _dtype_name(tensor),
            "shape": list(tensor.shape),
            "data_offsets": [position, end],
        }
        position = end
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)  # tensors start on a multiple of 8 bytes, as the format asks
    digest = Blake3()
    with path.open("xb") as file:
        _write(file, digest, len(text).to_bytes(8, "little") + text)
        for tensor in tensors.values():
            data = memoryview(_bytes_of(tensor))
            for start in range(0, len(data), _CHUNK):
                _write(file, digest, data[start : start + _CHUNK])
        file.flush()
        os.fsync(file.fileno())
    return {"bytes": 8 + len(text) + position, "blake3": digest.hexdigest()}


def read_header(path: Path) -> dict[str, TensorInfo]:
    """The tensors a safetensors file says it holds, after checking that it is well formed. Reads no data.

    Raises DataError for a header that is too large, not JSON, names a tensor twice or oddly, or whose tensors
    do not fill the file exactly, one after another.
    """
    with manifest.opened(path, DAMAGED) as file:
        return _parse(path, _read_header(path, file), os.fstat(file.fileno()).st_size)


def load(
    path: Path, expected: Mapping[str, TensorInfo], device: str = "cpu", *, blake3: str | None = None
) -> "dict[str, Tensor]":
    """The tensors of `path`, which must be exactly those `expected`: same names, types and shapes.

    blake3: the digest that the bytes read must have. Nothing is allocated before the header is found to fit.
    """
    import torch

    def allocate(info: TensorInfo) -> "tuple[Tensor, memoryview]":
        tensor = torch.empty(info.shape, dtype=_dtypes()[info.dtype], device="cpu")
        return tensor, memoryview(_bytes_of(tensor))

    loaded = _load(path, expected, blake3, allocate)
    return {name: tensor.to(device) for name, tensor in loaded.items()}


def load_arrays(
    path: Path, expected: Mapping[str, TensorInfo], *, blake3: str | None = None
) -> "dict[str, NDArray[Any]]":
    """The same as numpy arrays, without torch; BF16, which numpy lacks, as the uint16 of its bits."""
    import numpy as np

    def allocate(info: TensorInfo) -> "tuple[NDArray[Any], memoryview]":
        array = np.empty(info.shape, _NUMPY[info.dtype])
        return array, memoryview(array.reshape(-1).view(np.uint8).data)

    return _load(path, expected, blake3, allocate)


def info_of(tensor: "Tensor") -> TensorInfo:
    """What a header would say of `tensor`."""
    return TensorInfo(_dtype_name(tensor), tuple(tensor.shape))


def _read_header(path: Path, file: BinaryIO) -> bytes:
    """The length and the text after it."""
    size, start = os.fstat(file.fileno()).st_size, file.read(8)
    length = int.from_bytes(start, "little")
    if len(start) < 8 or length > min(LARGEST_HEADER, size - 8):
        _refuse(path, "has no safetensors header")
    return start + file.read(length)


def _parse(path: Path, raw: bytes, size: int) -> dict[str, TensorInfo]:
    try:
        header = json.loads(raw[8:].decode(), object_pairs_hook=_distinct)
    except (ValueError, RecursionError) as error:
        _refuse(path, f"has a header that is not JSON ({error})")
    if not isinstance(header, dict):
        _refuse(path, "has a header that is not a JSON object")
    remarks = header.pop("__metadata__", {})
    if not isinstance(remarks, dict) or not all(isinstance(text, str) for text in remarks.values()):
        _refuse(path, "has metadata that is not text")
    infos, position = {}, 0
    for name, entry in sorted(header.items(), key=lambda item: _start(path, item[1])):
        info = _info(path, name, entry)
        end = position + math.prod(info.shape) * ITEM_SIZES[info.dtype]
        if entry["data_offsets"] != [position, end]:
            _refuse(path, f"has a gap, an overlap or a wrong size at tensor {name!r}")
        infos[name], position = info, end
    if len(raw) + position != size:
        _refuse(path, f"is {size} bytes long, its header says {len(raw) + position}")
    return infos


def _compare(path: Path, found: Mapping[str, TensorInfo], expected: Mapping[str, TensorInfo]) -> None:
    for name in sorted(found.keys() ^ expected.keys()):
        _refuse(path, f"{'lacks' if name in expected else 'has the unexpected'} tensor {name!r}")
    for name, info in expected.items():
        if found[name] != info:
            _refuse(path, f"holds {name!r} as {found[name]}, expected {info}")


def _load(
    path: Path,
    expected: Mapping[str, TensorInfo],
    blake3: str | None,
    allocate: Callable[[TensorInfo], tuple[T, memoryview]],
) -> dict[str, T]:
    digest, loaded = Blake3(max_threads=Blake3.AUTO), {}
    with manifest.opened(path, DAMAGED) as file:
        header = _read_header(path, file)
        found = _parse(path, header, os.fstat(file.fileno()).st_size)
        _compare(path, found, expected)
        digest.update(header)
        for name, info in found.items():
            loaded[name], data = allocate(info)
            _read(path, file, digest, data)
    if blake3 not in (None, digest.hexdigest()):
        _refuse(path, "was changed while it was read")
    return loaded


def _read(path: Path, file: BinaryIO, digest: Any, data: memoryview) -> None:
    for start in range(0, len(data), _CHUNK):
        piece = data[start : start + _CHUNK]
        if file.readinto(piece) != len(piece):  # type: ignore[attr-defined]
            _refuse(path, "was cut off while it was read")
        digest.update(piece)


def _write(file: BinaryIO, digest: Any, data: bytes | memoryview) -> None:
    file.write(data)
    digest.update(data)


def _bytes_of(tensor: "Tensor") -> Any:
    import torch

    return tensor.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy()


def _dtype_name(tensor: "Tensor") -> str:
    return next(name for name, dtype in _dtypes().items() if dtype == tensor.dtype)


def _dtypes() -> "dict[str, torch.dtype]":
    import torch

    return {
        "F64": torch.float64, "F32": torch.float32, "F16": torch.float16, "BF16": torch.bfloat16,
        "I64": torch.int64, "I32": torch.int32, "I16": torch.int16, "I8": torch.int8, "U8": torch.uint8,
        "BOOL": torch.bool,
    }  # fmt: skip


def _start(path: Path, entry: Any) -> tuple[int, int]:
    offsets = entry.get("data_offsets") if isinstance(entry, dict) else None
    if not isinstance(offsets, list) or len(offsets) != 2 or not all(type(n) is int for n in offsets):
        _refuse(path, "has a header entry without two offsets")
    return offsets[0], offsets[1]


def _info(path: Path, name: str, entry: dict[str, Any]) -> TensorInfo:
    shape = entry.get("shape")
    if not NAME.fullmatch(name) or entry.keys() != {"dtype", "shape", "data_offsets"}:
        _refuse(path, f"has an odd entry {name[:80]!r}")
    dtype = entry["dtype"]
    if not (isinstance(dtype, str) and dtype in ITEM_SIZES and isinstance(shape, list) and len(shape) <= 8):
        _refuse(path, f"has an unknown type or shape for tensor {name!r}")
    if not all(type(n) is int and 0 <= n < 1 << 48 for n in shape):
        _refuse(path, f"has the impossible shape {manifest.shown(shape)} for tensor {name!r}")
    return TensorInfo(dtype, tuple(shape))


def _distinct(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    result = dict(pairs)
    if len(result) != len(pairs):
        raise ValueError("a key stands twice")
    return result


def _refuse(path: Path, problem: str) -> NoReturn:
    raise DataError(f"{path} {problem}", DAMAGED)
