"""A trained model as small as it is: a checkpoint of trits, scales and little else."""

import dataclasses
from pathlib import Path
from typing import Literal

import torch
from torch import nn

from bbyte import durable
from bbyte.checkpoint import meta, packed, store, tensors
from bbyte.checkpoint.export.place import placed
from bbyte.checkpoint.find import Found
from bbyte.errors import BbyteError, DataError, UsageError
from bbyte.quantization.statistics import ternary_statistics


def export_packed(
    found: Found,
    target: Path,
    *,
    trits_a_byte: Literal[4, 5] = 4,
    rest: Literal["fp32", "fp16"] = "fp32",
    force: bool = False,
) -> Path:
    """Write the model of a checkpoint as a packed checkpoint, the folder `target`, and return it.

    Four trits a byte take 2 bits a weight, five 1.6. With `rest` fp32 its logits are those of the original;
    with fp16 embedding, head and norms are rounded. A packed checkpoint packs to the same bytes again. Raises
    UsageError for a model whose ternary weights have not set in yet.
    """
    refuse_unfinished(found)
    if force and (target / meta.FILE).is_file() and not _is_packed(target):
        raise UsageError(f"{target} is a checkpoint that can be trained on", "--out takes another place")
    loaded = store.load(found)
    refuse_not_finite(found, loaded.model)
    ternary = found.meta.ternary or ternary_statistics(loaded.model, loaded.model.state_dict())
    written, packing = packed.packed_tensors(loaded.model, trits_a_byte=trits_a_byte, rest=rest)
    with placed(target, force=force, marked=meta.FILE) as folder:
        folder.mkdir()
        files = {meta.MODEL: tensors.write(folder / meta.MODEL, written)}
        described = dataclasses.replace(
            found.meta, kind="packed", ternary=ternary, packing=packing, progress={}, files=files
        )
        durable.write_text(folder / meta.FILE, meta.text(described))
    return target


def _is_packed(folder: Path) -> bool:
    try:
        return meta.read(folder).kind == "packed"
    except DataError:
        return False  # damaged, so nobody knows: it is not ours to remove


def refuse_not_finite(found: Found, model: nn.Module) -> None:
    """Raise BbyteError, naming one, for a model with weights that are no numbers."""
    for name, value in model.state_dict().items():
        if not bool(torch.isfinite(value).all()):
            raise BbyteError(
                f"{found.path}: {name} holds numbers that are not finite",
                "the training may have diverged: export an earlier checkpoint",
            )


def refuse_unfinished(found: Found) -> None:
    """Raise UsageError for a checkpoint of the full-precision start of a run that becomes ternary."""
    if not found.meta.quantized and found.meta.config.get("ternary"):
        raise UsageError(
            f"{found.path} is of the full-precision start of its run: ternary weights have not set in yet",
            "export a later checkpoint",
        )
