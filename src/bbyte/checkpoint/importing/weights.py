"""The tensors of a model from elsewhere: found, checked one and all, and made those of a model of ours."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

import torch
from torch import Tensor, nn

from bbyte import manifest
from bbyte.checkpoint import tensors
from bbyte.checkpoint.export import hf_bitnet, hf_config
from bbyte.checkpoint.importing.config import Architecture
from bbyte.checkpoint.meta import MODEL
from bbyte.checkpoint.tensors import TensorInfo
from bbyte.errors import DataError
from bbyte.quantization.bitlinear import ternary_layers
from bbyte.quantization.latents import latents
from bbyte.quantization.ternary import SCALE_FLOOR

INDEX = f"{MODEL}.index.json"
NUMBERS = ("F32", "F16", "BF16")
_SHARD = re.compile(r"[A-Za-z0-9_-]{1,100}\.safetensors")
_PICKLES = (".bin", ".pt", ".pth", ".ckpt")
_BELONG = "weights and config.json must belong to the same model"


@dataclass(frozen=True)
class _Place:
    """Where a tensor of theirs goes: the name of ours, and what it is of that.

    The whole, its packed trits or their scale, or a copy (a tied head), which need not be there.
    """

    ours: str
    shape: tuple[int, ...]
    part: str = "whole"

    @property
    def dtypes(self) -> tuple[str, ...]:
        return ("U8",) if self.part == "trits" else NUMBERS


def load(folder: Path, found: Architecture) -> tuple[dict[str, Tensor], nn.Module]:
    """The weights in a folder under our names, in float32, and the model without weights that they are of.

    16-bit numbers are widened. Packed ternary matrices become latent weights that our quantizer turns into
    the same trits and scale. Raises DataError unless the files hold exactly what the config implies, in
    finite numbers; what they say is checked before anything is allocated.
    """
    with torch.device("meta"):
        model = found.family.build(found.config)
    places = _places(found, model)
    files = {path: tensors.read_header(path) for path in _files(folder)}
    _check(folder, places, files)
    theirs = {name: value for path, infos in files.items() for name, value in _read(path, infos).items()}
    ours: dict[str, Tensor] = {}
    for name, place in places.items():
        if place.part == "whole":
            ours[place.ours] = theirs[name]
        elif place.part == "trits":
            scale = theirs[f"{name}_scale"].reshape(())
            scale = 1 / scale if found.weights == "divided" else scale
            ours[place.ours] = _latents(f"{folder}: {name}", theirs[name], scale)
    for name, place in places.items():
        if place.part == "copy" and name in theirs and not torch.equal(theirs[name], ours[place.ours]):
            _refuse(f"{folder}: {name} is not the embedding, though the two are tied", _BELONG)
    return {name: ours[name] for name in model.state_dict()}, model


def _read(path: Path, infos: Mapping[str, TensorInfo]) -> dict[str, Tensor]:
    """The tensors of a file: packed trits as they are, numbers as float32."""
    found = tensors.load(path, infos)
    result = {name: value if infos[name].dtype == "U8" else value.float() for name, value in found.items()}
    for name, value in result.items():
        if not torch.isfinite(value).all():
            _refuse(f"{path}: {name} holds numbers that are not finite", tensors.DAMAGED)
    return result


def _places(found: Architecture, model: nn.Module) -> dict[str, _Place]:
    """Every tensor that may be there, by transformers' name."""
    shapes = {name: tuple(value.shape) for name, value in model.state_dict().items()}
    ternary = {f"{name}.weight" for name in ternary_layers(model)}
    result = {}
    for theirs, name in hf_config.their_names(found.family, found.config, shapes).items():
        shape = shapes[name]
        if name in ternary and found.weights in ("divided", "multiplied"):
            if shape[0] % hf_bitnet.ROWS:
                _refuse(f"{name} has {shape[0]} rows, which cannot be packed by {hf_bitnet.ROWS}", _BELONG)
            result[theirs] = _Place(name, (shape[0] // hf_bitnet.ROWS, *shape[1:]), "trits")
            result[f"{theirs}_scale"] = _Place(name, (1,), "scale")
        else:
            is_copy = theirs == hf_config.HEAD and name != theirs
            result[theirs] = _Place(name, shape, "copy" if is_copy else "whole")
    return result


def _files(folder: Path) -> list[Path]:
    """The files of weights: the one, or those that the index names."""
    if (folder / MODEL).exists():
        return [folder / MODEL]
    if (folder / INDEX).exists():
        named: Any = manifest.parse(folder / INDEX)[0].get("weight_map")
        names = set(named.values()) if isinstance(named, dict) and _are_shards(named.values()) else set()
        if not names:
            _refuse(f"{folder / INDEX} does not name its files", tensors.DAMAGED)
        return [folder / name for name in sorted(names)]
    pickles = sorted(path.name for path in folder.iterdir() if path.suffix.lower() in _PICKLES)
    if not pickles:
        raise DataError(f"{folder} holds no {MODEL}", "is this the folder of a model?")
    raise DataError(
        f"{folder / pickles[0]} is a pickle, which is a program and not only weights: it is not read",
        "where you trust it: load it with transformers and save_pretrained() it as safetensors",
    )


def _are_shards(names: Any) -> bool:
    return all(isinstance(name, str) and _SHARD.fullmatch(name) for name in names)


def _check(
    folder: Path, places: Mapping[str, _Place], files: Mapping[Path, Mapping[str, TensorInfo]]
) -> None:
    """Raise DataError unless the files hold each tensor once, of its shape and of a type that it may have."""
    met: set[str] = set()
    for path, infos in files.items():
        for name, info in infos.items():
            if name not in places or name in met:
                why = "again" if name in met else "which its config does not have"
                _refuse(f"{path} holds {name}, {why}", _BELONG)
            met.add(name)
            place, types = places[name], " or ".join(places[name].dtypes)
            if info.shape != place.shape or info.dtype not in place.dtypes:
                _refuse(
                    f"{path}: {name} is {info.dtype} {info.shape}, expected {types} {place.shape}", _BELONG
                )
    missing = sorted(name for name, place in places.items() if name not in met and place.part != "copy")
    if missing:
        others = f" and {len(missing) - 1} more" if missing[1:] else ""
        _refuse(f"{folder} lacks {missing[0]}{others}", _BELONG)


def _latents(name: str, packed: Tensor, scale: Tensor) -> Tensor:
    try:
        trits = hf_bitnet.unpacked(packed)
    except DataError as error:
        raise DataError(f"{name}: {error.message}", error.hint) from error
    if trits.any() and not (SCALE_FLOOR <= float(scale) < float("inf")):
        _refuse(
            f"{name} has the scale {float(scale):.3g}, and bbyte's smallest is {SCALE_FLOOR}",
            "such a matrix hardly contributes anything: was the training broken?",
        )
    return latents(trits * scale, trits, scale) if trits.any() else trits


def _refuse(problem: str, hint: str) -> NoReturn:
    raise DataError(problem, hint)
