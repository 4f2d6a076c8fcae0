"""Packing: any files into one corpus."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

from bbyte.data.corpus_writer import CorpusWriter
from bbyte.data.meta import CorpusMeta
from bbyte.data.sources import STDIN, Document, Skipped, find_documents
from bbyte.errors import UsageError

OnProgress = Callable[[int, int | None], None]

_REPORTS_A_SECOND = 10
_SKIPPED_LISTED = 100


@dataclass(frozen=True)
class Packed:
    """What packing has made: the corpus folder, what describes it and its held-out part, what was left out.

    skipped: the first hundred of the `skipped_count` things left out.
    """

    path: Path
    meta: CorpusMeta
    val_meta: CorpusMeta | None
    skipped: tuple[Skipped, ...]
    skipped_count: int


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
    inputs: Sequence[str],
    out_dir: str | Path,
    *,
    shard_bytes: int = 2 << 30,
    separator: int | None = 0,
    extensions: Sequence[str] = (),
    val_fraction: float = 0.0,
    force: bool = False,
    on_progress: OnProgress | None = None,
) -> Packed:
    """Write every document of the inputs into one corpus in the folder `out_dir`, in bounded memory.

    inputs, extensions: as `find_documents` has them. shard_bytes, separator, val_fraction, and force for
    `replace`: as `CorpusWriter` has them. on_progress: told the stored bytes read so far and in all (None
    with standard input), at most ten times a second.

    Raises UsageError for what cannot be asked, DataError for a damaged input or when there is nothing to
    pack, OSError when reading or writing fails. Whenever it raises, `out_dir` is as it was before.
    """
    target = Path(out_dir)
    if not inputs:
        raise UsageError(
            "nothing to pack: no input was named", "name files or folders, or - for standard input"
        )
    count, total = _measure(inputs, extensions, target)
    if not count:
        _refuse_nothing(inputs, extensions)
    report = Reporter(on_progress, total)
    skipped: list[Skipped] = []
    skipped_count = 0
    with CorpusWriter(
        target, shard_bytes=shard_bytes, separator=separator, val_fraction=val_fraction, replace=force
    ) as writer:
        for found in find_documents(inputs, extensions=extensions, output=target):
            if isinstance(found, Document):
                writer.add_source(found.name, found.stored_bytes)
                writer.add_stream(found.chunks(report.add))
            else:
                skipped_count += 1
                skipped += [found] if skipped_count <= _SKIPPED_LISTED else []
    report.finish()
    return Packed(writer.target, writer.meta, writer.val_meta, tuple(skipped), skipped_count)


def _measure(inputs: Sequence[str], extensions: Sequence[str], out_dir: Path) -> tuple[int, int | None]:
    """How many documents there are, and their stored bytes, which nobody knows of standard input."""
    count = total = 0
    for found in find_documents(inputs, extensions=extensions, output=out_dir):
        if isinstance(found, Document):
            count += 1
            total += found.stored_bytes
    return count, None if STDIN in inputs else total


def _refuse_nothing(inputs: Sequence[str], extensions: Sequence[str]) -> NoReturn:
    wanted = f" ending in {' or '.join(extensions)}" if extensions else ""
    raise UsageError(f"nothing to pack: no file{wanted} in {', '.join(inputs)}", "check the paths and --exts")
