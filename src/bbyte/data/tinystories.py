"""TinyStories in the shapes it is found in: lists of JSON records, JSON Lines, text with <|endoftext|>."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bbyte.data.corpus_writer import CorpusWriter
from bbyte.data.meta import CorpusMeta
from bbyte.data.pack import OnProgress, Reporter
from bbyte.data.shards import Chunk
from bbyte.data.sources.documents import JSON, plain_pieces
from bbyte.data.sources.file import File, Stored, plain_name
from bbyte.data.sources.find import Inputs
from bbyte.data.sources.json_records import encoded, records
from bbyte.errors import DataError, UsageError

TEXT_KEYS = ("text", "story", "completion", "content")
END_OF_STORY = b"<|endoftext|>"
LARGEST_STORY = 64 << 20

_TEXT = (".txt",)
_LONG = 64 << 10
_WHERE_TEXT_IS = f"text is looked for under {', '.join(TEXT_KEYS)}"


@dataclass(frozen=True)
class Sharded:
    """What sharding has made: the corpus folder, what describes it and its held-out part, and what was odd.

    stories: how many were written. without_text: records in which no text was found. unmarked: text files
    without any <|endoftext|>, each taken as a single story though larger than 64 KiB.
    """

    path: Path
    meta: CorpusMeta
    val_meta: CorpusMeta | None
    stories: int
    without_text: int
    unmarked: tuple[str, ...]


def shard_tinystories(
    input_dir: Path,
    out_dir: Path,
    *,
    shard_bytes: int = 1 << 30,
    separator: int | None = 0,
    val_fraction: float = 0.0,
    force: bool = False,
    on_progress: OnProgress | None = None,
) -> Sharded:
    """Write every story in the .json, .jsonl and .txt files below `input_dir` into a corpus, one a document.

    White space around a story is dropped. A story and its separator are never cut by a shard's border unless
    they are larger than a shard. Compressed files are looked through. The other settings are those of `pack`.

    Raises UsageError for what cannot be asked, DataError for malformed files and when there is no story.
    Whenever it raises, `out_dir` is as it was before.
    """
    if not input_dir.is_dir():
        raise UsageError(f"{input_dir} is not a folder", "name the folder that holds the JSON or text files")
    found = Inputs([str(input_dir)], extensions=(*JSON, *_TEXT), output=out_dir)
    files = [file for file in found if isinstance(file, File)]
    if not files:
        raise UsageError(f"no .json, .jsonl or .txt file in {input_dir}", "check the path")
    report = Reporter(on_progress, sum(file.stored_bytes for file in files))
    stories = without_text = 0
    unmarked: list[str] = []
    with CorpusWriter(
        out_dir, shard_bytes=shard_bytes, separator=separator, val_fraction=val_fraction, replace=force
    ) as writer:
        for file in files:
            stored = Stored(file, report.add)
            before, longest = stories, 0
            for story in _stories(plain_pieces(stored), file.name):
                if story is None:
                    without_text += 1
                    continue
                writer.add(story)
                stories += 1
                longest = max(longest, len(story))
            writer.add_source(stored.source(stories - before))
            if stories == before + 1 and longest > _LONG and plain_name(file.name).endswith(_TEXT):
                unmarked.append(file.name)
        if not stories:
            raise DataError(f"no story in {input_dir}: {without_text} records without text", _WHERE_TEXT_IS)
    report.finish()
    return Sharded(writer.target, writer.meta, writer.val_meta, stories, without_text, tuple(unmarked))


def story_in(record: Any) -> str | None:
    """The first text of a record that is not blank, under one of `TEXT_KEYS`, else depth first inside.

    White space around it is dropped. A record may be the text itself. None when there is none.
    """
    waiting = [record]
    while waiting:
        item = waiting.pop()
        if isinstance(item, dict):
            texts = (item.get(key) for key in TEXT_KEYS)
            for text in texts:
                if isinstance(text, str) and text.strip():
                    return text.strip()
            waiting += [inner for inner in item.values() if isinstance(inner, dict | list)][::-1]
        elif isinstance(item, list):
            waiting += [inner for inner in item if isinstance(inner, dict | list)][::-1]
        elif isinstance(item, str) and item.strip():
            return item.strip()
    return None


def split_text(pieces: Iterable[Chunk], name: str) -> Iterator[bytes]:
    """The stories between the <|endoftext|> marks of a text file, blank ones left out.

    Raises DataError when no mark comes within 64 MiB.
    """
    pending = bytearray()
    for piece in pieces:
        searched = max(0, len(pending) - len(END_OF_STORY))
        pending += piece
        if END_OF_STORY in pending[searched:]:
            *complete, pending = pending.split(END_OF_STORY)
            yield from (bytes(story) for part in complete if (story := part.strip()))
        if len(pending) > LARGEST_STORY:
            raise DataError(
                f"{name} has a story of more than 64 MiB", "for text without <|endoftext|> use bbyte pack"
            )
    if last := pending.strip():
        yield bytes(last)


def _stories(pieces: Iterable[bytes], name: str) -> Iterator[bytes | None]:
    """The stories of one file; None stands for a record without text."""
    if plain_name(name).endswith(_TEXT):
        yield from split_text(pieces, name)
        return
    for record in records(pieces, name):
        story = story_in(record)
        yield encoded(story) if story is not None else None
