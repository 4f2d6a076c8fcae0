"""From a file to its documents: itself, an archive's members, the records of JSON, the rows of a table."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from bbyte.data.shards import Chunk
from bbyte.data.sources import archives, json_records, tables
from bbyte.data.sources.decompression import decompressed
from bbyte.data.sources.file import File, Skipped, Stored, compression, plain_name
from bbyte.data.sources.tar import Member

Document = Iterable[Chunk]
"""The bytes of a document in pieces. It and each piece are good until the next is asked for."""

_DEFAULT_FIELD = "text"
JSON = (".json", ".jsonl", ".ndjson")


class NoText:
    """Stands for a record or a row that has no text where it is looked for."""


@dataclass(frozen=True)
class Reading:
    """How files are read.

    extensions: which members of folders and archives to take, such as ".txt"; all if there are none. field:
    where the text of a JSON record is; without it JSON files are packed as they are, but for those of a
    dataset of the Hub, where it is "text". column: where the text of a table is (see `tables.rows`).
    """

    extensions: tuple[str, ...] = ()
    field: str | None = None
    column: str | None = None

    def takes(self, name: str) -> bool:
        """Whether a member of a folder is taken; compression is looked through: .txt takes .txt.gz."""
        if not self.extensions:
            return True
        return plain_name(name).endswith(self.extensions) or name.lower().endswith(self.extensions)


def endings(extensions: Iterable[str]) -> tuple[str, ...]:
    """Extensions as `Reading` has them, in lower case and with their dot."""
    return tuple(f".{extension.lower().lstrip('.')}" for extension in extensions)


def is_archive(name: str) -> bool:
    """Whether a file of this name is read as an archive."""
    return plain_name(name).endswith(".tar") or name.lower().endswith(".zip")


def documents(stored: Stored, reading: Reading) -> Iterator[Document | Skipped | NoText]:
    """The documents of a file in their order, and what in it is no document.

    Raises OSError when reading fails, DataError for a file that is damaged or truncated, UsageError where
    `reading` asks for what the file does not have. What comes before the damage has been given by then.
    """
    file, name = stored.file, stored.file.name.lower()
    if not file.is_stdin and name.endswith(tables.SUFFIXES):
        yield from _rows(stored, reading)
    elif not file.is_stdin and is_archive(name):
        yield from _members(stored, reading)
    elif (field := _field(stored.file, reading)) is not None:
        for text in json_records.texts(plain_pieces(stored), str(file), field):
            yield NoText() if text is None else [text]
    else:
        yield plain_pieces(stored) if compression(name) and not file.is_stdin else stored.pieces()


def is_taken_as_it_is(file: File, reading: Reading) -> bool:
    """Whether a file is one document, byte for byte: there is nothing to unpack, to parse or to fetch."""
    name = file.name.lower()
    if file.is_stdin:
        return reading.field is None
    is_plain = not (file.url or compression(name) or is_archive(name) or name.endswith(tables.SUFFIXES))
    return is_plain and _field(file, reading) is None


def _field(file: File, reading: Reading) -> str | None:
    """Where the text of each record is, or None for a file that is no JSON or is packed as it is."""
    if not (file.is_stdin or plain_name(file.name).endswith(JSON)):
        return None
    return reading.field or (_DEFAULT_FIELD if file.url.startswith("hf://") else None)


def plain_pieces(stored: Stored) -> Iterator[bytes]:
    """The bytes of a file in pieces, unpacked if it is compressed."""
    suffix = "" if stored.file.is_stdin else compression(stored.file.name)
    pieces = (bytes(piece) for piece in stored.pieces())
    return decompressed(pieces, suffix, str(stored.file)) if suffix else pieces


def _rows(stored: Stored, reading: Reading) -> Iterator[Document | NoText]:
    done = 0
    with stored.at_random() as file:
        for value, passed in tables.rows(file, str(stored.file), reading.column):
            yield NoText() if value is None else [value]
            if passed != done:
                stored.passed(min(passed, stored.file.stored_bytes) - done)
                done = passed


def _members(stored: Stored, reading: Reading) -> Iterator[Document | Skipped | NoText]:
    """Those of an archive that is itself named by an extension (--exts .zip) are all taken."""
    name = str(stored.file)
    if reading.extensions and stored.file.name.lower().endswith(reading.extensions):
        reading = Reading((), reading.field, reading.column)
    if not stored.file.name.lower().endswith(".zip"):
        for member in archives.tar_members(plain_pieces(stored), name):
            yield from _member(member, name, reading)
        return
    with stored.at_random() as file:
        for member, size in archives.zip_members(file, name):
            yield from _member(member, name, reading)
            stored.passed(size)


def _member(member: Member, archive: str, reading: Reading) -> Iterator[Document | Skipped | NoText]:
    """A compressed member is unpacked; what would have to be read at any place, or twice over, is not."""
    if not reading.takes(member.name):
        return
    place, refused = f"{archive}/{member.name}", member.refused
    if not refused and (is_archive(member.name) or member.name.lower().endswith(tables.SUFFIXES)):
        refused = "archives and tables inside an archive are not read; unpack it first"
    if refused:
        yield Skipped(place, refused)
        return
    pieces: Iterator[bytes | memoryview] = member.pieces
    if suffix := compression(member.name):
        pieces = decompressed(map(bytes, pieces), suffix, place)
    if reading.field is not None and plain_name(member.name).endswith(JSON):
        for text in json_records.texts(map(bytes, pieces), place, reading.field):
            yield NoText() if text is None else [text]
    else:
        yield pieces
