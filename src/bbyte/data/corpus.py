"""A corpus: bytes on disk, read through memory maps as if they were one long array."""

import bisect
import dataclasses
import glob
import mmap
import os
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import BinaryIO, Self

import numpy as np
from blake3 import blake3
from numpy.typing import NDArray

from bbyte import manifest
from bbyte.data import index, meta
from bbyte.data.meta import CorpusMeta, Shard
from bbyte.errors import DataError, UsageError

_MAPS_OPEN = 256
_SAMPLED = 64 << 10
CHECKED_AS_READ = 16 << 30
"""The largest corpus, in bytes, whose digests are checked as it is read: a few seconds of hashing a start."""
_RESTORE = "restore it from a copy, or pack the corpus again"


class ByteCorpus:
    """One long array of bytes, made of one file or many in a row; nothing is read before it is asked for.

    Where there is a corpus.json, in the folder opened or beside a shard opened by its own name, no byte of a
    shard is given before the whole shard was found to have the digest noted there, once in the life of this
    object; of a corpus larger than 16 GiB, where that would hold up every start for minutes, `verify` alone
    does so. What is read afterwards lies in a memory map: a file that is written over then changes what is
    read, and one that is cut off ends the process (SIGBUS). bbyte does neither: pack puts a new folder in the
    place of the old.

    path: what was opened. name: a short name for it. size: bytes in all, separators included. files: what it
    is made of. meta: the content of corpus.json, or None where there is none. separator: the byte after each
    document, or None when there is none or it is unknown. is_checked: whether digests are checked as it is
    read.
    """

    def __init__(self, path: Path, files: Sequence[Path], described: CorpusMeta | None = None) -> None:
        self._shards = (
            {path / shard.name: shard for shard in described.shards} if described else _listed(files)
        )
        _check_sizes(self._shards)
        sizes = [file.stat().st_size for file in files]
        self.path = path
        self.name = (path.parent if glob.has_magic(path.name) else path).resolve().name
        self.meta = described
        self.separator = described.separator if described else None
        self.files = [file for file, size in zip(files, sizes, strict=True) if size]
        self._starts = [0, *np.cumsum([size for size in sizes if size]).tolist()]
        self.size: int = self._starts[-1]
        self.is_checked = bool(self._shards) and self.size <= CHECKED_AS_READ
        self._unchecked = set(self._shards) if self.is_checked else set()
        self._maps: OrderedDict[int, NDArray[np.uint8]] = OrderedDict()
        if not self.size:
            raise DataError(
                f"{path} is empty", "give a file, a folder of files, or a corpus made by bbyte pack"
            )

    @classmethod
    def open(cls, path: str | Path) -> Self:
        """The corpus at `path`, which is one of:

        - a folder made by `bbyte pack`; the sizes of its shards are checked here, their digests when they
          are first read,
        - a folder of bare shards (shard_00000.bin …), or a pattern of them such as data/shard_*.bin,
        - any folder: the raw bytes of all files in it and below, sorted by path, links left out,
        - one file, read as raw bytes.

        Raises UsageError when there is nothing at `path`, DataError when it is empty or does not match its
        corpus.json.
        """
        path = Path(path)
        if path.is_file():
            return cls(path, [path])
        if path.is_dir():
            if os.path.lexists(path / meta.FILE):  # a link to nothing is damage too
                return cls._open_described(path)
            bare = sorted(file for file in path.iterdir() if meta.is_shard_name(file.name))
            for file in bare:
                if not file.is_file():
                    raise DataError(f"{file} is no plain file", _RESTORE)
            return cls(path, bare or _files_below(path))
        if glob.has_magic(str(path)):
            files = sorted(file for file in Path(path.anchor).glob(_below_anchor(path)) if file.is_file())
            if files:
                return cls(path, files)
            raise UsageError(f"no file matches {path}", "check the pattern, and quote it in the shell")
        raise UsageError(f"there is nothing at {path}", "check the path, or make a corpus with bbyte pack")

    @classmethod
    def _open_described(cls, folder: Path) -> Self:
        described = meta.read(folder)
        return cls(folder, [folder / shard.name for shard in described.shards], described)

    @cached_property
    def fingerprint(self) -> str:
        """Names the content, in hexadecimal: equal fingerprints, equal bytes.

        With a corpus.json, the BLAKE3 digest of the shards' sizes and digests. Without, that of every file's
        size and its first and last 64 KiB, which an edit in the middle of a large file escapes.
        """
        hasher = blake3()
        if self.meta is not None:
            for shard in self.meta.shards:
                hasher.update(f"{shard.bytes} {shard.blake3}\n".encode())
            return hasher.hexdigest()
        for number, (start, stop) in enumerate(zip(self._starts, self._starts[1:], strict=False)):
            hasher.update(f"{stop - start}\n".encode())
            hasher.update(self._map(number)[:_SAMPLED].data)
            hasher.update(self._map(number)[-_SAMPLED:].data)
        return hasher.hexdigest()

    @cached_property
    def validation(self) -> "ByteCorpus | None":
        """The held-out part, or None if none was made.

        Raises DataError if it should be there and is not, or is that of another split.
        """
        if self.meta is None or self.meta.split is None or self.meta.split.part != "train":
            return None
        held_out = ByteCorpus._open_described(self.path / meta.VAL_FOLDER)
        expected = dataclasses.replace(self.meta.split, part="val")
        if held_out.meta is None or held_out.meta.split != expected:
            raise DataError(f"{held_out.path / meta.FILE} is not of what {self.path} held out", _RESTORE)
        return held_out

    @cached_property
    def document_ends(self) -> NDArray[np.uint64] | None:
        """Where each document with its separator ends, (documents,), a memory map; None without an index.

        Raises DataError where the index is damaged or does not fit.
        """
        if self.meta is None or self.meta.index is None:
            return None
        path = self.path / self.meta.index.name
        _check_sizes({path: self.meta.index})
        with manifest.opened(path, _RESTORE) as file:
            if self.is_checked:
                self._check(path, file, self.meta.index)
            ends = index.ends_in(file, self.meta.documents)
        if not index.fits(ends, self.size):
            raise DataError(f"{path} does not fit its corpus", _RESTORE)
        return ends

    def read(self, start: int, stop: int) -> NDArray[np.uint8]:
        """A copy of the bytes from start to stop - 1, across files. Raises IndexError outside the corpus."""
        if not 0 <= start <= stop <= self.size:
            raise IndexError(f"bytes {start} to {stop} are not within a corpus of {self.size}")
        copy = np.empty(stop - start, np.uint8)
        self._read_into(copy, start)
        return copy

    def windows(self, offsets: NDArray[np.integer], length: int) -> NDArray[np.uint8]:
        """The `length` bytes from each offset on: (B,) -> (B, length). Raises IndexError beyond the end."""
        starts = np.asarray(offsets, np.int64).tolist()
        if starts and not 0 <= min(starts) <= max(starts) <= self.size - length:
            raise IndexError(f"a window of {length} bytes lies outside of a corpus of {self.size}")
        batch = np.empty((len(starts), length), np.uint8)
        for row, start in zip(batch, starts, strict=True):
            self._read_into(row, start)
        return batch

    def verify(self) -> None:
        """Read all shards, the index, and those of the held-out part, against their digests in corpus.json.

        They are read anew, whatever was checked before. Raises DataError naming the first shard that is
        damaged. Without a corpus.json there is nothing to check against: test `meta` first where it matters.
        """
        described = dict(self._shards)
        if self.meta is not None and self.meta.index is not None:
            described[self.path / self.meta.index.name] = self.meta.index
        for path, shard in described.items():
            with manifest.opened(path, _RESTORE) as file:
                self._check(path, file, shard)
        if self.validation is not None:
            self.validation.verify()

    def _check(self, path: Path, file: BinaryIO, shard: Shard) -> None:
        if manifest.digest_of(file) != shard.blake3:
            raise DataError(f"{path} is damaged: its digest is not the one in corpus.json", _RESTORE)
        self._unchecked.discard(path)

    def _read_into(self, out: NDArray[np.uint8], start: int) -> None:
        number = bisect.bisect_right(self._starts, start) - 1
        filled = 0
        while filled < out.size:
            within = start + filled - self._starts[number]
            piece = self._map(number)[within : within + out.size - filled]
            out[filled : filled + piece.size] = piece
            filled += piece.size
            number += 1

    def _map(self, number: int) -> NDArray[np.uint8]:
        """File `number` as an array. A few hundred stay mapped, as each holds a file descriptor."""
        found = self._maps.get(number)
        if found is None:
            path = self.files[number]
            with manifest.opened(path, _RESTORE) if path in self._shards else path.open("rb") as file:
                if path in self._unchecked:
                    self._check(path, file, self._shards[path])
                found = np.frombuffer(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ), np.uint8)
            if found.size != self._starts[number + 1] - self._starts[number]:
                raise DataError(f"{path} has changed its size", "leave it alone while it is read")
            if len(self._maps) >= _MAPS_OPEN:
                self._maps.popitem(last=False)
            self._maps[number] = found
        return found


def newest_corpus(root: Path = Path("artifacts/datasets")) -> Path | None:
    """The corpus folder directly under `root` that was packed last, or None."""
    found = [file for file in root.glob(f"[!.]*/{meta.FILE}") if file.is_file()]
    return max(found, key=lambda file: (file.stat().st_mtime_ns, file)).parent if found else None


def _listed(files: Sequence[Path]) -> dict[Path, Shard]:
    """What a corpus.json beside them says of those files that are shards of it."""
    folders = dict.fromkeys(file.parent for file in files if meta.is_shard_name(file.name))
    described = [folder for folder in folders if os.path.lexists(folder / meta.FILE)]
    shards = {folder / shard.name: shard for folder in described for shard in meta.read(folder).shards}
    return {file: shards[file] for file in files if file in shards}


def _check_sizes(shards: Mapping[Path, Shard]) -> None:
    for path, shard in shards.items():
        with manifest.opened(path, _RESTORE) as file:
            found = os.fstat(file.fileno()).st_size
        if found != shard.bytes:
            raise DataError(f"{path} has {found} bytes where corpus.json says {shard.bytes}", _RESTORE)


def _below_anchor(pattern: Path) -> str:
    return str(pattern.relative_to(pattern.anchor))


def _files_below(folder: Path) -> list[Path]:
    return sorted(file for file in folder.rglob("*") if file.is_file() and not file.is_symlink())
