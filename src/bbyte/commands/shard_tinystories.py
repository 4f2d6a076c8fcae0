"""`bbyte shard-tinystories`: TinyStories, as JSON or text, into one corpus."""

from pathlib import Path
from typing import Annotated

import typer

from bbyte.commands.pack import Separator, shard_bytes, show_corpus
from bbyte.terminal.screen import Screen

EXAMPLES = (
    "bbyte shard-tinystories --input-dir TinyStories_all_data --out-dir artifacts/datasets/tinystories",
    "bbyte shard-tinystories --input-dir stories/ --out-dir artifacts/datasets/stories --val-fraction 0.01",
)

_NAMED = 3


def shard_tinystories(
    screen: Screen,
    input_dir: Annotated[Path, typer.Option(help="Folder with .json, .jsonl or .txt files.")],
    out_dir: Annotated[Path, typer.Option(help="Folder of the new corpus.")],
    shard_size_gb: Annotated[float, typer.Option(help="Size of a shard, 1 GB = 1024³ bytes.")] = 1.0,
    sep_byte: Annotated[
        Separator, typer.Option(metavar="BYTE|none", help="The byte after each story, or none.")
    ] = 0,
    val_fraction: Annotated[
        float, typer.Option(help="Share of the stories to hold out for validation, chosen by content.")
    ] = 0.0,
    force: Annotated[bool, typer.Option("--force", help="Replace the corpus that is in the folder.")] = False,
) -> None:
    """Make a corpus of TinyStories: JSON lists, JSON Lines, single records, or text with <|endoftext|>.

    The text of a record is looked for under text, story, completion and content, then deeper inside. A story
    is never cut in two by the end of a shard.
    """
    from bbyte.data.tinystories import shard_tinystories as shard

    with screen.progress("sharding", None) as bar:
        sharded = shard(
            input_dir,
            out_dir,
            shard_bytes=shard_bytes(shard_size_gb),
            separator=None if sep_byte == "none" else sep_byte,
            val_fraction=val_fraction,
            force=force,
            on_progress=bar.update,
        )
    if sharded.without_text:
        screen.warn(f"{sharded.without_text:,} records had no text and were left out")
    for name in sharded.unmarked[:_NAMED]:
        screen.warn(f"{name} has no <|endoftext|> in it and was taken as one story")
    if len(sharded.unmarked) > _NAMED:
        screen.warn(f"so were {len(sharded.unmarked) - _NAMED} more files")
    extra = {"stories": sharded.stories, "without_text": sharded.without_text}
    show_corpus(screen, sharded.path, sharded.meta, sharded.val_meta, extra)
