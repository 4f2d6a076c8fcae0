"""Columns of text in Parquet, Arrow and Feather files, against pyarrow's own way of reading them."""

import io
import random

import pytest

pa = pytest.importorskip("pyarrow", reason="needs pip install 'bbyte[data]'")
feather = pytest.importorskip("pyarrow.feather")
parquet = pytest.importorskip("pyarrow.parquet")

from bbyte.data.sources.tables import rows  # noqa: E402
from bbyte.errors import DataError, UsageError  # noqa: E402

TEXTS = [f"text {number} ü" * (number % 7) for number in range(1000)]


def as_parquet(table, **settings):
    file = io.BytesIO()
    parquet.write_table(table, file, **settings)
    return "x.parquet", file.getvalue()


def as_feather(table):
    file = io.BytesIO()
    feather.write_feather(table, file, compression="zstd")
    return "x.feather", file.getvalue()


def as_stream(table):
    file = io.BytesIO()
    with pa.ipc.new_stream(file, table.schema) as writer:
        writer.write_table(table, 300)
    return "x.arrow", file.getvalue()


FORMATS = {"parquet": as_parquet, "feather": as_feather, "stream": as_stream}


def read(name, data, column=None):
    return [None if value is None else bytes(value) for value, _ in rows(io.BytesIO(data), name, column)]


@pytest.mark.parametrize("form", FORMATS)
@pytest.mark.parametrize(
    "kind",
    [
        pa.string(),
        pa.large_string(),
        pa.binary(),
        pa.large_binary(),
        pa.string_view(),
        pa.dictionary(pa.int32(), pa.string()),
    ],
    ids=str,
)
def test_every_kind_of_text(form, kind):
    texts = [None if number % 11 == 0 else text for number, text in enumerate(TEXTS)]
    values = [text.encode() if text is not None and "binary" in str(kind) else text for text in texts]
    table = pa.table(
        {"id": range(1000), "text": pa.array(values, pa.string() if "dict" in str(kind) else kind).cast(kind)}
    )
    assert read(*FORMATS[form](table)) == [None if text is None else text.encode() for text in texts]


def test_many_row_groups():
    name, data = as_parquet(pa.table({"text": TEXTS}), row_group_size=77)
    assert read(name, data) == [text.encode() for text in TEXTS]
    passed = [passed for _, passed in rows(io.BytesIO(data), name, None)]
    assert passed == sorted(passed)
    assert passed[-1] <= len(data)


def test_an_empty_table():
    for form in FORMATS.values():
        assert read(*form(pa.table({"text": pa.array([], pa.string())}))) == []


@pytest.mark.parametrize("form", FORMATS)
def test_which_column(form):
    table = pa.table({"id": [1], "title": ["a"], "body": [b"b"], "text": ["c"], "list": [["x"]]})
    assert read(*FORMATS[form](table)) == [b"c"]
    assert read(*FORMATS[form](table), "title") == [b"a"]
    assert read(*FORMATS[form](table.select(["id", "body"]))) == [b"b"]
    for wanted, message in (
        ("gone", "has no column gone$"),
        ("id", "no column id that is not text"),
        ("list", "not text"),
    ):
        with pytest.raises(UsageError, match=message) as caught:
            read(*FORMATS[form](table), wanted)
        assert caught.value.hint == "columns of text there: title, body, text"
    with pytest.raises(UsageError, match="no column called text, and not just one") as caught:
        read(*FORMATS[form](table.select(["title", "body"])))
    assert "title, body" in caught.value.hint
    with pytest.raises(UsageError, match="no column called text") as caught:
        read(*FORMATS[form](table.select(["id"])))
    assert "no column of text" in caught.value.hint


@pytest.mark.parametrize("form", FORMATS)
def test_every_truncation_is_an_error(form):
    name, data = FORMATS[form](pa.table({"text": TEXTS}))
    for length in {*random.Random(form).sample(range(len(data)), 200), 0, 1, len(data) - 1}:
        with pytest.raises(DataError, match=rf"{name} is damaged") as caught:
            read(name, data[:length])
        assert "\n" not in caught.value.message


def test_a_stream_that_ends_between_two_batches_is_truncated():
    name, data = as_stream(pa.table({"text": TEXTS}))
    starts = [at for at in range(0, len(data), 8) if data[at : at + 4] == b"\xff\xff\xff\xff"]
    assert len(starts) == 6  # the schema, four batches, the end
    for start in starts:
        with pytest.raises(DataError, match="damaged"):
            read(name, data[:start])


def test_a_column_of_one_enormous_row_is_refused():
    name, data = as_parquet(pa.table({"text": ["x" * (65 << 20)]}), use_dictionary=False)
    with pytest.raises(DataError, match="more than 64 MiB"):
        read(name, data)
