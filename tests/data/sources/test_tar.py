"""tar archives: as Python's tarfile reads them, but whole or refused, and no entry asks for much memory."""

import io
import random
import tarfile

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bbyte.data.sources.tar import members
from bbyte.errors import DataError

FORMATS = {"ustar": tarfile.USTAR_FORMAT, "gnu": tarfile.GNU_FORMAT, "pax": tarfile.PAX_FORMAT}


def made(entries, form=tarfile.PAX_FORMAT):
    """An archive of (name, content or type) pairs."""
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w", format=form) as archive:
        for name, content in entries:
            info = tarfile.TarInfo(name)
            if isinstance(content, bytes) and len(content) == 1 and content in b"123456":
                info.type, info.linkname = content, "elsewhere"
                archive.addfile(info)
            else:
                info.size = len(content)
                archive.addfile(info, io.BytesIO(content))
    return file.getvalue()


def read(data, piece=1 << 20):
    pieces = (data[start : start + piece] for start in range(0, len(data), piece))
    return [(member.name, member.refused or b"".join(member.pieces)) for member in members(pieces, "x.tar")]


NAMES = st.text(st.characters(codec="utf-8", exclude_characters="\0/"), min_size=1, max_size=90)


@given(
    entries=st.lists(st.tuples(NAMES, st.binary(min_size=2, max_size=1500)), max_size=5),
    form=st.sampled_from(sorted(FORMATS)),
    piece=st.sampled_from([7, 512, 1000, 1 << 20]),
)
def test_as_tarfile_reads_it(entries, form, piece):
    try:
        data = made(entries, FORMATS[form])
    except (ValueError, UnicodeEncodeError):  # a name too long for ustar
        return
    with tarfile.open(fileobj=io.BytesIO(data)) as archive:
        expected = [(info.name, archive.extractfile(info).read()) for info in archive]
    assert read(data, piece) == expected


@pytest.mark.parametrize("form", ["gnu", "pax"])
def test_long_names(form):
    name = "a/" * 200 + "b" * 300
    assert read(made([(name, b"text"), ("c", b"next")], FORMATS[form])) == [(name, b"text"), ("c", b"next")]


def test_the_prefix_of_ustar():
    name = "folder/" * 20 + "file"
    assert read(made([(name, b"text")], tarfile.USTAR_FORMAT)) == [(name, b"text")]


def test_what_is_no_file_is_told_or_left_out():
    entries = [("hard", b"1"), ("soft", b"2"), ("tty", b"3"), ("sda", b"4"), ("d", b"5"), ("fifo", b"6")]
    found = read(made([*entries, ("f", b"text")]))
    assert found == [
        ("hard", "a link"),
        ("soft", "a link"),
        ("tty", "a device"),
        ("sda", "a device"),
        ("fifo", "a pipe"),
        ("f", b"text"),
    ]


def test_what_is_not_read_is_passed_over():
    data = made([("a", bytes(5000)), ("b", b"text")])
    assert [member.name for member in members([data], "x")] == ["a", "b"]


def test_sizes_in_binary():
    header = bytearray(made([("a", b"text")], tarfile.GNU_FORMAT))
    header[124:136] = b"\x80" + (4).to_bytes(11, "big")
    header[148:156] = b" " * 8
    header[148:156] = b"%06o\0 " % sum(header[:512])
    assert read(bytes(header)) == [("a", b"text")]


def test_every_truncation_is_an_error():
    data = made([("a", b"text" * 300), ("b" * 300, b"more" * 300)])
    end = len(data.rstrip(b"\0")) // 512 * 512 + 512
    rng = random.Random(0)
    for length in {*rng.sample(range(end), 200), *range(0, end + 512, 512)}:
        with pytest.raises(DataError, match=r"truncated|no tar archive"):
            read(data[:length])
    assert read(data[: end + 1024])


def test_anything_after_the_end_is_an_error():
    data = made([("a", b"text")])
    assert read(data + bytes(10240))
    for more in (b"x", bytes(512) + b"x", data):
        with pytest.raises(DataError, match="something else after its end"):
            read(data + more)


@pytest.mark.parametrize("data", [b"", b"text", b"x" * 512, b"x" * 5000])
def test_what_is_no_archive(data):
    with pytest.raises(DataError, match="no tar archive"):
        read(data)


def test_damage_to_a_header_is_an_error():
    good = made([("a", b"text"), ("b" * 200, b"more")])
    rng = random.Random(1)
    for _ in range(300):
        data = bytearray(good)
        data[rng.randrange(500)] ^= 1 << rng.randrange(8)
        with pytest.raises(DataError):
            read(bytes(data))


@pytest.mark.parametrize("kind", [b"L", b"x", b"g"])
def test_no_note_takes_much_memory(kind):
    info = tarfile.TarInfo("long")
    info.type, info.size = kind, 1 << 40
    with pytest.raises(DataError, match="a name or a note of"):
        read(info.tobuf(tarfile.GNU_FORMAT))


@given(st.binary(max_size=3000))
def test_anything_at_all_is_read_or_refused(data):
    info = tarfile.TarInfo("n")
    info.type, info.size = b"x", len(data)
    try:
        read(info.tobuf() + data + bytes(-len(data) % 512) + made([("a", b"text")]))
    except DataError as error:
        assert "\n" not in error.message
