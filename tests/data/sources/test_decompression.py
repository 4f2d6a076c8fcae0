"""Compressed files: whole or refused, in bounded memory."""

import bz2
import gzip
import lzma
import os
import random
import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bbyte.data.sources.decompression import SUFFIXES, decompressed
from bbyte.errors import DataError

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

COMPRESS = {".gz": gzip.compress, ".bz2": bz2.compress, ".xz": lzma.compress, ".zst": zstd.compress}
TEXT = b"".join(b"line %d of a text that repeats itself\n" % number for number in range(2000)) + os.urandom(
    3000
)


def read(data, suffix, piece=1 << 20):
    pieces = (data[start : start + piece] for start in range(0, len(data), piece))
    return b"".join(decompressed(pieces, suffix, f"x{suffix}"))


def test_every_suffix_is_tested():
    assert set(COMPRESS) == SUFFIXES


@pytest.mark.parametrize("suffix", COMPRESS)
@pytest.mark.parametrize("text", [b"", b"a", TEXT, bytes(3_000_000)], ids=["empty", "one", "text", "zeros"])
def test_round_trip(suffix, text):
    assert read(COMPRESS[suffix](text), suffix) == text


@pytest.mark.parametrize("suffix", COMPRESS)
@given(data=st.data())
def test_members_in_a_row_and_any_pieces(suffix, data):
    texts = data.draw(st.lists(st.binary(max_size=200), min_size=1, max_size=4))
    packed = b"".join(map(COMPRESS[suffix], texts))
    assert read(packed, suffix, data.draw(st.integers(1, 50))) == b"".join(texts)


@pytest.mark.parametrize("suffix", COMPRESS)
def test_chunks_are_small(suffix):
    chunks = list(decompressed([COMPRESS[suffix](bytes(5_000_000))], suffix, "x"))
    assert max(map(len, chunks)) <= 1 << 20


@pytest.mark.parametrize("suffix", COMPRESS)
def test_every_truncation_is_an_error(suffix):
    packed = COMPRESS[suffix](TEXT)
    rng = random.Random(suffix)
    for length in {*rng.sample(range(1, len(packed)), 200), len(packed) - 1, 1}:
        with pytest.raises(DataError, match=f"x{suffix} is truncated"):
            read(packed[:length], suffix)


@pytest.mark.parametrize("suffix", COMPRESS)
def test_truncation_of_a_later_member_is_an_error(suffix):
    packed = COMPRESS[suffix](TEXT)
    for length in (1, 2, 5, 20, len(packed) // 2, len(packed) - 1):
        with pytest.raises(DataError):
            read(packed + packed[:length], suffix)


@pytest.mark.parametrize("suffix", COMPRESS)
@pytest.mark.parametrize("rest", [b"\0", b"\0" * 512, b"\n", b"garbage", os.urandom(100)], ids=range(5))
def test_trailing_bytes_are_an_error(suffix, rest):
    packed = COMPRESS[suffix](TEXT)
    for piece in (1 << 20, len(packed), 7):
        with pytest.raises(DataError, match="something else after its end"):
            read(packed + rest, suffix, piece)


@pytest.mark.parametrize("suffix", COMPRESS)
def test_an_empty_file_is_an_error(suffix):
    with pytest.raises(DataError, match="is empty"):
        read(b"", suffix)


@pytest.mark.parametrize("suffix", COMPRESS)
def test_what_is_not_compressed_at_all_is_an_error(suffix):
    with pytest.raises(DataError, match="is damaged") as caught:
        read(b"Once upon a time there was a plain text, long enough to be read as a header.", suffix)
    assert "\n" not in caught.value.message


@pytest.mark.parametrize("suffix", [".gz", ".bz2", ".xz"])
def test_damage_inside_is_an_error(suffix):
    packed = bytearray(COMPRESS[suffix](TEXT))
    for at in range(20, len(packed), len(packed) // 40):
        damaged = bytearray(packed)
        damaged[at] ^= 0x10
        try:
            assert read(bytes(damaged), suffix) == TEXT  # a time stamp or a name in a header
        except DataError:
            continue


BOMB = """
import resource, sys
from bbyte.data.sources.documents import Reading, documents
from bbyte.data.sources.file import Stored
from bbyte.data.sources.find import Inputs
for file in Inputs([sys.argv[1]]):
    for document in documents(Stored(file), Reading()):
        print(sum(map(len, document)))
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
"""


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="needs the resource module")
@pytest.mark.parametrize("suffix", COMPRESS)
def test_a_bomb_stays_in_its_shell(tmp_path, suffix):
    bomb = tmp_path / f"bomb{suffix}"
    bomb.write_bytes(COMPRESS[suffix](bytes(200 << 20)))
    assert bomb.stat().st_size < 1 << 20
    shown = subprocess.run(
        [sys.executable, "-c", BOMB, str(bomb)], check=True, capture_output=True, text=True
    )
    size, peak = map(int, shown.stdout.split())
    assert size == 200 << 20
    assert peak * (1 if sys.platform == "darwin" else 1024) < 300 << 20
