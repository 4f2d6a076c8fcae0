"""Decompression: an archive becomes the bytes it was made of."""

from collections.abc import Callable, Generator, Iterable, Iterator
from contextlib import closing

from blake3 import blake3

from bbyte.compression import chunks
from bbyte.compression.coder import OnProgress, Opener, check
from bbyte.compression.layout import AGAIN, NEURAL, Chunk, Header
from bbyte.compression.reader import Archive
from bbyte.compression.workers import Coders, in_order, thread_count
from bbyte.compression.writer import Report, Source, Summary, Write, summary
from bbyte.errors import DataError


def read_archive(
    source: Source,
    write: Write,
    opener: Opener,
    *,
    name: str = "the archive",
    threads: int = 0,
    on_progress: Report | None = None,
) -> Summary:
    """Decompress all of `source`; the plain bytes go to `write`, those of a chunk as soon as it is checked.

    opener: asked for the model as soon as a chunk needs it, at most once. name: for the messages. Raises
    DataError for damage, and what `opener` raises. What `write` got is known to be whole only at the end.
    """
    archive = Archive(source, name)
    hasher, size = blake3(max_threads=blake3.AUTO), 0

    def report(done: int) -> None:
        if on_progress is not None:
            on_progress(done, archive.coded_bytes)

    with closing(plain_chunks(archive, archive.header, opener, name, threads, report)) as plain:
        for _, data in plain:
            hasher.update(data)
            size += len(data)
            write(data)
            report(size)
    footer = archive.footer
    if hasher.digest() != footer.whole:
        raise DataError(f"{name} does not decode to what was compressed", AGAIN)
    return summary(archive.header, archive.coded_bytes, size, hasher.hexdigest(), footer.index)


def plain_chunks(
    found: Iterable[Chunk],
    header: Header,
    opener: Opener,
    name: str,
    threads: int,
    on_progress: OnProgress | None = None,
) -> Generator[tuple[int, bytes], None, None]:
    """The number and the bytes of each chunk, decoded by so many threads, in the order given."""

    def with_coders() -> Iterator[tuple[Chunk, Coders | None]]:
        coders = None
        for chunk in found:
            if chunk.kind == NEURAL and coders is None:
                coders = _coders(header, opener, name)
            yield chunk, coders

    return in_order(_work(name), with_coders(), thread_count(threads), on_progress)


def _coders(header: Header, opener: Opener, name: str) -> Coders:
    """The coders of the archive's model, after the golden probe."""
    if header.coding is None:
        raise DataError(f"{name} was coded by a model that it does not name", AGAIN)
    coders = Coders(opener(header.coding))
    with coders.one() as coder:
        check(coder, header.coding, name)
    return coders


def _work(name: str) -> Callable[[tuple[Chunk, Coders | None], OnProgress], tuple[int, bytes]]:
    def work(item: tuple[Chunk, Coders | None], on_progress: OnProgress) -> tuple[int, bytes]:
        chunk, coders = item
        if coders is None or chunk.kind != NEURAL:
            data = chunks.decode(chunk, name)
        else:
            with coders.one() as coder:
                data = chunks.decode(chunk, name, coder, on_progress)
        on_progress(len(data))
        return chunk.number, data

    return work
