"""All documents of many files, in the order of the files: read here, or ahead by other processes."""

import itertools
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator
from concurrent.futures import Future
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

from bbyte.data import spool
from bbyte.data.account import Account
from bbyte.data.aside import Aside, set_aside
from bbyte.data.meta import Source
from bbyte.data.sources.documents import Document, NoText, Reading, documents, is_taken_as_it_is
from bbyte.data.sources.file import File, OnRead, Skipped, Stored
from bbyte.data.workers import Workers

_AHEAD = 2  # files that a process may have read before their turn


class Gathering:
    """Reads many files into one stream of documents, and keeps account of what is left out.

    skip_bad: whether a file that is damaged or cannot be read is left out whole, and noted, instead of
    ending it all. workers: how many processes read ahead; what needs no work is read here. Either way the
    documents come in the order of the files. on_source: told of each file when all its documents have been
    given. on_read: told the stored bytes read. aside: a folder for documents that wait, for skip_bad and
    workers.
    """

    def __init__(
        self,
        reading: Reading,
        *,
        on_source: Callable[[Source], None],
        on_read: OnRead,
        skip_bad: bool = False,
        workers: int = 1,
        aside: Path | None = None,
    ) -> None:
        self.account = Account()
        self._reading, self._on_source, self._on_read = reading, on_source, on_read
        self._skip_bad, self._workers, self._aside = skip_bad, workers, aside
        self._numbers = itertools.count()

    def documents(self, found: Iterable[File | Skipped]) -> Generator[Document, None, None]:
        """The documents of all files, each to be read before the next is asked for.

        Raises OSError when reading fails, DataError for a damaged file, unless it skips those.
        """
        with ExitStack() as stack:
            workers = stack.enter_context(Workers(self._workers)) if self._workers > 1 else None
            waiting: deque[tuple[File, Future[Aside] | None]] = deque()
            for file in self._files(found):
                waiting.append((file, self._begun(file, workers)))
                if workers is None or len(waiting) > _AHEAD * self._workers:
                    yield from self._taken(*waiting.popleft(), workers)
            while waiting:
                yield from self._taken(*waiting.popleft(), workers)

    def _files(self, found: Iterable[File | Skipped]) -> Iterator[File]:
        for item in found:
            if isinstance(item, File):
                yield item
            else:
                self.account.skip(item)

    def _begun(self, file: File, workers: Workers | None) -> Future[Aside] | None:
        if workers is None or file.is_stdin or is_taken_as_it_is(file, self._reading):
            return None
        return workers.set_aside(file, self._reading, self._place(), skip_bad=self._skip_bad)

    def _taken(self, file: File, begun: Future[Aside] | None, workers: Workers | None) -> Iterator[Document]:
        if begun is not None and workers is not None:
            read = workers.result(begun)
            self._on_read(file.stored_bytes)
        elif self._skip_bad:
            read = set_aside(file, self._reading, self._place(), skip_bad=True, on_read=self._on_read)
        else:
            yield from self._here(file)
            return
        if read.problem:
            whose = f"{file} "  # its name stands before the reason already
            problem = read.problem
            reason = f"it {problem.removeprefix(whose)}" if problem.startswith(whose) else problem
            self.account.give_up(Skipped(str(file), reason))
        else:
            self.account.take_in(read.account)
            yield from self._back(file, read)
        spool.remove(read.place)

    def _back(self, file: File, read: Aside) -> Iterator[Document]:
        source, count = Source(file.name, file.stored_bytes, 0, None, file.revision), 0
        try:
            for document in spool.read_back(read.place):
                count += 1
                yield document
            source = read.source
        finally:  # also when no more of them are wanted
            self._on_source(replace(source, documents=count))

    def _here(self, file: File) -> Iterator[Document]:
        stored, count = Stored(file, self._on_read), 0
        try:
            for found in documents(stored, self._reading):
                if isinstance(found, NoText):
                    self.account.without_text += 1
                elif isinstance(found, Skipped):
                    self.account.skip(found)
                else:
                    count += 1
                    yield found
        finally:  # also when no more of them are wanted
            self._on_source(stored.source(count))

    def _place(self) -> Path:
        if self._aside is None:
            raise ValueError("to set documents aside takes a folder")
        return self._aside / f"{next(self._numbers)}"
