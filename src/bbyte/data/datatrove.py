"""Packing as steps of a datatrove pipeline, so that its executors (local, Slurm, Ray) do it.

    from datatrove.executor import LocalPipelineExecutor

    from bbyte.data.datatrove import ReadDocuments, WriteSlices

    LocalPipelineExecutor(
        pipeline=[ReadDocuments(["texts"]), WriteSlices("slices")], tasks=8, workers=2
    ).run()

Then `bbyte corpus merge OUT slices/*` makes the corpus that `bbyte pack texts` makes. Filters and other steps
of datatrove can stand between the two, and any of its readers in the place of the first.
"""

import json
from collections.abc import Generator, Iterable, Sequence
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

from blake3 import blake3

from bbyte.data import slices
from bbyte.data.corpus_writer import CorpusWriter
from bbyte.data.gathering import Gathering
from bbyte.data.meta import Slice, Source
from bbyte.data.sources.documents import Reading
from bbyte.data.sources.extras import needs_data
from bbyte.data.sources.file import File
from bbyte.data.sources.find import Inputs

if TYPE_CHECKING:
    from datatrove.data import Document  # type: ignore[import-untyped,unused-ignore]
try:
    from datatrove.pipeline.base import PipelineStep  # type: ignore[import-untyped,unused-ignore]
except ImportError:  # whoever makes a step is told
    PipelineStep = object

_BYTES = ("utf-8", "surrogateescape")
"""How any bytes become a text and the same bytes again."""


class ReadDocuments(PipelineStep):  # type: ignore[misc,unused-ignore]
    """Gives the documents that `bbyte pack` would pack, a slice of them to each task.

    inputs, extensions, field, column: as `bbyte.data.pack.pack` has them; standard input cannot be shared
    out. Bytes that are no UTF-8 become lone surrogates, which `WriteSlices` turns back. The metadata of a
    document has "file_path", the name of its file, and "file_bytes", its size.
    """

    name, type = "bbyte", "📖 - READER"

    def __init__(
        self,
        inputs: Sequence[str],
        *,
        extensions: Sequence[str] = (),
        field: str | None = None,
        column: str | None = None,
    ) -> None:
        _check_installed()
        super().__init__()
        self.inputs, self.extensions, self.field, self.column = [*inputs], [*extensions], field, column

    def run(
        self, data: "Iterable[Document]" = (), rank: int = 0, world_size: int = 1
    ) -> "Generator[Document, None, None]":
        """The documents that came from earlier steps, then those of slice `rank` of `world_size`."""
        from datatrove.data import Document

        yield from data or ()
        found = Inputs(self.inputs, extensions=self.extensions)
        reading = Reading(found.extensions, self.field, self.column)
        plan = slices.plan(found, reading)
        part = Slice(rank, world_size, 0, plan.digest)
        for file in slices.of_slice(found, plan, part):
            if not isinstance(file, File):
                continue
            gathering = Gathering(reading, on_source=lambda _: None, on_read=lambda _: None)
            for number, pieces in enumerate(gathering.documents([file])):
                text = b"".join(map(bytes, pieces)).decode(*_BYTES)
                about = {"file_path": file.name, "file_bytes": file.stored_bytes}
                self.stat_update("documents")
                yield Document(text, f"{file.name}/{number}", metadata=about)


class WriteSlices(PipelineStep):  # type: ignore[misc,unused-ignore]
    """Writes what comes into slices of a corpus, one a task: the folders slice_00000 … in `out_dir`.

    out_dir: a folder that all tasks see. shard_bytes, separator, val_fraction, index: as
    `bbyte.data.pack.pack` has them. A slice that is there is replaced, as a task may be run again. Documents
    go on to the next step unchanged.
    """

    name, type = "bbyte", "💽 - WRITER"

    def __init__(
        self,
        out_dir: str | Path,
        *,
        shard_bytes: int = 2 << 30,
        separator: int | None = 0,
        val_fraction: float = 0.0,
        index: bool = False,
    ) -> None:
        _check_installed()
        super().__init__()
        self.out_dir = str(out_dir)
        self.settings: dict[str, Any] = {
            "shard_bytes": shard_bytes,
            "separator": separator,
            "val_fraction": val_fraction,
            "index": index,
        }

    def run(
        self, data: "Iterable[Document]" = (), rank: int = 0, world_size: int = 1
    ) -> "Generator[Document, None, None]":
        """Write slice `rank` of `world_size`; it appears when the last document has come."""
        plan = blake3(json.dumps([self.out_dir, self.settings]).encode()).hexdigest()
        part = Slice(rank, world_size, self.settings["shard_bytes"], plan)
        folder = Path(self.out_dir) / f"slice_{rank:05d}"
        source: Source | None = None
        with CorpusWriter(folder, slice=part, replace=True, **self.settings) as writer:
            for document in data:
                with self.track_time():
                    text = document.text.encode(*_BYTES)
                    writer.add_stream([text])
                    self.stat_update("bytes", value=len(text), unit="doc")
                    name = str(document.metadata.get("file_path", ""))
                    if source is not None and source.name != name:
                        writer.add_source(source)
                        source = None
                    size = document.metadata.get("file_bytes") or 0
                    count = source.documents or 0 if source is not None else 0
                    source = Source(name, size, count + 1)
                yield document
            if source is not None:
                writer.add_source(source)


def _check_installed() -> None:
    with needs_data():
        import_module("datatrove")
