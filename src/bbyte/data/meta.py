"""corpus.json: what a packed corpus is made of, checked before anything in it is believed."""

import itertools
import json
import re
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

from bbyte import manifest
from bbyte.errors import DataError

FILE = "corpus.json"
FORMAT = "bbyte-corpus"
VERSION = 2
VAL_FOLDER = "val"
INDEX_FILE = "documents.u64"
SOURCES_LISTED = 1000
LONGEST_LIST = 256 << 10
"""How many characters of JSON the sources may take; shards need the rest of the file's 1 MiB."""

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
    """One input a corpus was packed from.

    bytes: as stored, so the compressed size of a compressed file. documents: how many were taken from it.
    blake3: the digest of the file as stored, or None for one that was read in parts. revision: what named its
    state where it came from (an ETag, a commit), or None. A corpus.json of version 1 has only name and bytes.
    """

    name: str
    bytes: int
    documents: int | None = None
    blake3: str | None = None
    revision: str | None = None


@dataclass(frozen=True)
class Split:
    """Which side of a split a corpus is ("train" or "val"), and the fraction that was asked for.

    The held-out side lies in the subfolder `val` of the other.
    """

    part: str
    val_fraction: float


@dataclass(frozen=True)
class Slice:
    """Which of how many parts of a pack a corpus is, from 0 on.

    shard_bytes: the shard size of the whole. plan: a digest of the inputs and the settings; parts of one pack
    have the same.
    """

    number: int
    count: int
    shard_bytes: int
    plan: str


@dataclass(frozen=True)
class CorpusMeta:
    """The content of corpus.json.

    bytes: size of all shards together, separators included. separator: the byte after each document, or None.
    sources: the first of the `source_count` inputs, at most a thousand. index: the file that says where each
    document ends (see `bbyte.data.index`), or None. slice: which part of a larger pack this is, or None.
    """

    bytes: int
    documents: int
    separator: int | None
    source_count: int
    sources: tuple[Source, ...]
    split: Split | None
    shards: tuple[Shard, ...]
    index: Shard | None = None
    slice: Slice | None = None

    @property
    def files(self) -> tuple[Shard, ...]:
        """All that corpus.json has digests of: the shards, and the index where there is one."""
        return self.shards if self.index is None else (*self.shards, self.index)


_NEW_IN_2 = ("index", "slice")
_NEW_IN_SOURCE = ("documents", "blake3", "revision")


def is_shard_name(name: str) -> bool:
    """Whether a file of this plain name is a shard: shard_00000.bin and so on."""
    return _SHARD_NAME.fullmatch(name) is not None


def listed(sources: Iterable[Source]) -> Iterator[Source]:
    """Those of the sources that corpus.json lists: the first ones, as many as there is room for."""
    room = LONGEST_LIST
    for source in itertools.islice(sources, SOURCES_LISTED):
        room -= len(json.dumps(asdict(source), indent=1))
        if room < 0:
            return
        yield source


def text(meta: CorpusMeta, version: int = VERSION) -> str:
    """The file's text. Raises DataError when the shards are too many to be listed in 1 MiB."""
    values = asdict(meta)
    if version == 1:
        for key in _NEW_IN_2:
            del values[key]
        for source in values["sources"]:
            for key in _NEW_IN_SOURCE:
                del source[key]
    written = manifest.write_text({"format": FORMAT, "version": version, **values})
    if len(written) > manifest.LARGEST:
        raise DataError(f"{len(meta.shards)} shards are too many for one corpus", "use larger shards")
    return written


def read(folder: Path) -> CorpusMeta:
    """What the corpus folder holds, as its corpus.json says; the shards themselves are not looked at.

    Raises DataError, in one sentence, if the file is missing or is not exactly what bbyte wrote.
    """
    path = folder / FILE
    keys = {field.name for field in fields(CorpusMeta)}
    content = manifest.read(path, format=FORMAT, versions={1: keys - {*_NEW_IN_2}, VERSION: keys})
    try:
        described = _from_values(content)
    except ValueError as reason:
        raise DataError(f"{path} {reason}", manifest.DAMAGED) from None
    if text(described, content["version"]) != manifest.write_text(content):  # the same keys in another order
        raise DataError(f"{path} was changed after it was written", manifest.DAMAGED)
    return described


def _from_values(values: dict[str, Any]) -> CorpusMeta:
    separator, split, is_new = values["separator"], values["split"], values["version"] > 1
    if separator is not None and _count(separator, "separator") > 255:
        raise ValueError(f"has the separator {separator}, which is no byte")
    shards = tuple(_shard(item) for item in _list(values["shards"], "shards"))
    documents = _count(values["documents"], "documents")
    if [shard.name for shard in shards] != [f"shard_{number:05d}.bin" for number in range(len(shards))]:
        raise ValueError("does not number its shards in order")
    if sum(shard.bytes for shard in shards) != _count(values["bytes"], "bytes"):
        raise ValueError("lists shards that do not add up to its size")
    return CorpusMeta(
        bytes=values["bytes"],
        documents=documents,
        separator=separator,
        source_count=_count(values["source_count"], "source_count"),
        sources=tuple(_source(item, is_new) for item in _list(values["sources"], "sources")),
        split=None if split is None else _split(split),
        shards=shards,
        index=_index(values["index"], documents) if is_new and values["index"] is not None else None,
        slice=_slice(values["slice"]) if is_new and values["slice"] is not None else None,
    )


def _shard(item: Any) -> Shard:
    _check_keys(item, {"name", "bytes", "blake3"})
    if not is_shard_name(_text(item["name"], "name")):
        raise ValueError(f"lists {manifest.shown(item['name'])}, which is no shard name")
    return Shard(item["name"], _count(item["bytes"], "bytes"), _digest(item["blake3"], item["name"]))


def _index(item: Any, documents: int) -> Shard:
    _check_keys(item, {"name", "bytes", "blake3"})
    if item["name"] != INDEX_FILE:
        raise ValueError(f"lists {manifest.shown(item['name'])}, which is no index")
    if _count(item["bytes"], "bytes") != 8 * documents:
        raise ValueError("has an index of another size than its documents take")
    return Shard(INDEX_FILE, item["bytes"], _digest(item["blake3"], INDEX_FILE))


def _source(item: Any, is_new: bool) -> Source:
    _check_keys(item, {"name", "bytes", *(_NEW_IN_SOURCE if is_new else ())})
    name, size = _text(item["name"], "name"), _count(item["bytes"], "bytes")
    if not is_new:
        return Source(name, size)
    digest, revision = item["blake3"], item["revision"]
    return Source(
        name,
        size,
        None if item["documents"] is None else _count(item["documents"], "documents"),
        None if digest is None else _digest(digest, "a source"),
        None if revision is None else _text(revision, "revision"),
    )


def _slice(item: Any) -> Slice:
    _check_keys(item, {"number", "count", "shard_bytes", "plan"})
    number, count = _count(item["number"], "number"), _count(item["count"], "count")
    if number >= count:
        raise ValueError(f"is slice {number} of {count}")
    return Slice(number, count, _count(item["shard_bytes"], "shard_bytes"), _digest(item["plan"], "the plan"))


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


def _digest(value: Any, name: str) -> str:
    if not _DIGEST.fullmatch(_text(value, "blake3")):
        raise ValueError(f"has no proper digest for {name}")
    return str(value)


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
