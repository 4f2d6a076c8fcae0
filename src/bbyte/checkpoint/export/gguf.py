"""A checkpoint as one GGUF file, which llama.cpp and what is built on it load as it is."""

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from bbyte.checkpoint import contents, store
from bbyte.checkpoint.export.gguf_architecture import add_figures, architecture
from bbyte.checkpoint.export.gguf_tensors import Part, Role, parts
from bbyte.checkpoint.export.gguf_vocabulary import add_vocabulary
from bbyte.checkpoint.export.packed import refuse_unfinished
from bbyte.checkpoint.export.place import name_of, placed
from bbyte.checkpoint.find import Found
from bbyte.errors import BbyteError, UsageError

Type = Literal["f16", "q8_0", "tq1_0", "tq2_0"]
TYPES: tuple[Type, ...] = get_args(Type)
FOR_TRITS = ("tq1_0", "tq2_0")
_FILE_TYPES = {"f16": "MOSTLY_F16", "q8_0": "MOSTLY_Q8_0", "tq1_0": "MOSTLY_TQ1_0", "tq2_0": "MOSTLY_TQ2_0"}


@dataclass(frozen=True)
class Exported:
    """The file written, its size, and which of llama.cpp's architectures computes it."""

    path: Path
    bytes: int
    architecture: str


def export_gguf(found: Found, target: Path, *, type: Type = "f16", force: bool = False) -> Exported:
    """Write the model of a checkpoint to the file `target`.

    Matrices are kept as `type`: f16; q8_0, 8.5 bits a weight; tq1_0 or tq2_0, 1.6875 or 2.0625 bits, which
    hold ternary matrices without loss but that of a 16-bit scale, and leave embedding and head in f16. Norms
    and what steers a state space stay in float32. Raises UsageError for a model that llama.cpp cannot
    compute or the type does not fit, where gguf is missing, and where `target` is a folder, or is there
    already, unless `force`; BbyteError for weights that 16 bits cannot hold.
    """
    gguf = _package()
    if target.is_dir():
        raise UsageError(f"{target} is a folder", f"a GGUF is one file: --out {target / 'model.gguf'}")
    kind = architecture(found.meta.family, found.meta.model_config())
    refuse_unfinished(found)
    with placed(target, force=force) as temporary:
        model = store.load(found).model
        planned = parts(model, kind)
        _check_rows(gguf, planned, type)
        described = _description(found, sum(value.numel() for value in model.parameters()))
        writer = gguf.GGUFWriter(temporary, kind)
        writer.add_type("model")
        writer.add_name(name_of(found))
        writer.add_description(described)
        writer.add_file_type(gguf.LlamaFileType[_FILE_TYPES[type]])
        writer.add_quantization_version(gguf.GGML_QUANT_VERSION)
        add_figures(writer, found.meta.family, found.meta.model_config(), found.meta.context)
        add_vocabulary(writer)
        _write(gguf, writer, temporary, [(part, _type_of(gguf, part.role, type)) for part in planned])
    return Exported(target, target.stat().st_size, kind)


def _package() -> Any:
    try:
        import gguf
    except ImportError:
        raise UsageError("writing GGUF needs the package gguf", "pip install 'bbyte[export]'") from None
    return gguf


def _type_of(gguf: Any, role: Role, type: Type) -> Any:
    matrix = "q8_0" if type == "q8_0" else "f16"
    names = {"exact": "f32", "half": "f16", "matrix": matrix, "ternary": type}
    return gguf.GGMLQuantizationType[names[role].upper()]


def _check_rows(gguf: Any, planned: list[Part], type: Type) -> None:
    """Raise UsageError for a type that does not fit the matrices, naming those that do."""
    if type in FOR_TRITS and not any(part.role == "ternary" for part in planned):
        raise UsageError(
            f"{type} holds ternary weights, and this model's are full precision", "--type f16 or --type q8_0"
        )
    block, unfit = _unfit(gguf, planned, type)
    if unfit:
        fit = [f"--type {other}" for other in TYPES[:2] if not _unfit(gguf, planned, other)[1]]
        widths = " and ".join(str(width) for width in unfit)
        raise UsageError(
            f"{type} takes rows of multiples of {block}, and matrices of this model have rows of {widths}",
            " or ".join(fit),
        )


def _unfit(gguf: Any, planned: list[Part], type: Type) -> tuple[int, list[int]]:
    """The numbers a block of `type` holds, and the lengths of rows that are no multiples of it."""
    block = gguf.GGML_QUANT_SIZES[gguf.GGMLQuantizationType[type.upper()]][0]
    stored = [part for part in planned if _type_of(gguf, part.role, type).name == type.upper()]
    return block, sorted({part.shape[-1] for part in stored if part.shape[-1] % block})


def _description(found: Found, parameters: int) -> str:
    meta = found.meta
    bpb = contents.validation(meta)
    measured = "" if bpb is None else f"; {bpb:.4f} bits per byte on its held-out data"
    return (
        f"Byte model ({meta.family}) with {parameters:,} parameters, trained on {meta.bytes_seen:,} bytes"
        f"{measured}. Exported by bbyte."
    )


def _write(gguf: Any, writer: Any, path: Path, planned: list[tuple[Part, Any]]) -> None:
    try:
        for part, kind in planned:
            shape = gguf.quant_shape_to_byte_shape(part.shape, kind)
            size = int(np.prod(shape))
            writer.add_tensor_info(part.name, shape, np.dtype(np.uint8), size, raw_dtype=kind)
        writer.write_header_to_file(path)
        writer.write_kv_data_to_file()
        writer.write_ti_data_to_file()
    finally:
        writer.close()
    # The values are written here, one tensor at a time: gguf would hold all of them, and numpy's tofile,
    # which it uses, does not say that the disk is full.
    with path.open("ab") as file:
        for part, kind in planned:
            file.write(bytes(-file.tell() % writer.data_alignment))
            file.write(_stored(gguf, part, kind).data)
        file.write(bytes(-file.tell() % writer.data_alignment))
        file.flush()
        os.fsync(file.fileno())


def _stored(gguf: Any, part: Part, kind: Any) -> NDArray[Any]:
    values = part.read().cpu().numpy()
    largest = np.finfo(np.float32 if kind.name == "F32" else np.float16).max
    if not (np.abs(values) <= largest).all():
        raise BbyteError(
            f"{part.name} holds numbers that {kind.name} cannot",
            "its weights may have diverged: export an earlier checkpoint",
        )
    stored: NDArray[Any] = np.ascontiguousarray(gguf.quants.quantize(values, kind))
    return stored
