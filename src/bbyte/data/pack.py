"""Packing: any files into one corpus."""

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

from bbyte.data import slices
from bbyte.data.account import Account
from bbyte.data.choosing import limited, shuffled
from bbyte.data.corpus_writer import CorpusWriter
from bbyte.data.duplicates import unique
from bbyte.data.gathering import Gathering
from bbyte.data.meta import CorpusMeta, Slice
from bbyte.data.sources.documents import Document, Reading
from bbyte.data.sources.find import STDIN, Inputs
from bbyte.errors import UsageError

OnProgress = Callable[[int, int | None], None]

_REPORTS_A_SECOND = 10


@dataclass(frozen=True)
class Packed:
    """What packing has made: the corpus folder, what describes it and its held-out part; what is missing."""

    path: Path
    meta: CorpusMeta
    val_meta: CorpusMeta | None
    left_out: Account


class Reporter:
    """Tells `on_progress` the bytes done and the total, at most ten times a second and once at the end."""

    def __init__(self, on_progress: OnProgress | None, total: int | None) -> None:
        self._tell, self._total = on_progress, total
        self._done, self._next = 0, 0.0

    def add(self, count: int) -> None:
        """So many bytes more are done."""
        self._done += count
        if self._tell is not None and (now := time.monotonic()) >= self._next:
            self._next = now + 1 / _REPORTS_A_SECOND
            self._tell(self._done, self._total)

    def finish(self) -> None:
        """Everything is done."""
        if self._tell is not None:
            self._tell(self._done, self._total)


def pack(
    inputs: str | Path | Sequence[str | Path],
    out_dir: str | Path,
    *,
    shard_bytes: int = 2 << 30,
    separator: int | None = 0,
    extensions: Sequence[str] = (),
    field: str | None = None,
    column: str | None = None,
    dedup: bool = False,
    shuffle_seed: int | None = None,
    max_bytes: int | None = None,
    val_fraction: float = 0.0,
    index: bool = False,
    skip_bad: bool = False,
    workers: int = 1,
    slice_number: int | None = None,
    num_slices: int | None = None,
    force: bool = False,
    on_progress: OnProgress | None = None,
) -> Packed:
    """Write every document of the inputs into one corpus in the folder `out_dir`, in bounded memory.

    inputs, extensions: as `Inputs` has them; one input may stand by itself. field, column: where the text of
    JSON records and of the rows of tables is (see `Reading`). dedup: leave out what equals an earlier
    document; it takes 16 to 18 bytes of memory for each document. shuffle_seed: put the documents in an order
    that the seed decides; takes as much room on the disk again while it runs. max_bytes: stop at that size,
    separators included, if need be within a document.
    shard_bytes, separator, val_fraction, index, and force for `replace`: as `CorpusWriter` has them.

    skip_bad: leave out damaged files whole and list them in `Packed.left_out`. workers: how many processes
    unpack and parse; the corpus is the same for any number. num_slices, slice_number: pack only that part of
    the files, from 0 on; `bbyte.data.merge.merge` makes all parts into what a single pack makes.

    on_progress: told the stored bytes read so far and in all (None with standard input), at most ten times a
    second.

    Raises UsageError for what cannot be asked, DataError for a damaged input or when there is nothing to
    pack, OSError when reading or writing fails. Whenever it raises, `out_dir` is as it was before.
    """
    target = Path(out_dir)
    named = [str(one) for one in ([inputs] if isinstance(inputs, str | Path) else inputs)]
    if not named:
        raise UsageError(
            "nothing to pack: no input was named", "name files or folders, or - for standard input"
        )
    if workers < 1:
        raise UsageError(f"{workers} workers cannot work", "use --workers 1 or more")
    if max_bytes is not None and max_bytes < 2:
        raise UsageError(f"{max_bytes} bytes are too few for a corpus", "use --max-bytes 2 or more")
    slices.check(slice_number, num_slices)
    if num_slices is not None:
        _refuse_with_slices(dedup, shuffle_seed, max_bytes, named)
    found = Inputs(named, extensions=extensions, output=target)
    reading = Reading(found.extensions, field, column)
    plan = slices.plan(found, _Settings(shard_bytes, separator, val_fraction, index, reading))
    if not plan.files:
        _refuse_nothing(named, extensions)
    part = None
    if slice_number is not None and num_slices is not None:
        part = Slice(slice_number, num_slices, shard_bytes, plan.digest)
    report = Reporter(on_progress, None if found.has_stdin or part else plan.bytes)
    with ExitStack() as stack:
        writer = stack.enter_context(
            CorpusWriter(
                target,
                shard_bytes=shard_bytes,
                separator=separator,
                val_fraction=val_fraction,
                index=index,
                slice=part,
                replace=force,
            )
        )
        aside = stack.enter_context(writer.aside())
        gathering = Gathering(
            reading,
            on_source=writer.add_source,
            on_read=report.add,
            skip_bad=skip_bad,
            workers=workers,
            aside=aside,
        )
        files = found if part is None else slices.of_slice(found, plan, part)
        reader = stack.enter_context(closing(gathering.documents(files)))
        documents: Iterator[Document] = reader
        if dedup:
            documents = unique(documents, aside, gathering.account.duplicate)
        if shuffle_seed is not None:
            documents = shuffled(documents, shuffle_seed, aside)
        if max_bytes is not None:
            documents = limited(documents, max_bytes, 0 if separator is None else 1)
        for document in documents:
            writer.add_stream(document)
    report.finish()
    return Packed(writer.target, writer.meta, writer.val_meta, gathering.account)


@dataclass(frozen=True)
class _Settings:
    """What besides the inputs decides what a corpus of slices will be."""

    shard_bytes: int
    separator: int | None
    val_fraction: float
    index: bool
    reading: Reading


def _refuse_with_slices(
    dedup: bool, shuffle_seed: int | None, max_bytes: int | None, inputs: Sequence[str]
) -> None:
    for asked, name in (
        (dedup, "--dedup"),
        (shuffle_seed is not None, "--shuffle-documents"),
        (max_bytes is not None, "--max-bytes"),
        (STDIN in inputs, "standard input"),
    ):
        if asked:
            raise UsageError(
                f"{name} does not go with slices: it needs all documents in one place",
                "pack the slices without it, or all in one",
            )


def _refuse_nothing(inputs: Sequence[str], extensions: Sequence[str]) -> NoReturn:
    wanted = f" ending in {' or '.join(extensions)}" if extensions else ""
    raise UsageError(f"nothing to pack: no file{wanted} in {', '.join(inputs)}", "check the paths and --exts")
