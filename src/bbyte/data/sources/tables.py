"""A column of text in Parquet, Arrow and Feather files, a few rows at a time."""

import io
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, BinaryIO

import numpy as np

from bbyte.data.sources.extras import needs_data
from bbyte.errors import DataError, UsageError

if TYPE_CHECKING:
    import pyarrow as pa  # type: ignore[import-untyped,unused-ignore]

PARQUET = (".parquet",)
ARROW = (".arrow", ".feather")
SUFFIXES = (*PARQUET, *ARROW)

LARGEST_ROW = 64 << 20
_ROWS = 64  # at a time: few, as a small file can say the same megabyte in every row
_PAGES = 1 << 20
_DEFAULT = "text"
_END_OF_STREAM = b"\xff\xff\xff\xff\0\0\0\0"


def rows(file: BinaryIO, name: str, column: str | None) -> Iterator[tuple[memoryview | None, int]]:
    """The values of a column of text or binary data, None for a null, each with stored bytes passed so far.

    column: its name; without one it is "text", or the only column of text there is. name: of the file, for
    the messages and for what kind of file it is. Memory is that of one page of a Parquet file, or of one
    batch of an Arrow file. Raises DataError for a file that is damaged or truncated, UsageError for a column
    that is not there or holds no text.
    """
    with needs_data(), _damage_told(name):
        if name.lower().endswith(PARQUET):
            yield from _parquet(file, name, column)
        else:
            yield from _arrow(file, name, column)


def _parquet(file: BinaryIO, name: str, column: str | None) -> Iterator[tuple[memoryview | None, int]]:
    from pyarrow import parquet

    opened = parquet.ParquetFile(file, buffer_size=_PAGES)
    chosen = _chosen(opened.schema_arrow, name, column)
    passed = 0
    place = [column.path for column in map(opened.schema.column, range(len(opened.schema)))].index(chosen)
    for group in range(opened.num_row_groups):
        about = opened.metadata.row_group(group)
        passed += about.column(place).total_compressed_size
        if about.column(place).total_uncompressed_size > LARGEST_ROW * max(1, about.num_rows):
            raise DataError(f"{name} has a row of more than 64 MiB")
        for batch in opened.iter_batches(_ROWS, row_groups=[group], columns=[chosen], use_threads=False):
            for value in _values(batch.column(0)):
                yield value, passed


def _arrow(file: BinaryIO, name: str, column: str | None) -> Iterator[tuple[memoryview | None, int]]:
    import pyarrow as pa

    try:
        opened = pa.ipc.open_file(file)
        batches: Iterator[Any] = map(opened.get_batch, range(opened.num_record_batches))
    except pa.ArrowInvalid:
        _check_end(file)
        opened = batches = pa.ipc.open_stream(file)  # what Hugging Face's datasets keeps in its cache
    place = opened.schema.get_field_index(_chosen(opened.schema, name, column))
    for batch in batches:
        values = batch.column(place)
        for start in range(0, len(values), _ROWS):
            for value in _values(values.slice(start, _ROWS)):
                yield value, file.tell()


def _check_end(file: BinaryIO) -> None:
    """A stream cut off between two batches looks whole to Arrow, but for its end."""
    import pyarrow as pa

    if file.seek(0, io.SEEK_END) < len(_END_OF_STREAM):
        raise pa.ArrowInvalid("it is too short")
    file.seek(-len(_END_OF_STREAM), io.SEEK_END)
    if file.read(len(_END_OF_STREAM)) != _END_OF_STREAM:
        raise pa.ArrowInvalid("it has no end, or is no Arrow file")
    file.seek(0)


def _chosen(schema: "pa.Schema", name: str, column: str | None) -> str:
    """The name of the column to read."""
    texts = [field.name for field in schema if _is_text(field.type)]
    listed = f"columns of text there: {', '.join(texts)}" if texts else "it has no column of text"
    if column is not None:
        if column not in texts:
            problem = "that is not text" if column in schema.names else ""
            raise UsageError(f"{name} has no column {column}" + (f" {problem}" if problem else ""), listed)
        return column
    if _DEFAULT in texts:
        return _DEFAULT
    if len(texts) != 1:
        raise UsageError(
            f"{name} has no column called text, and not just one of text",
            f"name one by --column; {listed}",
        )
    return str(texts[0])


def _is_text(type_: "pa.DataType") -> bool:
    import pyarrow as pa

    if pa.types.is_dictionary(type_):
        type_ = type_.value_type
    return any(
        is_it(type_)
        for is_it in (
            pa.types.is_string,
            pa.types.is_large_string,
            pa.types.is_binary,
            pa.types.is_large_binary,
            pa.types.is_string_view,
            pa.types.is_binary_view,
        )
    )


def _values(array: "pa.Array") -> Iterator[memoryview | None]:
    """The values as views of the array's own memory: no object of Python but the view is made for them."""
    import pyarrow as pa

    if pa.types.is_dictionary(array.type):
        array = array.dictionary_decode()
    is_short = pa.types.is_string(array.type) or pa.types.is_binary(array.type)
    if not (is_short or pa.types.is_large_string(array.type) or pa.types.is_large_binary(array.type)):
        array = array.cast(pa.large_binary())  # from views; the others are read where they lie
    width = np.dtype(np.int32 if is_short else np.int64)
    _, offsets, data = array.buffers()
    ends = np.frombuffer(offsets, width, len(array) + 1, array.offset * width.itemsize).tolist()
    view = memoryview(data) if data is not None else memoryview(b"")
    valid = array.is_valid().to_pylist() if array.null_count else [True] * len(array)
    for start, end, is_there in zip(ends, ends[1:], valid, strict=False):
        yield view[start:end] if is_there else None


@contextmanager
def _damage_told(name: str) -> Iterator[None]:
    import pyarrow as pa

    try:
        yield
    except (pa.ArrowException, OSError) as error:
        if isinstance(error, OSError) and error.errno is not None:
            raise
        words = str(error).strip().splitlines()
        reason = words[0][:1].lower() + words[0][1:] if words else type(error).__name__
        raise DataError(f"{name} is damaged: {reason}", "get it again from its source") from None
