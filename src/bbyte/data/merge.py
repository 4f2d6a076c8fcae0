"""Slices of one pack, made on one machine or many, become the corpus that a single pack makes."""

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np

from bbyte import manifest
from bbyte.data import meta
from bbyte.data.corpus_writer import CorpusWriter
from bbyte.data.hashing import Digest
from bbyte.data.meta import CorpusMeta, Slice
from bbyte.data.shards import ShardWriter
from bbyte.errors import DataError, UsageError

_AT_ONCE = 1 << 20
_ENDS_AT_ONCE = 1 << 16
_AGAIN = "pack that slice again"


def merge(
    slices: Sequence[Path],
    out_dir: Path,
    *,
    force: bool = False,
    on_bytes: Callable[[int], None] | None = None,
) -> CorpusWriter:
    """Copy all slices of a pack, in their order, into one corpus in the folder `out_dir`.

    It is byte for byte what a single pack of the same inputs makes, corpus.json included: shards are filled
    anew, so nothing can be moved or linked. The slices stay. slices: their folders, in any order. on_bytes:
    told the size of each piece copied. The writer that is returned says what was made.

    Raises UsageError unless all slices of one pack are there, each once; DataError for one that is damaged.
    Whenever it raises, `out_dir` is as it was before.
    """
    parts = _in_order(slices)
    first = parts[0][1]
    with CorpusWriter(
        out_dir,
        shard_bytes=_slice(first).shard_bytes,
        separator=first.separator,
        val_fraction=first.split.val_fraction if first.split is not None else 0.0,
        index=first.index is not None,
        replace=force,
    ) as writer:
        for folder, described in parts:
            writer.add_sources(described.source_count, described.sources)
            for source, target in zip(_sides(folder, described), writer.sides, strict=True):
                _copy(source, target, on_bytes or (lambda _: None))
    return writer


def _in_order(slices: Sequence[Path]) -> list[tuple[Path, CorpusMeta]]:
    found: dict[int, tuple[Path, CorpusMeta]] = {}
    for folder in slices:
        described = meta.read(folder)
        if described.slice is None:
            raise UsageError(
                f"{folder} is no slice", "slices are made by bbyte pack --num-slices N --slice I"
            )
        number = described.slice.number
        if number in found:
            raise UsageError(f"{folder} and {found[number][0]} are both slice {number}", "name each once")
        found[number] = folder, described
    if not found:
        raise UsageError("there is nothing to merge", "name the folders of all slices")
    parts = [found[number] for number in sorted(found)]
    first, count = parts[0], _slice(parts[0][1]).count
    for folder, described in parts:
        if _shape(described) != _shape(first[1]):
            raise UsageError(
                f"{folder} and {first[0]} are not of one pack: inputs or settings differ", "pack them again"
            )
    if missing := [str(number) for number in range(count) if number not in found]:
        named = ", ".join(missing[:5]) + (" …" if len(missing) > 5 else "")
        raise UsageError(f"{len(missing)} of {count} slices are missing: {named}", "pack them, and name them")
    return parts


def _slice(described: CorpusMeta) -> Slice:
    if described.slice is None:
        raise ValueError("only slices are merged")
    return described.slice


def _shape(described: CorpusMeta) -> tuple[object, ...]:
    """What all slices of one pack have in common."""
    part = _slice(described)
    return (
        part.count,
        part.plan,
        part.shard_bytes,
        described.separator,
        described.split,
        described.index is None,
    )


def _sides(folder: Path, described: CorpusMeta) -> Iterator[tuple[Path, CorpusMeta]]:
    yield folder, described
    if described.split is not None:
        held_out = folder / meta.VAL_FOLDER
        yield held_out, meta.read(held_out)


def _copy(source: tuple[Path, CorpusMeta], target: ShardWriter, on_bytes: Callable[[int], None]) -> None:
    """Add the documents of a slice, with every digest compared."""
    folder, described = source
    begin, buffer = target.position, memoryview(bytearray(_AT_ONCE))
    for shard in described.shards:
        path, digest = folder / shard.name, Digest()
        with manifest.opened(path, _AGAIN) as file:
            while count := file.readinto(buffer):  # type: ignore[attr-defined]
                with digest.beside(buffer[:count]):
                    target.write(buffer[:count])
                on_bytes(count)
        if digest.hexdigest() != shard.blake3:
            raise DataError(f"{path} is damaged: its digest is not the one in {meta.FILE}", _AGAIN)
    target.count_documents(described.documents, _ends(folder, described, begin))


def _ends(folder: Path, described: CorpusMeta, begin: int) -> Iterator[int]:
    """Where the documents of a slice end in the whole, if its index says so."""
    if described.index is None:
        return
    path = folder / described.index.name
    with manifest.opened(path, _AGAIN) as file:
        if manifest.digest_of(file) != described.index.blake3:
            raise DataError(f"{path} is damaged: its digest is not the one in {meta.FILE}", _AGAIN)
        file.seek(0)
        while found := file.read(8 * _ENDS_AT_ONCE):
            yield from (np.frombuffer(found, "<u8") + np.uint64(begin)).tolist()
