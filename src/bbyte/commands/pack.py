"""`bbyte pack`: any files into one corpus."""

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from bbyte.errors import UsageError
from bbyte.terminal.screen import Screen, one_line

if TYPE_CHECKING:
    from bbyte.data.meta import CorpusMeta
    from bbyte.data.sources.file import Skipped

EXAMPLES = (
    "bbyte pack --inputs texts/ --out-dir artifacts/datasets/texts",
    "bbyte pack --inputs wiki.gz notes/ --exts .txt,.md --val-fraction 0.05 --out-dir artifacts/datasets/mix",
    "bbyte pack hf:roneneldan/TinyStories:train --out-dir artifacts/datasets/tinystories",
    "bbyte pack crawl/*.jsonl.zst --field text --dedup exact --workers 8 --out-dir artifacts/datasets/crawl",
    "xzcat dump.xz | bbyte pack - --out-dir artifacts/datasets/dump",
)

Separator = int | Literal["none"]

_GB = 1 << 30
_WARNINGS = 5


def pack(
    screen: Screen,
    out_dir: Annotated[Path, typer.Option(help="Folder of the new corpus.")],
    paths: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="INPUT",
            help="Files, folders, patterns, hf:ORG/NAME[/CONFIG][:SPLIT], https://, s3://, gs://; - is "
            "standard input.",
        ),
    ] = None,
    inputs: Annotated[
        list[str] | None,
        typer.Option(
            help="The same: --inputs a b c, or --inputs a --inputs b. "
            ".gz .bz2 .xz .zst .zip .tar are unpacked."
        ),
    ] = None,
    exts: Annotated[
        list[str] | None,
        typer.Option(help="Take only these from folders and archives: .txt,.md (looking through .gz)."),
    ] = None,
    field: Annotated[
        str | None,
        typer.Option(help="Read .json and .jsonl as records: the text of each is under this key."),
    ] = None,
    column: Annotated[
        str | None,
        typer.Option(help="Column of .parquet, .arrow and .feather files (default: text, or the only one)."),
    ] = None,
    dedup: Annotated[
        Literal["exact"] | None, typer.Option(help="Leave out documents that equal an earlier one.")
    ] = None,
    shuffle_documents: Annotated[
        int | None, typer.Option(metavar="SEED", help="Put the documents in an order that SEED decides.")
    ] = None,
    max_bytes: Annotated[int | None, typer.Option(help="Stop when the corpus has this many bytes.")] = None,
    shard_size_gb: Annotated[float, typer.Option(help="Size of a shard, 1 GB = 1024³ bytes.")] = 2.0,
    sep_byte: Annotated[
        Separator, typer.Option(metavar="BYTE|none", help="The byte after each document, or none.")
    ] = 0,
    val_fraction: Annotated[
        float, typer.Option(help="Share of the bytes to hold out for validation, chosen by content.")
    ] = 0.0,
    index: Annotated[
        bool,
        typer.Option(
            "--index", help="Note where each document ends; documents are then held out whole or not at all."
        ),
    ] = False,
    skip_bad: Annotated[
        bool, typer.Option("--skip-bad", help="Leave out damaged files, list them, and exit with 1.")
    ] = False,
    workers: Annotated[int, typer.Option(help="Processes that unpack and parse.")] = 1,
    num_slices: Annotated[
        int | None, typer.Option(help="Pack only one of so many parts; bbyte corpus merge joins them.")
    ] = None,
    slice: Annotated[int | None, typer.Option(help="Which part, from 0 on.")] = None,
    force: Annotated[bool, typer.Option("--force", help="Replace the corpus that is in the folder.")] = False,
) -> None:
    """Pack any files into a corpus to train on: shards of raw bytes, and corpus.json with their digests.

    Every file is a document, and so is every file in an archive, every record of JSON (with --field) and
    every row of a table.
    """
    from bbyte.data.pack import pack as pack_into

    named, endings = _sort_out([*(inputs or []), *(paths or [])], exts or [])
    if "-" in named and sys.stdin.isatty():
        raise UsageError(
            "nothing is piped into standard input", "name files, or pipe: cat FILES | bbyte pack - …"
        )
    with screen.progress("packing", None) as bar:
        packed = pack_into(
            named,
            out_dir,
            shard_bytes=shard_bytes(shard_size_gb),
            separator=None if sep_byte == "none" else sep_byte,
            extensions=endings,
            field=field,
            column=column,
            dedup=dedup is not None,
            shuffle_seed=shuffle_documents,
            max_bytes=max_bytes,
            val_fraction=val_fraction,
            index=index,
            skip_bad=skip_bad,
            workers=workers,
            slice_number=slice,
            num_slices=num_slices,
            force=force,
            on_progress=bar.update,
        )
    left_out = packed.left_out
    warn_of(screen, "left out", left_out.skipped, left_out.skipped_count)
    warn_of(screen, "skipped", left_out.damaged, left_out.damaged_count)
    if field is None and any(_is_lines(source.name) for source in packed.meta.sources):
        screen.say("JSON Lines were packed as they are; with --field text it is the text of each record")
    if left_out.without_text:
        screen.warn(f"{_counted(left_out.without_text, 'record')} had no text, left out")
    if dedup is not None:
        screen.say(f"{_counted(left_out.duplicates, 'document')} equalled an earlier one, left out")
    extra = {
        "skipped": left_out.skipped_count,
        "damaged": left_out.damaged_count,
        "without_text": left_out.without_text,
        "duplicates": left_out.duplicates,
    }
    show_corpus(screen, packed.path, packed.meta, packed.val_meta, extra)
    if left_out.damaged_count:
        raise typer.Exit(1)


def shard_bytes(gigabytes: float) -> int:
    """The size of a shard in bytes. Raises UsageError for none at all."""
    if not 0 < gigabytes * _GB < 1 << 62:
        raise UsageError(
            f"--shard-size-gb is {gigabytes:g}, expected a size above 0", "try --shard-size-gb 2"
        )
    return max(1, round(gigabytes * _GB))


def warn_of(screen: Screen, what: str, items: "Sequence[Skipped]", count: int) -> None:
    """One line for each of the first few things left out, one for the rest."""
    for item in items[:_WARNINGS]:
        screen.warn(one_line(f"{what} {item.place}: {item.reason}"))
    if count > _WARNINGS:
        screen.warn(f"{what} {count - _WARNINGS} more")


def show_corpus(
    screen: Screen, path: Path, meta: "CorpusMeta", val_meta: "CorpusMeta | None", extra: dict[str, int]
) -> None:
    """What has been written: a line each for the corpus and its held-out part, or JSON."""
    screen.say(f"{path}: {_described(meta)}, from {_counted(meta.source_count, 'file')}")
    if val_meta is not None:
        screen.say(f"{path / 'val'}: {_described(val_meta)}, held out for validation")
    if screen.json:
        parts = {
            "path": path,
            "bytes": meta.bytes,
            "documents": meta.documents,
            "shards": len(meta.shards),
            "sources": meta.source_count,
            "val_bytes": val_meta.bytes if val_meta is not None else 0,
            "val_documents": val_meta.documents if val_meta is not None else 0,
        }
        screen.emit_json(parts | extra)


def _sort_out(named: list[str], exts: list[str]) -> tuple[list[str], list[str]]:
    """Inputs and endings. In `--exts .txt .md` the second ending arrives as if it were an input."""
    endings = [ending for given in exts for ending in given.replace(",", " ").split()]
    strays = [
        name for name in named if exts and name[0] == "." and name[1:].isalnum() and not Path(name).exists()
    ]
    return [name for name in named if name not in strays], endings + strays


def _is_lines(name: str) -> bool:
    from bbyte.data.sources.file import plain_name

    return not name.startswith("hf:") and plain_name(name).endswith((".jsonl", ".ndjson"))


def _described(meta: "CorpusMeta") -> str:
    documents, shards = _counted(meta.documents, "document"), _counted(len(meta.shards), "shard")
    return f"{meta.bytes:,} bytes, {documents} in {shards}"


def _counted(count: int, noun: str) -> str:
    return f"{count:,} {noun}" + ("" if count == 1 else "s")
