"""zip archives: their members in order, nothing that leads elsewhere, no bombs."""

import io
import random
import struct
import zipfile

import pytest
from test_tar import made as made_tar

from bbyte.data.sources.archives import tar_members, zip_members
from bbyte.errors import DataError


def made(*entries, method=zipfile.ZIP_DEFLATED):
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", method) as archive:
        for name, content in entries:
            archive.writestr(name, content)
    return file.getvalue()


def read(data):
    return [
        (member.name, member.refused or b"".join(member.pieces))
        for member, _ in zip_members(io.BytesIO(data), "x.zip")
    ]


@pytest.mark.parametrize(
    "method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA]
)
def test_members_in_the_order_of_the_archive(method):
    entries = [
        ("z.txt", b"last letter"),
        ("a/b.txt", b"first"),
        ("a/", b""),
        ("a/empty", b""),
        ("m", bytes(3 << 20)),
    ]
    assert read(made(*entries, method=method)) == [entry for entry in entries if entry[0] != "a/"]


def test_an_archive_of_nothing():
    assert read(made()) == []


@pytest.mark.parametrize("name", ["../up.txt", "a/../../up.txt", "/etc/passwd"])
def test_names_that_lead_out_are_not_read(name):
    why = "its name leads out of the archive"
    assert read(made((name, b"text"), ("b", b"kept"))) == [(name, why), ("b", b"kept")]
    assert [(one.name, one.refused) for one in tar_members([made_tar([(name, b"text")])], "x")] == [
        (name, why)
    ]


def test_links_are_not_read():
    info = zipfile.ZipInfo("link")
    info.create_system, info.external_attr = 3, 0o120777 << 16
    assert read(made((info, b"/etc/passwd"), ("b", b"kept"))) == [("link", "it is a link"), ("b", b"kept")]


def test_every_truncation_is_an_error():
    data = made(*((f"{number}.txt", random.Random(number).randbytes(300)) for number in range(5)))
    for length in {*random.Random(0).sample(range(len(data)), 200), 0, 1, len(data) - 1}:
        with pytest.raises(DataError, match=r"x\.zip is damaged"):
            read(data[:length])


def test_damage_inside_is_an_error_or_of_no_matter():
    good = made(*((f"{number}.txt", random.Random(number).randbytes(300)) for number in range(5)))
    expected, rng, refused = [content for _, content in read(good)], random.Random(2), 0
    for _ in range(400):
        data = bytearray(good)
        data[rng.randrange(len(data))] ^= 1 << rng.randrange(8)
        try:
            found = [content for _, content in read(bytes(data))]
        except DataError as error:
            assert "\n" not in error.message
            refused += 1
        else:
            assert found == expected or any(isinstance(content, str) for content in found) or len(found) != 5
    assert refused > 300


def test_encrypted_archives_are_refused():
    data = bytearray(made(("a", b"text")))
    data[6] |= 1
    data[data.index(b"PK\1\2") + 8] |= 1
    with pytest.raises(DataError, match="is encrypted"):
        read(bytes(data))


def test_members_that_overlap_are_refused():
    """Two entries of the table of contents that unpack the same compressed bytes."""
    data = made(("a", bytes(100_000)), ("b", b"x"))
    table = data.index(b"PK\1\2")
    second = data.index(b"PK\1\2", table + 4)
    overlapping = bytearray(data)
    overlapping[second + 42 : second + 46] = struct.pack("<I", 0)
    with pytest.raises(DataError, match="overlap"):
        read(bytes(overlapping))


def test_sizes_are_told():
    data = made(("a", bytes(100_000)))
    ((member, size),) = zip_members(io.BytesIO(data), "x")
    assert member.size == 100_000
    assert size < 1000
