"""Raw bytes cut in files: shard_00000.bin, shard_00001.bin, … with a separator byte after each document."""

import io
import os
from collections.abc import Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from types import TracebackType
from typing import Self

from bbyte.data.hashing import Digest
from bbyte.data.index import IndexWriter
from bbyte.data.meta import Shard
from bbyte.errors import UsageError

Chunk = bytes | bytearray | memoryview

_GATHERED = 1 << 20
_SYNCED_AT_ONCE = 8 << 20


class ShardWriter:
    """Writes documents into shards of at most `shard_bytes` bytes in an existing folder, digesting along.

    Plain documents (`write`, `end_document`) fill each shard exactly and are cut where it is full;
    `write_whole` keeps a document and its separator in one shard unless they are larger than one.
    separator: the byte after each document, 0 to 255, or None for none. index: whether to write where each
    document ends (see `bbyte.data.index`). durable: whether to wait until all is safe from a power loss. Use
    it as a context manager; on leaving it the files are complete, and `shards` and `index` list them.

    Raises UsageError for settings that make no sense, OSError when the disk does not take a write.
    """

    def __init__(
        self,
        folder: Path,
        *,
        shard_bytes: int,
        separator: int | None = 0,
        index: bool = False,
        durable: bool = True,
    ) -> None:
        if shard_bytes < 1:
            raise UsageError(f"a shard of {shard_bytes} bytes is too small", "use at least 1 byte a shard")
        if separator is not None and not 0 <= separator <= 255:
            raise UsageError(f"the separator {separator} is no byte", "use 0 to 255, or none")
        self.folder, self.shard_bytes, self.durable = folder, shard_bytes, durable
        self.separator = b"" if separator is None else bytes([separator])
        self.shards: list[Shard] = []
        self.index: Shard | None = None
        self.bytes = 0
        self.documents = 0
        self._gathered = bytearray()
        self._file: io.FileIO | None = None
        self._filled = 0
        self._digest = Digest()
        self._unsynced = 0
        self._syncing: Future[None] | None = None
        self._aside = ThreadPoolExecutor(1, "shards")
        self._index = IndexWriter(folder, durable=durable) if index else None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            if kind is None:
                self._flush()
                self._close_shard()
                self.index = self._index.close() if self._index is not None else None
        finally:
            self._aside.shutdown()
            if self._index is not None:
                self._index.abandon()
            if self._file is not None:
                self._file.close()

    @property
    def position(self) -> int:
        """How many bytes were added so far."""
        return self.bytes + len(self._gathered)

    def write(self, chunk: Chunk) -> None:
        """Add bytes to the current document. `chunk` may be reused afterwards."""
        if len(chunk) < _GATHERED // 4:
            self._gathered += chunk
            if len(self._gathered) >= _GATHERED:
                self._flush()
        else:
            self._flush()
            self._store(memoryview(chunk).cast("B"))

    def end_document(self) -> None:
        """The current document is complete; one without a byte counts as well."""
        self.write(self.separator)
        self.documents += 1
        if self._index is not None:
            self._index.add(self.position)

    def count_documents(self, count: int, ends: Iterable[int] = ()) -> None:
        """So many documents were written with their separators already; `ends` says where they end."""
        self.documents += count
        if self._index is not None:
            self._index.extend(ends)

    def write_whole(self, document: Chunk) -> None:
        """Add a complete document that no shard border may cut, unless it is larger than a shard."""
        used = self._filled + len(self._gathered)
        if used and used + len(document) + len(self.separator) > self.shard_bytes:
            self._flush()
            if self._filled + len(document) + len(self.separator) > self.shard_bytes:
                self._close_shard()
        self.write(document)
        self.end_document()

    def _flush(self) -> None:
        if self._gathered:
            gathered, self._gathered = self._gathered, bytearray()
            self._store(memoryview(gathered))

    def _store(self, chunk: memoryview) -> None:
        self.bytes += len(chunk)
        while chunk:
            if self._file is None:
                self._file = io.FileIO(self.folder / f"shard_{len(self.shards):05d}.bin", "xb")
            piece = chunk[: self.shard_bytes - self._filled]
            self._store_piece(self._file, piece)
            self._filled += len(piece)
            chunk = chunk[len(piece) :]
            if self._filled == self.shard_bytes:
                self._close_shard()

    def _store_piece(self, file: io.FileIO, piece: memoryview) -> None:
        with self._digest.beside(piece):
            written = 0
            while written < len(piece):
                written += file.write(piece[written:])
        if self.durable:
            self._sync_as_we_go(file, len(piece))

    def _sync_as_we_go(self, file: io.FileIO, written: int) -> None:
        """Send data to the disk while more is being written, so that no long wait comes at the end."""
        self._unsynced += written
        if self._unsynced < _SYNCED_AT_ONCE or (self._syncing is not None and not self._syncing.done()):
            return
        self._await_sync()
        self._unsynced = 0
        self._syncing = self._aside.submit(os.fsync, file.fileno())

    def _await_sync(self) -> None:
        if self._syncing is not None:
            syncing, self._syncing = self._syncing, None
            syncing.result()

    def _close_shard(self) -> None:
        if self._file is None:
            return
        if self.durable:
            self._await_sync()
            os.fsync(self._file.fileno())
        self._file.close()
        name = f"shard_{len(self.shards):05d}.bin"
        self.shards.append(Shard(name, self._filled, self._digest.hexdigest()))
        self._file, self._filled, self._digest = None, 0, Digest()
