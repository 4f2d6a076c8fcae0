"""Inputs that are cut off or blown up, through all of pack: refused, and nothing is written."""

import bz2
import gzip
import io
import json
import lzma
import random
import subprocess
import sys
import tarfile
import zipfile

import pytest

from bbyte.data.pack import pack
from bbyte.errors import DataError

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

DICE = random.Random(0)
TEXTS = ["".join(DICE.choices("abcdefg \n", k=DICE.randrange(1, 2000))) for _ in range(40)]
TEXT = "".join(TEXTS).encode()


def as_table(kind, texts=TEXTS):
    arrow = pytest.importorskip("pyarrow", reason="needs pip install 'bbyte[data]'")
    file, table = io.BytesIO(), arrow.table({"text": texts})
    if kind == "parquet":
        from pyarrow import parquet

        parquet.write_table(table, file)
    else:
        from pyarrow import feather

        feather.write_feather(table, file, compression="zstd")
    return file.getvalue()


def as_zip(texts=TEXTS):
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        for number, text in enumerate(texts):
            archive.writestr(f"{number}.txt", text)
    return file.getvalue()


def as_tar(texts=TEXTS):
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w") as archive:
        for number, text in enumerate(texts):
            info = tarfile.TarInfo(f"{number}.txt")
            info.size = len(text.encode())
            archive.addfile(info, io.BytesIO(text.encode()))
    data = file.getvalue().rstrip(b"\0")
    return data + bytes(-len(data) % 512 + 1024)  # two blocks of zeros, and no more


def as_lines(texts=TEXTS):
    return "\n".join(json.dumps({"text": text}) for text in texts).encode()


MAKE = {
    "x.gz": lambda: gzip.compress(TEXT),
    "x.bz2": lambda: bz2.compress(TEXT),
    "x.xz": lambda: lzma.compress(TEXT),
    "x.zst": lambda: zstd.compress(TEXT),
    "x.json": lambda: json.dumps([{"text": text} for text in TEXTS]).encode(),
    "x.jsonl.gz": lambda: gzip.compress(as_lines()),
    "x.parquet": lambda: as_table("parquet"),
    "x.feather": lambda: as_table("feather"),
    "x.zip": as_zip,
    "x.tar": as_tar,
    "x.tar.xz": lambda: lzma.compress(as_tar()),
}


@pytest.mark.parametrize("count", [20, pytest.param(200, marks=pytest.mark.slow)])
@pytest.mark.parametrize("name", MAKE)
def test_every_truncation_is_an_error_and_nothing_is_written(tmp_path, name, count):
    data, rng = MAKE[name](), random.Random(name)
    path, out = tmp_path / name, tmp_path / "out"
    path.write_bytes(data)
    pack([str(path)], out, field="text")
    before = {file.name: file.read_bytes() for file in out.iterdir()}
    for length in {0, 1, len(data) - 1, *rng.sample(range(len(data)), count - 3)}:
        path.write_bytes(data[:length])
        with pytest.raises(DataError, match=name) as caught:
            pack([str(path)], out, field="text", force=True)
        assert "\n" not in caught.value.message
    assert {file.name: file.read_bytes() for file in out.iterdir()} == before
    assert sorted(file.name for file in tmp_path.iterdir()) == ["out", name]


@pytest.mark.parametrize("count", [20, pytest.param(200, marks=pytest.mark.slow)])
def test_json_lines_cut_within_a_line(tmp_path, count):
    """One that is cut between two lines is a whole file of fewer lines: nothing can tell."""
    data, path = as_lines(), tmp_path / "x.jsonl"
    ends = {
        0,
        *(at for at, byte in enumerate(data) if byte == 10),
        *(at + 1 for at, byte in enumerate(data) if byte == 10),
    }
    for length in random.Random(1).sample([at for at in range(len(data)) if at not in ends], count):
        path.write_bytes(data[:length])
        with pytest.raises(DataError, match="is not valid JSON"):
            pack([str(path)], tmp_path / "out", field="text")
    assert [file.name for file in tmp_path.iterdir()] == ["x.jsonl"]


BOMB = r"""
import re, sys
from pathlib import Path
from bbyte.data.pack import pack
from bbyte.errors import BbyteError
try:
    packed = pack([sys.argv[1]], Path(sys.argv[1]).with_name("out"), field="text", separator=None).meta.bytes
except BbyteError as error:
    packed = error.message
peak = re.search(r"VmHWM:\s+(\d+) kB", Path("/proc/self/status").read_text())[1]
print(packed, peak, sep="\n")
"""
SIZE = 200 << 20


def blown_up(name):
    """A small file that says 200 MB."""
    if name == "lines.jsonl.gz":
        line = as_lines(["x" * (1 << 20)]) + b"\n"
        return gzip.compress(line * 200)
    if name == "record.jsonl.gz":
        return gzip.compress(as_lines(["x" * SIZE]))
    if name == "rows.parquet":
        return as_table("parquet", ["x" * (1 << 20)] * 200)
    if name == "row.parquet":
        return as_table("parquet", ["x" * SIZE])
    if name == "bomb.zip":
        return as_zip(["x" * SIZE])
    return COMPRESS[name.rpartition(".")[2]](as_tar(["x" * SIZE]) if ".tar" in name else bytes(SIZE))


COMPRESS = {"gz": gzip.compress, "bz2": bz2.compress, "xz": lzma.compress, "zst": zstd.compress}


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="needs the peak that Linux tells")
@pytest.mark.parametrize(
    ("name", "outcome"),
    [
        *((f"bomb.{suffix}", SIZE) for suffix in COMPRESS),
        ("bomb.tar.gz", SIZE),
        ("bomb.zip", SIZE),
        ("lines.jsonl.gz", SIZE),
        ("record.jsonl.gz", "larger than 64 MiB"),
        ("rows.parquet", SIZE),
        ("row.parquet", "more than 64 MiB"),
    ],
)
def test_a_bomb_stays_in_its_shell(tmp_path, name, outcome):
    path = tmp_path / name
    path.write_bytes(blown_up(name))
    assert path.stat().st_size < 16 << 20
    done = subprocess.run([sys.executable, "-c", BOMB, str(path)], check=True, capture_output=True, text=True)
    packed, peak = done.stdout.splitlines()
    assert packed == str(outcome) or str(outcome) in packed
    assert int(peak) * 1024 < 300 << 20
