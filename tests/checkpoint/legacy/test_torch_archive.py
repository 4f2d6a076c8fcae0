"""An archive that torch.save did not write just so is refused, and damage to any part of it is noticed."""

import io
import struct
import zipfile

import hostile
import legacy_files
import pytest

from bbyte.checkpoint.legacy import archive
from bbyte.errors import BbyteError, DataError


@pytest.fixture(scope="module")
def good(tmp_path_factory):
    path = tmp_path_factory.mktemp("good") / "old.pt"
    legacy_files.bitbyte(path, n_layer=1, d_model=4, n_head=2, d_ff=4)
    return path


def directory(raw):
    """Where each local header and each entry of the directory starts."""
    entries, start = [], struct.unpack_from("<L", raw, len(raw) - 6)[0]
    with zipfile.ZipFile(io.BytesIO(raw)) as opened:
        for info in opened.infolist():
            entries.append((info, start))
            start += 46 + len(info.filename.encode())
    return entries


def archives(raw):
    """Damaged archives, by what is wrong with each."""
    (first, entry), (_, other), *_ = directory(raw)
    local = first.header_offset
    yield "trailing bytes", raw + b"\0"
    yield "leading bytes", b"\0" + raw
    yield "comment", raw[:-2] + b"\1\0x"
    yield "crc of the pickle", hostile.changed(raw, entry + 16, b"abcd")
    yield "deflated", hostile.changed(hostile.changed(raw, entry + 10, b"\x08\0"), local + 8, b"\x08\0")
    yield "encrypted", hostile.changed(hostile.changed(raw, entry + 8, b"\x09\x08"), local + 6, b"\x09\x08")
    yield "another name inside", hostile.changed(raw, local + 30, first.filename.encode()[::-1])
    yield "another size inside", hostile.changed(raw, local + 18, struct.pack("<2L", 5, 5))
    yield "another method inside", hostile.changed(raw, local + 8, b"\x08\0")
    yield "overlap", hostile.changed(raw, other + 42, struct.pack("<L", first.header_offset))
    yield "two sizes", hostile.changed(raw, entry + 20, struct.pack("<L", 5))
    yield "larger than the file", hostile.changed(raw, entry + 20, struct.pack("<2L", 1 << 31, 1 << 31))
    yield "outside", hostile.changed(raw, other + 42, struct.pack("<L", 1 << 31))
    yield "count", hostile.changed(raw, len(raw) - 14, b"\1\0\1\0")
    yield "disk", hostile.changed(raw, len(raw) - 18, b"\1\0")
    flipped = first.header_offset + 30 + len(first.filename) + 200
    yield "the pickle itself", hostile.changed(raw, flipped, bytes([raw[flipped] ^ 1]))


@pytest.mark.parametrize("name", [
    "trailing bytes", "leading bytes", "comment", "crc of the pickle", "deflated", "encrypted",
    "another name inside", "another size inside", "another method inside", "overlap", "two sizes",
    "larger than the file", "outside", "count", "disk", "the pickle itself",
])  # fmt: skip
def test_damaged_archives(tmp_path, good, name):
    raw = good.read_bytes()
    (tmp_path / "bad.pt").write_bytes(dict(archives(raw))[name])
    hostile.refused(tmp_path / "bad.pt")
    hostile.gates(good)


@pytest.mark.filterwarnings("ignore:Duplicate name")
@pytest.mark.parametrize(
    "names",
    [
        ["a/data.pkl", "a/data.pkl"], ["a/data.pkl", "b/data/0"], ["data.pkl"], ["a/../data.pkl"],
        ["a/data/x"], ["a/data.pkl", "a/DATA.PKL"], ["a/data.pkl", "a/data.pkl\0x"],
        ["a/data.pkl", "a/code/x.py"], ["a/version"], ["/data.pkl"], ["a/data.pkl/"], [],
    ],
)  # fmt: skip
def test_names_torch_does_not_write(tmp_path, names):
    with zipfile.ZipFile(tmp_path / "odd.pt", "w") as made:
        for name in names:
            made.writestr(name, b"\x80\x02}.")
    hostile.refused(tmp_path / "odd.pt")


def test_a_damaged_weight_is_noticed(tmp_path, good):
    files = hostile.contents(good)
    raw = good.read_bytes()
    place = raw.index(files["data/0"]) + 7
    (tmp_path / "bad.pt").write_bytes(hostile.changed(raw, place, bytes([raw[place] ^ 1])))
    hostile.refused(tmp_path / "bad.pt", "storage 0")


def test_cut_off_anywhere(tmp_path, good):
    raw, path = good.read_bytes(), tmp_path / "cut.pt"
    for length in [*range(0, len(raw), 97), *range(len(raw) - 120, len(raw))]:
        path.write_bytes(raw[:length])
        with pytest.raises(DataError):
            hostile.gates(path)


def test_mutants_of_a_file(tmp_path, good):
    """Every one is refused in words, or is a file whose archive and pickle say the same as before."""
    raw, path = good.read_bytes(), tmp_path / "mutant.pt"
    accepted = 0
    for mutant in hostile.mutants(raw, 2000, seed=1):
        path.write_bytes(mutant)
        try:
            hostile.gates(path)
        except BbyteError:
            continue
        accepted += 1
        assert hostile.contents(path) == hostile.contents(good)
    assert accepted < 400  # times, padding and the directory's unused fields are nobody's


@pytest.mark.parametrize("size", [(1 << 64) - 1, (1 << 63) - 200])
def test_sizes_beyond_any_file_are_refused_before_anything_is_looked_for_behind_them(tmp_path, size):
    name = b"archive/data.pkl"
    all_ones = 0xFFFFFFFF
    local = struct.pack("<4s5H3L2H", b"PK\3\4", 45, 8, 0, 0, 0, 0, all_ones, all_ones, len(name), 0) + name
    extra = struct.pack("<2H2Q", 1, 16, size, size)
    entry = struct.pack(
        "<4s6H3L5H2L", b"PK\1\2", 45, 45, 8, 0, 0, 0, 0, all_ones, all_ones, len(name), len(extra),
        0, 0, 0, 0, 0,
    )  # fmt: skip
    directory, body = entry + name + extra, local + b"x" * 10
    end = struct.pack("<4s4H2LH", b"PK\5\6", 0, 0, 1, 1, len(directory), len(body), 0)
    path = tmp_path / "z.pt"
    path.write_bytes(body + directory + end)
    with path.open("rb") as file, pytest.raises(DataError):
        archive.read(file, path)
