"""checkpoint.json: what a checkpoint is, readable without torch."""

from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any, Literal

from bbyte import manifest
from bbyte.config import Config, from_dict
from bbyte.errors import DataError, UsageError
from bbyte.models.families import families

FILE = "checkpoint.json"
FORMAT = "bbyte-checkpoint"
VERSION = 1


@dataclass(frozen=True)
class CheckpointMeta:
    """The content of checkpoint.json.

    context: the longest window trained on, in bytes. quantized: whether ternary weights were active (they are
    not in the full-precision start of a ternary run). corpus: path, size and fingerprint. files: size and
    BLAKE3 digest of each file beside this one.
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
    tags: dict[str, str] = field(default_factory=dict)
    files: dict[str, dict[str, Any]] = field(default_factory=dict)

    def model_config(self) -> Config:
        """The architecture as the family's own config. Raises DataError if it is not a valid one."""
        try:
            return from_dict(families()[self.family].config, self.config, where=FILE)
        except UsageError as error:
            raise DataError(error.message, manifest.DAMAGED) from error


def text(meta: CheckpointMeta) -> str:
    """The file's text."""
    content = {key.name: getattr(meta, key.name) for key in fields(meta)}
    return manifest.write_text({"format": FORMAT, "version": VERSION, **content})


def read(folder: Path) -> CheckpointMeta:
    """What the checkpoint folder holds. Raises DataError if checkpoint.json is missing or damaged."""
    path = folder / FILE
    keys = {key.name for key in fields(CheckpointMeta)}
    content = manifest.read(path, format=FORMAT, version=VERSION, keys=keys)
    del content["format"], content["version"]
    for name, kind in _KINDS.items():
        if not isinstance(content[name], kind) or isinstance(content[name], bool) != (kind is bool):
            raise DataError(f"{path}: {name} is {content[name]!r}", manifest.DAMAGED)
    if content["family"] not in families():
        known = ", ".join(families())
        raise DataError(f"{path}: unknown family {content['family']!r}", f"this bbyte knows {known}")
    return CheckpointMeta(**content)


_KINDS: dict[str, type] = {
    "kind": str, "family": str, "variant": str, "config": dict, "step": int, "bytes_seen": int,
    "context": int, "quantized": bool, "corpus": dict, "metrics": dict, "environment": dict,
    "tags": dict, "files": dict,
}  # fmt: skip
