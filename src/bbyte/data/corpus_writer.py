"""Writes a corpus folder: shards, corpus.json, and the held-out part in the subfolder `val`."""

import contextlib
import os
import shutil
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

from bbyte.data import meta
from bbyte.data.meta import CorpusMeta, Source
from bbyte.data.shards import Chunk, ShardWriter
from bbyte.data.split import SEGMENT, Split, segments
from bbyte.data.staging import holds_anything, new_corpus_folder
from bbyte.durable import flush_folder
from bbyte.errors import DataError


class CorpusWriter:
    """Writes documents into the corpus folder `target`, which appears whole when the `with` block ends.

    If the block fails or is interrupted nothing is left behind, and what was there before stays.
    shard_bytes and separator: as `ShardWriter` has them. val_fraction: the share of the bytes to hold out
    (see `Split`); where a document is split, both parts end with a separator. index: whether to write where
    each document ends; a document is then held out whole, if its first 64 KiB are. slice: which part of a
    larger pack this is; it may have nothing in it, or all on one side. replace: whether an earlier corpus in
    the folder may be replaced, which then waits until the new one is on disk; a corpus that replaces nothing
    can be packed again after a power loss, and is not waited for. `meta` and `val_meta` describe the result
    afterwards.

    Raises UsageError for settings that make no sense, a folder that may not be written, or a split that
    leaves one side empty; DataError when no document was written.
    """

    def __init__(
        self,
        target: Path,
        *,
        shard_bytes: int = 2 << 30,
        separator: int | None = 0,
        val_fraction: float = 0.0,
        index: bool = False,
        slice: meta.Slice | None = None,
        replace: bool = False,
    ) -> None:
        self.target, self.separator, self.val_fraction = target, separator, val_fraction
        self.index, self.slice = index, slice
        self.meta: CorpusMeta
        self.val_meta: CorpusMeta | None = None
        self._replace, self._shard_bytes = replace, shard_bytes
        self._split = Split(val_fraction)
        self._sources: list[Source] = []
        self._source_count = 0

    def __enter__(self) -> Self:
        with contextlib.ExitStack() as open_files:
            self._durable = holds_anything(self.target)
            self._folder = open_files.enter_context(new_corpus_folder(self.target, replace=self._replace))
            self._closing = open_files.enter_context(contextlib.ExitStack())
            self._train = self._closing.enter_context(self._shards(self._folder))
            if self.val_fraction:
                (self._folder / meta.VAL_FOLDER).mkdir()
                self._val = self._closing.enter_context(self._shards(self._folder / meta.VAL_FOLDER))
            self._open = open_files.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is not None:
            self._open.__exit__(kind, error, trace)
            return
        with self._open:
            self._closing.close()
            self._finish()

    @contextlib.contextmanager
    def aside(self) -> Iterator[Path]:
        """A folder for what has to be set aside for a while, on the disk that the corpus goes to."""
        folder = self._folder / "aside"
        folder.mkdir()
        try:
            yield folder
        finally:
            shutil.rmtree(folder, ignore_errors=True)

    def add_source(self, source: Source) -> None:
        """Note one input, as corpus.json shall list it."""
        self.add_sources(1, [source])

    def add_sources(self, count: int, sources: Sequence[Source]) -> None:
        """Note so many inputs, of which these are the first."""
        if len(self._sources) == self._source_count < meta.SOURCES_LISTED:
            self._sources += sources
        self._source_count += count

    @property
    def sides(self) -> list[ShardWriter]:
        """What writes the corpus, and what writes its held-out part if there is one."""
        return [self._train, self._val] if self.val_fraction else [self._train]

    def add(self, document: bytes) -> None:
        """Add a document that no shard border may cut, unless it is larger than a shard."""
        if not self.val_fraction:
            self._train.write_whole(document)
        elif len(document) <= SEGMENT or self.index:
            (self._val if self._split.holds_out(document[:SEGMENT]) else self._train).write_whole(document)
        else:
            self.add_stream([document])

    def add_stream(self, chunks: Iterable[Chunk]) -> None:
        """Add a document that comes in pieces and may lie across shards. Pieces may be reused buffers."""
        if not self.val_fraction:
            for chunk in chunks:
                self._train.write(chunk)
            self._train.end_document()
            return
        side = None
        for segment in segments(chunks):
            if self.index and side is not None:
                side.write(segment)
                continue
            chosen = self._val if self._split.holds_out(segment) else self._train
            if side is not None and side is not chosen:
                side.end_document()
            side = chosen
            side.write(segment)
        (side or self._train).end_document()

    def _shards(self, folder: Path) -> ShardWriter:
        return ShardWriter(
            folder,
            shard_bytes=self._shard_bytes,
            separator=self.separator,
            index=self.index,
            durable=self._durable,
        )

    def _finish(self) -> None:
        if self.slice is None and not sum(side.bytes for side in self.sides):
            raise DataError("there is nothing to pack: the inputs hold not one byte")
        if self.val_fraction:
            if self.slice is None:
                self._split.check_both_sides(*(side.bytes for side in self.sides))
            self.val_meta = self._describe(self._folder / meta.VAL_FOLDER, self._val, "val")
        self.meta = self._describe(self._folder, self._train, "train")

    def _describe(self, folder: Path, written: ShardWriter, part: str) -> CorpusMeta:
        described = CorpusMeta(
            bytes=written.bytes,
            documents=written.documents,
            separator=self.separator,
            source_count=self._source_count,
            sources=tuple(meta.listed(self._sources)),
            split=meta.Split(part, float(self.val_fraction)) if self.val_fraction else None,
            shards=tuple(written.shards),
            index=written.index,
            slice=self.slice,
        )
        with (folder / meta.FILE).open("xb") as file:
            file.write(meta.text(described).encode())
            if self._durable:
                file.flush()
                os.fsync(file.fileno())
        if self._durable:
            flush_folder(folder)
        return described
