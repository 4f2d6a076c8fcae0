"""`bbyte compress`: files become smaller, losslessly, by a model of their bytes."""

import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from bbyte.errors import UsageError
from bbyte.figures import scaled
from bbyte.terminal import archives
from bbyte.terminal.screen import Screen, one_line

if TYPE_CHECKING:
    from bbyte.compression.coder import Coding, Make
    from bbyte.compression.writer import Summary

EXAMPLES = (
    "bbyte compress book.txt",
    "bbyte compress --ckpt artifacts/exports/tales-packed *.txt",
    "tar c notes/ | bbyte compress - > notes.tar.bbz",
    "bbyte compress --list *.bbz",
)
Coder = tuple["Coding", "Make"]


def compress(
    screen: Screen,
    files: Annotated[
        list[str], typer.Argument(metavar="FILE", help="Files to compress; - is standard input.")
    ],
    out: Annotated[
        Path | None, typer.Option("--out", "-o", help="File to write (default: FILE.bbz).")
    ] = None,
    stdout: Annotated[
        bool, typer.Option("--stdout", "-c", help="Write to standard output; so it is for -.")
    ] = False,
    keep: Annotated[bool, typer.Option("--keep", "-k", help="Keep FILE, which is done anyway.")] = True,
    force: Annotated[bool, typer.Option("--force", "-f", help="Replace what is there.")] = False,
    level: Annotated[
        int,
        typer.Option(min=0, max=2, help="0: zstd, no model; 1: the model; 2: also what the file teaches it."),
    ] = 2,
    ckpt: Annotated[
        Path | None,
        typer.Option(help="Checkpoint, or folder of a run (default: the newest that can compress)."),
    ] = None,
    hybrid: Annotated[
        Literal["auto", "on", "off"] | None,
        typer.Option(help="Mix the model with what learns from the file (default: auto, at level 2)."),
    ] = None,
    adapt: Annotated[
        bool, typer.Option("--adapt", help="Let the biases of the model adapt to the file.")
    ] = False,
    engine: archives.Engine = "auto",
    threads: Annotated[int, typer.Option(min=0, help="CPU threads; 0 takes all cores.")] = 0,
    chunk_bytes: Annotated[
        int,
        typer.Option(min=1 << 12, max=1 << 26, help="Bytes coded together; the chunks go to the threads."),
    ] = 1 << 20,
    verify: Annotated[
        bool, typer.Option(help="Decode what was written in a fresh process, and keep it only if right.")
    ] = True,
    ratio_only: Annotated[
        bool, typer.Option("--ratio-only", help="Only say how small it becomes; write nothing.")
    ] = False,
    test: Annotated[
        bool, typer.Option("--test", "-t", help="Instead: decode archives and write nothing.")
    ] = False,
    list_: Annotated[
        bool, typer.Option("--list", "-l", help="Instead: say what archives hold; decodes nothing.")
    ] = False,
) -> None:
    """Compress files: FILE becomes FILE.bbz, and FILE stays.

    The same model gives the same bytes back, on any machine: keep the checkpoint. What no model shrinks is
    compressed by zstd or stored. Exit code 3 if what was written does not decode to FILE; it is not kept.
    """
    if test or list_:
        if test and list_:
            raise UsageError("--test and --list are two things", "give one of them")
        if test:
            archives.test(screen, files, ckpt, threads, engine)
        else:
            archives.list_all(screen, files)
        return
    archives.check_places(screen, files, out, stdout, writes=not ratio_only, is_binary=True)
    coder, command = None, archives.verifying(None, threads, engine)
    if level > 0 or hybrid is not None or adapt:
        coder, command = _coder(screen, level, ckpt, hybrid, adapt, threads, engine)
    elif ckpt is not None:
        raise UsageError("--level 0 takes no model", "leave --level out, or --ckpt")
    settings = {"chunk_bytes": chunk_bytes, "threads": threads}

    def one(word: str) -> dict[str, Any]:
        return _compress(
            screen, word, out, stdout, force, ratio_only, coder, command if verify else None, settings
        )

    archives.each(screen, files, one, "compressed")


def _coder(
    screen: Screen, level: int, ckpt: Path | None, hybrid: Any, adapt: bool, threads: int, engine: str
) -> tuple[Coder, list[str]]:
    from bbyte.compression.coder import shown
    from bbyte.compression.models import coder_of

    if level == 0 or (level == 1 and hybrid not in (None, "off")):
        raise UsageError(f"--level {level} mixes the model with nothing", "leave --level out")
    found = archives.chosen(screen, ckpt)
    modes: Any = hybrid or ("auto" if level == 2 else "off")
    coder = coder_of(found, hybrid=modes, adapt=adapt, by=archives.computing(screen, engine))
    screen.say(f"model {shown(coder[0].identity)}: nothing else decompresses what it compresses, so keep it")
    return coder, archives.verifying(found.path, threads, engine)


def _compress(
    screen: Screen,
    word: str,
    out: Path | None,
    stdout: bool,
    force: bool,
    ratio_only: bool,
    coder: Coder | None,
    command: list[str] | None,
    settings: dict[str, int],
) -> dict[str, Any]:
    """One file; its row for --json."""
    from bbyte.compression import files, jobs
    from bbyte.compression.writer import write_archive

    with archives.source(word) as (file, size, name):
        target = None if ratio_only else archives.target(word, out, stdout, files.archive_path)
        start, seconds, length = time.perf_counter(), 0.0, 0
        with screen.progress(one_line(name), size) as bar:

            def on_progress(done: int, whole: int, coded: int) -> None:
                nonlocal seconds, length
                bar.update(done, size, f"ratio {whole / coded:.2f}" if whole else "")
                seconds, length = time.perf_counter() - start, coded

            shared: dict[str, Any] = {"size": size, "on_progress": on_progress, **settings}
            if ratio_only:
                done = write_archive(file, len, coder, name=name, **shared)
            elif target is None:
                done = jobs.compress_stream(
                    file, name, sys.stdout.buffer.write, coder, verify=command, **shared
                )
                sys.stdout.flush()
            else:
                done = jobs.compress_file(
                    file, name, target, coder,
                    force=force, inherits=word != "-", verify=command,
                    on_verify=lambda given: bar.update(given, length), **shared,
                )  # fmt: skip
    is_verified = not ratio_only and command is not None
    line = _line(name, done, seconds) + (", verified" if is_verified else "")
    if ratio_only and not screen.json:
        screen.print(one_line(line))
    else:
        screen.say(one_line(line))
    return {
        "path": word,
        "out": None if target is None else str(target),
        **archives.row(done),
        "seconds": seconds,
        "bytes_per_second": done.bytes / seconds if seconds else None,
        "verified": is_verified,
    }


def _line(name: str, done: "Summary", seconds: float) -> str:
    bpb = done.bits_per_byte
    figures = f", ratio {done.ratio:.3f}, {bpb:.3f} bits per byte" if bpb is not None else ""
    speed = f", {scaled(done.bytes / seconds)}B/s" if done.bytes and seconds else ""
    return f"{name}: {done.bytes:,} to {done.coded_bytes:,} bytes{figures}{speed}"
