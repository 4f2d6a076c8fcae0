"""corpus.json: what a packed corpus is made of, checked before anything in it is believed."""

import re
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

from bbyte import manifest
from bbyte.errors import DataError

FILE = "corpus.json"
FORMAT = "bbyte-corpus"
VERSION = 1
VAL_FOLDER = "val"
SOURCES_LISTED = 100

_SHARD_NAME = re.compile(r"shard_\d{5}\.bin", re.ASCII)
_DIGEST = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True)
class Shard:
    """One file of raw bytes: its plain name, its size in bytes, its BLAKE3 digest in hexadecimal."""

    name: str
    bytes: int
    blake3: str


@dataclass(frozen=True)
class Source:
    """One input a corpus was packed from; `bytes` as stored, so the compressed size of a compressed file."""

    name: str
    bytes: int


@dataclass(frozen=True)
class Split:
    """Which side of a split a corpus is ("train" or "val"), and the fraction that was asked for.

    The held-out side lies in the subfolder `val` of the other.
    """

    part: str
    val_fraction: float


@dataclass(frozen=True)
class CorpusMeta:
    """The content of corpus.json.

    bytes: size of all shards together, separators included. separator: the byte after each document, or None.
    sources: the first hundred of the `source_count` inputs.
    """

    bytes: int
    documents: int
    separator: int | None
    source_count: int
    sources: tuple[Source, ...]
    split: Split | None
    shards: tuple[Shard, ...]


def is_shard_name(name: str) -> bool:
    """Whether a file of this plain name is a shard: shard_00000.bin and so on."""
    return _SHARD_NAME.fullmatch(name) is not None


def text(meta: CorpusMeta) -> str:
    """The file's text. Raises DataError when the shards are too many to be listed in 1 MiB."""
    written = manifest.write_text({"format": FORMAT, "version": VERSION, **asdict(meta)})
    if len(written) > manifest.LARGEST:
        raise DataError(f"{len(meta.shards)} shards are too many for one corpus", "use larger shards")
    return written


def read(folder: Path) -> CorpusMeta:
    """What the corpus folder holds, as its corpus.json says; the shards themselves are not looked at.

    Raises DataError, in one sentence, if the file is missing or is not exactly what bbyte wrote.
    """
    path = folder / FILE
    keys = {field.name for field in fields(CorpusMeta)}
    content = manifest.read(path, format=FORMAT, versions={VERSION: keys})
    try:
        described = _from_values(content)
    except ValueError as reason:
        raise DataError(f"{path} {reason}", manifest.DAMAGED) from None
    if text(described) != manifest.write_text(content):  # the same keys in another order
        raise DataError(f"{path} was changed after it was written", manifest.DAMAGED)
    return described


def _from_values(values: dict[str, Any]) -> CorpusMeta:
    separator, split = values["separator"], values["split"]
    if separator is not None and _count(separator, "separator") > 255:
        raise ValueError(f"has the separator {separator}, which is no byte")
    shards = tuple(_shard(item) for item in _list(values["shards"], "shards"))
    if [shard.name for shard in shards] != [f"shard_{number:05d}.bin" for number in range(len(shards))]:
        raise ValueError("does not number its shards in order")
    if sum(shard.bytes for shard in shards) != _count(values["bytes"], "bytes"):
        raise ValueError("lists shards that do not add up to its size")
    return CorpusMeta(
        bytes=values["bytes"],
        documents=_count(values["documents"], "documents"),
        separator=separator,
        source_count=_count(values["source_count"], "source_count"),
        sources=tuple(_source(item) for item in _list(values["sources"], "sources")),
        split=None if split is None else _split(split),
        shards=shards,
    )


def _shard(item: Any) -> Shard:
    _check_keys(item, {"name", "bytes", "blake3"})
    if not is_shard_name(_text(item["name"], "name")):
        raise ValueError(f"lists {manifest.shown(item['name'])}, which is no shard name")
    if not _DIGEST.fullmatch(_text(item["blake3"], "blake3")):
        raise ValueError(f"has no proper digest for {item['name']}")
    return Shard(item["name"], _count(item["bytes"], "bytes"), item["blake3"])


def _source(item: Any) -> Source:
    _check_keys(item, {"name", "bytes"})
    return Source(_text(item["name"], "name"), _count(item["bytes"], "bytes"))


def _split(item: Any) -> Split:
    _check_keys(item, {"part", "val_fraction"})
    if item["part"] not in ("train", "val"):
        raise ValueError(f"is {manifest.shown(item['part'])}, which is no part of a split")
    if type(item["val_fraction"]) is not float or not 0 < item["val_fraction"] < 1:
        raise ValueError("has a val_fraction that is not between 0 and 1")
    return Split(item["part"], item["val_fraction"])


def _check_keys(item: Any, keys: set[str]) -> None:
    if not isinstance(item, dict) or item.keys() != keys:
        raise ValueError(f"has an entry without exactly the keys {', '.join(sorted(keys))}")


def _count(value: Any, name: str) -> int:
    if type(value) is not int or not 0 <= value < 1 << 62:
        raise ValueError(f"has {manifest.shown(value)} for {name}")
    return value


def _list(value: Any, name: str) -> list[Any]:
    if not isinstance(value, list):
        raise ValueError(f"has no list of {name}")
    return value


def _text(value: Any, name: str) -> str:
    if not isinstance(value, str):
        raise ValueError(f"has {manifest.shown(value)} for {name}")
    return value
