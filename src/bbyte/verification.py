"""Whether checkpoints, corpora and archives are what they were when written, by their digests."""

import os
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import BinaryIO, Literal

from bbyte import folders, manifest
from bbyte.checkpoint import meta as checkpoint
from bbyte.checkpoint import tensors
from bbyte.checkpoint.find import LEGACY
from bbyte.checkpoint.listing import is_aside
from bbyte.compression.files import SUFFIX
from bbyte.compression.reader import Archive
from bbyte.data import meta as corpus
from bbyte.errors import BbyteError, DataError, UsageError
from bbyte.folders import Folder

State = Literal["ok", "damaged", "unreadable", "unchecked"]
_MANIFESTS = (checkpoint.FILE, corpus.FILE)
_WEIGHTS = ".safetensors"
_RESTORE = "restore it from a copy, or make it again"


@dataclass(frozen=True)
class Item:
    """What is checked together: the files that a manifest describes, or some of them; or an archive.

    what: "checkpoint". files: size and digest of each; of an archive, which carries its own, an empty one.
    error: what is wrong with the manifest itself.
    unchecked: why nothing here can be checked; empty where something can.
    """

    path: Path
    what: str
    files: Mapping[Path, tuple[int, str]]
    error: BbyteError | OSError | None = None
    unchecked: str = ""

    @property
    def bytes(self) -> int:
        """How much there is to read."""
        return sum(size for size, _ in self.files.values())


@dataclass(frozen=True)
class Verdict:
    """What became of an item.

    bytes: how many were read. problems: a sentence for each file that is not as it was, and a hint.
    """

    path: Path
    what: str
    state: State
    bytes: int = 0
    seconds: float = 0.0
    problems: tuple[tuple[str, str], ...] = ()


def items(path: Path) -> list[Item]:
    """What there is to check at `path`, which is one of:

    - a folder: every checkpoint, every corpus and every archive in it and below,
    - a file of a checkpoint or of a corpus: only that file,
    - an archive (.bbz): its chunks as they are stored; none is decoded, so it takes no model.

    Raises UsageError where there is nothing at `path`, OSError where none can tell.
    """
    if not _exists(path):
        raise UsageError(
            f"{path} does not exist", "name a checkpoint, a run, a corpus, or a folder above them"
        )
    if path.is_dir():
        return [item for folder in folders.below(path) for item in _in_folder(folder)]
    return [_file(path)]


def check(item: Item, on_bytes: Callable[[int], None] | None = None) -> Verdict:
    """Read every file of an item, also after one that is damaged; `on_bytes` is told of each piece read."""
    if item.unchecked:
        return Verdict(item.path, item.what, "unchecked", problems=((item.unchecked, ""),))
    began, read, errors = time.perf_counter(), 0, [] if item.error is None else [item.error]

    def count(more: int) -> None:
        nonlocal read
        read += more
        if on_bytes is not None:
            on_bytes(more)

    for path, (size, digest) in item.files.items():
        try:
            _check(path, size, digest, count)
        except (BbyteError, OSError) as error:
            errors.append(error)
    damaged = any(isinstance(error, BbyteError) for error in errors)
    state: State = "damaged" if damaged else "unreadable" if errors else "ok"
    seconds = time.perf_counter() - began
    return Verdict(item.path, item.what, state, read, seconds, tuple(map(_told, errors)))


def _check(path: Path, size: int, digest: str, on_bytes: Callable[[int], None]) -> None:
    with manifest.opened(path, _RESTORE) as file:
        if (found := os.fstat(file.fileno()).st_size) != size:
            raise DataError(f"{path} is {found} bytes long, not {size}", _RESTORE)
        if path.suffix == SUFFIX:
            _read_through(file, str(path), on_bytes)
        elif manifest.digest_of(file, on_bytes) != digest:
            raise DataError(f"{path} does not match its digest", _RESTORE)
    if path.suffix == _WEIGHTS:
        tensors.read_header(path)


def _read_through(file: BinaryIO, name: str, on_bytes: Callable[[int], None]) -> None:
    archive, told = Archive(file, name), 0
    for _ in archive:
        on_bytes(archive.coded_bytes - told)
        told = archive.coded_bytes
    on_bytes(archive.coded_bytes - told)


def _told(error: BbyteError | OSError) -> tuple[str, str]:
    if isinstance(error, BbyteError):
        return error.message, error.hint
    return f"{error.filename} cannot be read: {error.strerror or error}", "change who may read it"


def _in_folder(folder: Folder) -> Iterator[Item]:
    if folder.error is not None:
        yield Item(folder.path, "folder", {}, folder.error)
    if is_aside(folder.path):
        return
    described: set[str] = set()
    for name in _MANIFESTS:
        if name in folder.files:
            found = _described(folder.path, name)
            described |= set(folder.files) if found.error else {path.name for path in found.files}
            yield found
    others = [name for name in folder.files if name not in described]
    shards = [name for name in others if corpus.is_shard_name(name)]
    if shards:
        many = f"{len(shards):,} shards have" if len(shards) > 1 else "1 shard has"
        where = f"no entry in {corpus.FILE}" if corpus.FILE in folder.files else f"no {corpus.FILE}"
        yield Item(folder.path, "shards", {}, unchecked=f"{many} {where}")
    for name in others:
        if name.endswith(SUFFIX) or name.lower().endswith((*LEGACY, _WEIGHTS)):
            yield _undescribed(folder.path / name)


def _described(folder: Path, name: str) -> Item:
    """What the manifest of this name describes, the manifest among it: reading it has checked it."""
    try:
        if name == checkpoint.FILE:
            content = checkpoint.read(folder)
            pairs = {key: (entry["bytes"], entry["blake3"]) for key, entry in content.files.items()}
            return Item(folder, "checkpoint", {folder / key: pair for key, pair in pairs.items()})
        packed = corpus.read(folder)
        files = {folder / file.name: (file.bytes, file.blake3) for file in packed.files}
        held_out = packed.split is not None and packed.split.part == "val"
        return Item(folder, "held-out part" if held_out else "corpus", files, _held_out(folder, packed))
    except (BbyteError, OSError) as error:
        return Item(folder, "checkpoint" if name == checkpoint.FILE else "corpus", {}, error)


def _held_out(folder: Path, packed: corpus.CorpusMeta) -> DataError | None:
    """The error that a corpus lacks the part that was held out of it, or has that of another; None if not."""
    if packed.split is None or packed.split.part != "train":
        return None
    path = folder / corpus.VAL_FOLDER / corpus.FILE
    with suppress(BbyteError, OSError):  # which are told of that part itself
        if not _exists(path):
            return DataError(f"{path} is missing: the held-out part of {folder}", _RESTORE)
        if corpus.read(path.parent).split != replace(packed.split, part="val"):
            return DataError(f"{path} is not of what {folder} held out", _RESTORE)
    return None


def _exists(path: Path) -> bool:
    """Whether there is something at `path`, if only a link to nothing. Raises OSError where none can tell."""
    try:
        path.lstat()
    except FileNotFoundError:
        return False
    return True


def _file(path: Path) -> Item:
    """The item of a single file: what the manifest beside it says of that file alone."""
    if path.name in _MANIFESTS:
        found = _described(path.parent, path.name)
        own = found.error if not found.files else None
        return Item(path, path.name, {}, own)
    for name in _MANIFESTS:
        if _exists(path.parent / name):
            found = _described(path.parent, name)
            if path in found.files:
                return Item(path, f"file of a {found.what}", {path: found.files[path]})
            if found.error is not None:
                return Item(path, f"file of a {found.what}", {}, found.error)
    return _undescribed(path)


def _undescribed(path: Path) -> Item:
    if path.name.lower().endswith(LEGACY):
        return Item(path, "legacy file", {}, unchecked="a legacy file has no digest")
    if path.name.endswith(_WEIGHTS):
        try:
            tensors.read_header(path)
        except (BbyteError, OSError) as error:
            return Item(path, "weights", {}, error)
        why = f"no {checkpoint.FILE} beside it tells its digest; its header is well formed"
        return Item(path, "weights", {}, unchecked=why)
    if path.suffix == SUFFIX:
        try:
            return Item(path, "archive", {path: (path.stat().st_size, "")})
        except OSError as error:
            return Item(path, "archive", {}, error)
    return Item(path, "file", {}, unchecked="nothing beside it tells its digest")


def worst(verdicts: Sequence[Verdict]) -> State:
    """The state of all together: damaged before unreadable before ok; unchecked where nothing was checked."""
    states = {verdict.state for verdict in verdicts}
    order: tuple[State, ...] = ("damaged", "unreadable", "ok")
    return next((state for state in order if state in states), "unchecked")
