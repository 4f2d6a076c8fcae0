"""`bbyte decompress`: what `bbyte compress` was given, to the last byte."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from bbyte.errors import DataError, UsageError
from bbyte.terminal import archives
from bbyte.terminal.screen import Screen, one_line

if TYPE_CHECKING:
    from bbyte.compression.salvage import Salvaged

EXAMPLES = (
    "bbyte decompress book.txt.bbz",
    "bbyte decompress -c notes.tar.bbz | tar x",
    "bbyte decompress --test *.bbz",
    "bbyte decompress --salvage damaged.txt.bbz -o rest.txt",
)
_SHOWN = 5


def decompress(
    screen: Screen,
    files: Annotated[
        list[str], typer.Argument(metavar="FILE", help="Archives (.bbz) to decompress; - is standard input.")
    ],
    out: Annotated[
        Path | None, typer.Option("--out", "-o", help="File to write (default: FILE without .bbz).")
    ] = None,
    stdout: Annotated[
        bool, typer.Option("--stdout", "-c", help="Write to standard output; so it is for -.")
    ] = False,
    keep: Annotated[
        bool, typer.Option("--keep", "-k", help="Keep the archive, which is done anyway.")
    ] = True,
    force: Annotated[bool, typer.Option("--force", "-f", help="Replace what is there.")] = False,
    test: Annotated[bool, typer.Option("--test", "-t", help="Decode all, and write nothing.")] = False,
    salvage: Annotated[
        bool, typer.Option("--salvage", help="Write what is good of a damaged archive, without gaps.")
    ] = False,
    ckpt: Annotated[
        Path | None,
        typer.Option(help="Checkpoint it was compressed with (default: it is looked for under artifacts/)."),
    ] = None,
    engine: archives.Engine = "auto",
    threads: Annotated[int, typer.Option(min=0, help="CPU threads; 0 takes all cores.")] = 0,
) -> None:
    """Decompress archives: FILE.bbz becomes FILE, and FILE.bbz stays.

    Exit code 3 for a damaged archive, or one of a model that is not here; nothing is written then, but with
    --salvage all chunks that are good.
    """
    if test:
        if salvage:
            raise UsageError("--test and --salvage are two things", "give one of them")
        archives.test(screen, files, ckpt, threads, engine)
        return
    archives.check_places(screen, files, out, stdout, writes=True, is_binary=False)
    models = archives.Models(screen, ckpt, engine)
    made = _salvage if salvage else _decompress

    def one(word: str) -> dict[str, Any]:
        from bbyte.compression import files as names

        with archives.source(word) as (file, _, name):
            target = archives.target(word, out, stdout, names.plain_path)
            settings = {"threads": threads, "force": force, "inherits": word != "-"}
            return {"path": word, **made(screen, file, name, target, models.opener(name), settings)}

    archives.each(screen, files, one, "decompressed")


def _decompress(
    screen: Screen, file: Any, name: str, target: Path | None, opener: Any, settings: dict[str, Any]
) -> dict[str, Any]:
    from bbyte.compression import jobs
    from bbyte.compression.expansion import read_archive

    with archives.expanding(screen, file, name) as on_progress:
        if target is None:
            threads = settings["threads"]
            done = read_archive(
                file, screen.write_bytes, opener, name=name, threads=threads, on_progress=on_progress
            )
        else:
            done = jobs.decompress_file(file, name, target, opener, on_progress=on_progress, **settings)
    if target is not None:
        screen.say(one_line(f"{target}: {done.bytes:,} bytes"))
    return {"out": None if target is None else str(target), **archives.row(done)}


def _salvage(
    screen: Screen, file: Any, name: str, target: Path | None, opener: Any, settings: dict[str, Any]
) -> dict[str, Any]:
    from bbyte.compression import jobs
    from bbyte.compression.salvage import salvage

    with archives.expanding(screen, file, name) as on_progress:
        if target is None:
            threads = settings["threads"]
            done = salvage(
                file, screen.write_bytes, opener, name=name, threads=threads, on_progress=on_progress
            )
        else:
            done = jobs.salvage_file(file, name, target, opener, on_progress=on_progress, **settings)
    place = "standard output" if target is None else str(target)
    written = f"{done.bytes:,} bytes were written to {place}"
    if done.missing or done.size is None:
        raise DataError(f"{name} is damaged: {_lost(done)}; {written}")
    screen.say(one_line(f"{name}: nothing is lost; {written}"))
    return {"out": None if target is None else str(target), "bytes": done.bytes, "missing": []}


def _lost(done: "Salvaged") -> str:
    stretches = [f"{first:,}-{last:,}" for first, last in done.missing[:_SHOWN]]
    more = f" and {len(done.missing) - _SHOWN:,} more stretches" if len(done.missing) > _SHOWN else ""
    count = sum(last - first + 1 for first, last in done.missing)
    lost = f"{count:,} bytes are lost (at {', '.join(stretches)}{more})" if count else ""
    end = "how much is lost at its end is not known" if done.size is None else ""
    return ", and ".join(filter(None, (lost, end)))
