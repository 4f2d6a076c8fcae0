"""checkpoint.json: what a checkpoint is, readable without torch."""

import re
from collections.abc import Callable
from dataclasses import dataclass, field, fields
from pathlib import Path
from types import NoneType
from typing import Any, Literal

from bbyte import manifest
from bbyte.config import Config, from_dict
from bbyte.errors import DataError, UsageError
from bbyte.models.families import families

FILE, MODEL = "checkpoint.json", "model.safetensors"
FORMAT = "bbyte-checkpoint"
VERSION = 3
_LONGEST = 300
"""Characters of the problems of a config that are told."""
LONGEST_CONTEXT = 1 << 24
"""No window comes near it: what says more is damaged, and would have everything allocated for it."""
_ADDED = {"ternary": 3, "packing": 3}
"""Keys that earlier versions of the format lack, with the version that brought each."""


@dataclass(frozen=True)
class CheckpointMeta:
    """The content of checkpoint.json.

    context: the longest window trained on, in bytes. quantized: whether ternary weights were active (they are
    not in the full-precision start of a ternary run). corpus: path, size and fingerprint. progress: what else
    resuming needs to know. ternary: of each ternary matrix the share of zeros and the scale, as saved.
    packing: of a packed checkpoint how many trits a byte holds, what the other tensors are kept as, and the
    shape of each ternary matrix. files: size and BLAKE3 digest of each file beside this one, at least the
    model's.
    """

    kind: Literal["resume", "packed"]
    family: str
    variant: str
    config: dict[str, Any]
    step: int
    bytes_seen: int
    context: int
    quantized: bool
    corpus: dict[str, Any]
    metrics: dict[str, Any]
    environment: dict[str, Any]
    progress: dict[str, Any] = field(default_factory=dict)
    tags: dict[str, str] = field(default_factory=dict)
    ternary: dict[str, dict[str, float]] = field(default_factory=dict)
    packing: dict[str, Any] = field(default_factory=dict)
    files: dict[str, dict[str, Any]] = field(default_factory=dict)

    def model_config(self) -> Config:
        """The architecture as the family's own config. Raises DataError if it is not a valid one."""
        try:
            return from_dict(families()[self.family].config, self.config, where=FILE)
        except UsageError as error:
            raise DataError(error.message, manifest.DAMAGED) from error


def text(meta: CheckpointMeta, version: int = VERSION) -> str:
    """The file's text, as this version of the format writes it."""
    content = {key: getattr(meta, key) for key in _keys(version)}
    return manifest.write_text({"format": FORMAT, "version": version, **content})


def read(folder: Path) -> CheckpointMeta:
    """What the checkpoint folder holds.

    Raises DataError if checkpoint.json is missing, is not exactly what bbyte wrote, or has a config that its
    family does not know.
    """
    path = folder / FILE
    content = manifest.read(path, format=FORMAT, versions={known: _keys(known) for known in (2, VERSION)})
    order = list(content)
    version = content.pop("version")
    del content["format"]
    for name, holds in _HOLDS.items():
        if name in content and not holds(content[name]):
            raise DataError(f"{path}: {name} is {manifest.shown(content[name])}", manifest.DAMAGED)
    if content["family"] not in families():
        known = ", ".join(families())
        raise DataError(
            f"{path}: unknown family {manifest.shown(content['family'])}", f"this bbyte knows {known}"
        )
    meta = CheckpointMeta(**content)
    if (meta.kind == "packed") != bool(meta.packing):
        raise DataError(f"{path}: kind {meta.kind} and its packing do not agree", manifest.DAMAGED)
    if order != ["format", "version", *_keys(version)]:
        raise DataError(f"{path} was changed after it was written", manifest.DAMAGED)
    try:
        meta.model_config()
    except DataError as error:
        problems = "; ".join(line.removeprefix(f"{FILE}: ") for line in error.message.splitlines())
        raise DataError(f"{path}: {problems[:_LONGEST]}", error.hint) from error
    return meta


def _keys(version: int) -> list[str]:
    return [key.name for key in fields(CheckpointMeta) if _ADDED.get(key.name, 0) <= version]


def _is_text(value: Any) -> bool:
    return isinstance(value, str)


def _is_object(value: Any) -> bool:
    return isinstance(value, dict)


def _is_count(value: Any) -> bool:
    return type(value) is int and 0 <= value < 1 << 62


def _is_corpus(value: Any) -> bool:
    return (
        isinstance(value, dict)
        and _is_text(value.get("path"))
        and _is_text(value.get("fingerprint"))
        and _is_count(value.get("size"))
        and _is_count(value.get("train_size", 0))
        and type(value.get("val_fraction", 0)) in (int, float)
        and 0 <= value.get("val_fraction", 0) <= 1
    )


def _is_metrics(value: Any) -> bool:
    kinds = (int, float, NoneType)
    return isinstance(value, dict) and all(type(number) in kinds for number in value.values())


def _is_ternary(value: Any) -> bool:
    return isinstance(value, dict) and all(
        isinstance(entry, dict)
        and entry.keys() == {"zeros", "scale"}
        and all(type(number) is float and number >= 0 for number in entry.values())
        for entry in value.values()
    )


def _is_packing(value: Any) -> bool:
    return value == {} or (
        isinstance(value, dict)
        and value.keys() == {"trits_a_byte", "rest", "matrices"}
        and type(value["trits_a_byte"]) is int
        and value["trits_a_byte"] in (4, 5)
        and value["rest"] in ("F32", "F16")
        and isinstance(value["matrices"], dict)
        and all(
            isinstance(shape, list) and len(shape) == 2 and all(_is_count(size) and size for size in shape)
            for shape in value["matrices"].values()
        )
    )


def _are_files(value: Any) -> bool:
    return (
        isinstance(value, dict)
        and MODEL in value
        and all(_FILE_NAME.fullmatch(name) for name in value)
        and all(
            isinstance(entry, dict)
            and entry.keys() == {"bytes", "blake3"}
            and _is_count(entry["bytes"])
            and _is_text(entry["blake3"])
            for entry in value.values()
        )
    )


_FILE_NAME = re.compile(r"[a-z0-9_-]{1,100}\.[a-z0-9]{1,20}")
_HOLDS: dict[str, Callable[[Any], bool]] = {
    "kind": lambda value: value in ("resume", "packed"),
    "family": _is_text,
    "variant": _is_text,
    "config": _is_object,
    "step": _is_count,
    "bytes_seen": _is_count,
    "context": lambda value: _is_count(value) and 0 < value <= LONGEST_CONTEXT,
    "quantized": lambda value: isinstance(value, bool),
    "corpus": _is_corpus,
    "metrics": _is_metrics,
    "environment": _is_object,
    "progress": _is_object,
    "tags": lambda value: isinstance(value, dict) and all(map(_is_text, value.values())),
    "ternary": _is_ternary,
    "packing": _is_packing,
    "files": _are_files,
}
