"""Saving and loading checkpoints: a folder that is complete or not there."""

import dataclasses
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn

from bbyte import durable
from bbyte.checkpoint import meta as metadata
from bbyte.checkpoint import packed, tensors
from bbyte.checkpoint.find import ASIDE, STEP, Found, find
from bbyte.checkpoint.meta import MODEL, CheckpointMeta
from bbyte.errors import DataError
from bbyte.models.contract import Family
from bbyte.models.families import family
from bbyte.quantization.bitlinear import set_quantized

OPTIMIZER = "optimizer.safetensors"
TEMPORARY = ".tmp-"


@dataclass(frozen=True)
class Loaded:
    """A checkpoint brought to life."""

    model: nn.Module
    meta: CheckpointMeta
    family: Family
    found: Found


def step_folder(run: Path, step: int) -> Path:
    """Where a run keeps the checkpoint of `step`."""
    return run / f"step-{step:07d}"


def save(
    run: Path, meta: CheckpointMeta, model: Mapping[str, Tensor], optimizer: Mapping[str, Tensor] | None
) -> Path:
    """Write a checkpoint into the folder of its run and return where.

    Everything goes to a temporary folder first and is flushed to the disk, checkpoint.json last; only then is
    the folder renamed. So a crash or a full disk at any moment leaves the earlier checkpoints as they were.
    One of the same step is set aside, and removed when the new one is sure to stay.
    """
    tidy(run)
    target = step_folder(run, meta.step)
    temporary = run / f"{TEMPORARY}{target.name}"
    try:
        temporary.mkdir()
        files = {MODEL: tensors.write(temporary / MODEL, model)}
        if optimizer is not None:
            files[OPTIMIZER] = tensors.write(temporary / OPTIMIZER, optimizer)
        durable.write_text(temporary / metadata.FILE, metadata.text(dataclasses.replace(meta, files=files)))
        durable.flush_folder(temporary)
        if target.exists():
            target.rename(target.with_suffix(ASIDE))
        temporary.rename(target)
        durable.flush_folder(run)
    finally:
        tidy(run)
    return target


def load(path: Path | Found, device: str = "cpu") -> Loaded:
    """The model of a checkpoint (its folder, or the newest good one of a run's), ready to compute.

    Raises UsageError or DataError as `find`, and DataError for weights other than the config implies, or
    other than those that were verified.
    """
    found = path if isinstance(path, Found) else find(path)  # what was found was verified
    kind = family(found.meta.family)
    with torch.device("meta"):
        model = kind.build(found.meta.model_config())
    path, digest = found.path / MODEL, found.meta.files[MODEL]["blake3"]
    if found.meta.kind == "packed":
        packed.load(path, model, found.meta.packing, device, digest)
    else:
        expected = {name: tensors.info_of(value) for name, value in model.state_dict().items()}
        weights = tensors.load(path, expected, device, blake3=digest)
        model.load_state_dict(weights, strict=True, assign=True)
    set_quantized(model, found.meta.quantized)
    return Loaded(model.eval(), found.meta, kind, found)


def load_optimizer(
    folder: Path, expected: Mapping[str, tensors.TensorInfo], device: str
) -> dict[str, Tensor]:
    """The optimizer's tensors of a checkpoint, which must be exactly those expected.

    Raises DataError for others, and for bytes other than those that were saved.
    """
    entry = metadata.read(folder).files.get(OPTIMIZER)
    if entry is None:
        raise DataError(f"{folder / OPTIMIZER} is not listed in {metadata.FILE}", tensors.DAMAGED)
    return tensors.load(folder / OPTIMIZER, expected, device, blake3=entry["blake3"])


def tidy(run: Path) -> None:
    """Remove what interrupted saves left in the folder of a run; put back what they had only set aside."""
    for leftover in run.glob(f"{TEMPORARY}*"):
        shutil.rmtree(leftover, ignore_errors=True)
    for aside in run.glob(f"{STEP}{ASIDE}"):
        target = aside.with_suffix("")
        if (target / metadata.FILE).exists():
            durable.flush_folder(run)
            durable.discard(aside)
        else:
            durable.discard(target)
            aside.rename(target)
