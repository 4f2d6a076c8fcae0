"""What the commands for archives share: places, models, several files, testing and listing."""

import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, BinaryIO, Literal

import typer

from bbyte.errors import BbyteError, DataError, UsageError
from bbyte.terminal.boundary import in_words
from bbyte.terminal.loading import taken
from bbyte.terminal.screen import Screen, one_line

if TYPE_CHECKING:
    from bbyte.checkpoint.find import Found
    from bbyte.compression.coder import Coding, Make, Opener
    from bbyte.compression.writer import Report, Summary
    from bbyte.engine.streams import By

_STDIN = "-"
Engine = Annotated[
    Literal["auto", "native", "numpy"],
    typer.Option(help="What computes the model: auto takes native, or where it is missing numpy, slowly."),
]
"""The flag; what is computed are the same bytes."""


def check_places(
    screen: Screen, words: Sequence[str], out: Path | None, stdout: bool, *, writes: bool, is_binary: bool
) -> None:
    """Raise UsageError where what is to be written has no place, or one that it must not go to."""
    if words.count(_STDIN) > 1:
        raise UsageError("standard input is named twice", "name - once")
    if out is not None and (stdout or len(words) > 1):
        what = "-c goes with no -o" if stdout else "-o takes one FILE"
        raise UsageError(what, "leave -o out")
    to_stdout = writes and out is None and (stdout or _STDIN in words)
    if to_stdout and is_binary and len(words) > 1:
        raise UsageError("one archive at a time goes to standard output", "leave -c out, or name one FILE")
    if to_stdout and screen.json:
        raise UsageError("the bytes and --json both want standard output", "-o OUT, or leave --json out")
    if to_stdout and is_binary and sys.stdout.isatty():
        raise UsageError("compressed bytes are nothing for a terminal", "-o OUT, or send them on: | or >")
    if _STDIN in words and sys.stdin.isatty():
        raise UsageError("nothing is piped into standard input", "name files, or pipe: cat FILE | bbyte … -")


@contextmanager
def source(word: str) -> Iterator[tuple[BinaryIO, int | None, str]]:
    """What is read, its size if known, and its name for messages."""
    from bbyte.compression.files import opened

    if word == _STDIN:
        yield sys.stdin.buffer, None, "standard input"
        return
    file, size = opened(Path(word))
    with file:
        yield file, size, word


def target(word: str, out: Path | None, stdout: bool, name: Callable[[Path], Path]) -> Path | None:
    """Where the result for a FILE goes; None for standard output."""
    if out is not None or stdout or word == _STDIN:
        return out
    return name(Path(word))


def each(screen: Screen, words: Sequence[str], do: Callable[[str], dict[str, Any]], done: str) -> None:
    """Do it for each FILE; one that fails does not cost the others, and decides the exit code."""
    rows: list[dict[str, Any]] = []
    failed: list[BbyteError] = []
    for word in words:
        try:
            rows.append(do(word))
        except Exception as error:
            known = in_words(error)
            if known is None or isinstance(error, BrokenPipeError) or len(words) == 1:
                raise
            failed.append(known)
            screen.warn(one_line(known.message))
    worst = next((error for error in failed if isinstance(error, DataError)), failed[0] if failed else None)
    if screen.json:
        told = [{"error": error.message, "hint": error.hint} for error in failed]
        screen.emit_json({"files": rows, **({"failed": told} if failed else {})})
        if worst is not None:
            raise typer.Exit(worst.exit_code)
    if worst is not None:
        count = f"{len(failed)} of {len(words)} files were not {done}"
        raise type(worst)(count, "the warnings above say why")


def row(done: "Summary") -> dict[str, Any]:
    """What an archive holds, for --json."""
    return {
        "bytes": done.bytes,
        "coded_bytes": done.coded_bytes,
        "ratio": done.ratio,
        "bits_per_byte": done.bits_per_byte,
        "blake3": done.blake3,
        "chunks": done.kinds,
        "model": done.coding.identity.hex() if done.coding is not None else None,
    }


def computing(screen: Screen, engine: str) -> "By":
    """What computes, of what was asked for; says it where the choice is one that will be felt."""
    from bbyte.compression.models import at_hand
    from bbyte.engine import core

    if engine != "auto":
        return "numpy" if engine == "numpy" else "native"
    if (by := at_hand()) == "numpy":
        screen.warn(
            f"there is no native core ({core.missing()}), so numpy computes: about a hundred bytes a second"
        )
    return by


def verifying(ckpt: Path | None, threads: int, engine: str) -> list[str]:
    """The command that decodes an archive in a fresh process, with the model of this checkpoint."""
    words = [sys.executable, "-m", "bbyte", "decompress", _STDIN, "--test", "--json"]
    words += ["--threads", str(threads), "--engine", engine]
    return words + (["--ckpt", str(ckpt)] if ckpt is not None else [])


def chosen(screen: Screen, ckpt: Path | None) -> "Found":
    """The checkpoint asked for, or the default one: the newest that the engine computes; says which."""
    from bbyte.checkpoint.find import find
    from bbyte.compression.models import computable

    if ckpt is None:
        paths = [*computable(_roots()), *_starter()]
        if not paths:
            raise BbyteError(
                "there is no checkpoint yet that compresses",
                "bbyte export packed makes one of a trained model; --level 0 takes none",
            )
        ckpt = paths[0]
        screen.say(taken(ckpt, "checkpoint that compresses"))
    found = find(ckpt)
    for skipped, why in found.skipped:
        screen.warn(f"skipped {skipped.name}: {why}")
    return found


def _roots() -> list[Path]:
    from bbyte.checkpoint.export import place
    from bbyte.checkpoint.find import ROOT

    return [ROOT, place.ROOT]


def _starter() -> list[Path]:
    from bbyte.checkpoint.meta import FILE
    from bbyte.starter import MODEL

    return [MODEL] if (MODEL / FILE).exists() else []


class Models:
    """Opens the models that archives name: the checkpoint asked for, or whichever fits of those at hand."""

    def __init__(self, screen: Screen, ckpt: Path | None, engine: str) -> None:
        self._screen, self._ckpt, self._engine = screen, ckpt, engine
        self._open: dict[Coding, Make] = {}

    def opener(self, name: str) -> "Opener":
        """For the archive of this name; a checkpoint is looked at only once a chunk needs one."""

        def open_(coding: "Coding") -> "Make":
            if coding not in self._open:
                self._open[coding] = self._opener(name)(coding)
            return self._open[coding]

        return open_

    def _opener(self, name: str) -> "Opener":
        from bbyte.compression.models import computable, opener_of, searching

        by = computing(self._screen, self._engine)
        if self._ckpt is not None:
            return opener_of(chosen(self._screen, self._ckpt), by)

        def paths() -> list[Path]:
            return [*computable(_roots()), *_starter()]

        return searching(paths, name, lambda path: self._screen.say(f"{name}: the model is {path}"), by)


@contextmanager
def expanding(screen: Screen, file: BinaryIO, name: str) -> "Iterator[Report]":
    """A bar of the bytes that come out of an archive."""
    from bbyte.compression.listing import list_archive

    total = None
    if file is not sys.stdin.buffer and file.seekable():
        try:
            total = list_archive(file, name).bytes
        except DataError:  # reading it says what is wrong
            total = None
        file.seek(0)
    with screen.progress(one_line(name), total) as bar:
        yield lambda done, coded: bar.update(done, total)


def test(screen: Screen, words: Sequence[str], ckpt: Path | None, threads: int, engine: str) -> None:
    """Decode each archive and say that it is whole."""
    check_places(screen, words, None, False, writes=False, is_binary=False)
    models = Models(screen, ckpt, engine)

    def one(word: str) -> dict[str, Any]:
        from bbyte.compression.expansion import read_archive

        with source(word) as (file, _, name):
            with expanding(screen, file, name) as on_progress:
                done = read_archive(
                    file, len, models.opener(name), name=name, threads=threads, on_progress=on_progress
                )
            screen.say(one_line(f"{name}: ok, {done.bytes:,} bytes"))
        return {"path": word, **row(done)}

    each(screen, words, one, "found whole")


def list_all(screen: Screen, words: Sequence[str]) -> None:
    """Show what each archive holds, from its ends."""
    check_places(screen, words, None, False, writes=False, is_binary=False)
    lines: list[list[object]] = []

    def one(word: str) -> dict[str, Any]:
        from bbyte.compression.listing import list_archive

        with source(word) as (file, _, name):
            if not file.seekable():
                raise UsageError(f"{name} is a pipe, which has no end to begin with", "--list takes files")
            done = list_archive(file, name)
        lines.append(_cells(word, done))
        return {"path": word, **row(done), "chunk_bytes": done.chunk_bytes, "coding": _coding(done)}

    try:
        each(screen, words, one, "listed")
    finally:
        if lines and not screen.json:
            columns = ("file", "bytes", "coded", "ratio", "bits/byte", "chunks", "model")
            screen.table("", columns, lines)


def _cells(word: str, done: "Summary") -> list[object]:
    from bbyte.compression.coder import shown

    kinds = ", ".join(f"{count:,} {kind}" for kind, count in done.kinds.items() if count)
    bpb = "" if done.bits_per_byte is None else f"{done.bits_per_byte:.3f}"
    model = shown(done.coding.identity) if done.coding is not None else ""
    return [word, f"{done.bytes:,}", f"{done.coded_bytes:,}", f"{done.ratio:.3f}", bpb, kinds, model]


def _coding(done: "Summary") -> dict[str, Any] | None:
    if (coding := done.coding) is None:
        return None
    return {
        "arithmetic": coding.arithmetic,
        "mode": coding.mode,
        "lanes": coding.lanes,
        "window": coding.window,
        "probe": coding.probe.hex(),
    }
