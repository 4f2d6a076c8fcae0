"""What goes into an archive comes out of it, and an archive is hardly longer than its input."""

import io
import random

import pytest
from archives import MIXED, noise, read, text, written
from blake3 import blake3
from hypothesis import given
from hypothesis import strategies as st
from toy_coder import TOY, ToyCoder, no_model

from bbyte.compression.layout import (
    FRAME_BYTES,
    HEADER_BYTES,
    LARGEST_CHUNK,
    NEURAL,
    STORED,
    ZSTD,
    footer_bytes,
)
from bbyte.compression.listing import list_archive
from bbyte.compression.reader import Archive
from bbyte.compression.writer import write_archive
from bbyte.errors import DataError

INPUTS = {
    "empty": b"",
    "one byte": b"\0",
    "all values": bytes(range(256)),
    "random": noise(10_000),
    "repetitive": b"ab" * 20_000,
    "exactly two chunks": text(8192),
    "one byte more": text(8193),
    "mixed": MIXED,
}


@pytest.mark.parametrize("data", INPUTS.values(), ids=INPUTS)
@pytest.mark.parametrize("size_known", [True, False])
@pytest.mark.parametrize("coder", [TOY, None], ids=["toy", "no model"])
def test_round_trip(data, size_known, coder):
    archive = written(data, coder, size=len(data) if size_known else None)
    assert read(archive) == data
    chunks = -(-len(data) // 4096)
    assert len(archive) <= len(data) + HEADER_BYTES + footer_bytes(chunks) + chunks * FRAME_BYTES


@given(st.binary(max_size=300), st.integers(0, 3), st.integers(4096, 5000))
def test_generated(piece, doublings, chunk_bytes):
    data = piece * (8**doublings)
    assert read(written(data, chunk_bytes=chunk_bytes)) == data


def test_the_smallest_of_three_kinds_is_taken():
    archive = Archive(io.BytesIO(written(MIXED)), "")
    assert [chunk.kind for chunk in archive] == [NEURAL, NEURAL, STORED, ZSTD, NEURAL]
    listed = list_archive(io.BytesIO(written(MIXED)), "")
    assert listed.kinds == {"stored": 1, "zstd": 1, "neural": 3}
    assert listed.blake3 == blake3(MIXED).hexdigest() and listed.bytes == len(MIXED)
    assert listed.coding == TOY[0] and listed.chunk_bytes == 4096
    assert listed.ratio == len(MIXED) / len(written(MIXED))
    assert listed.bits_per_byte == pytest.approx(8 / listed.ratio)


def test_the_same_archive_from_any_number_of_threads():
    assert len({written(MIXED, threads=threads) for threads in (1, 2, 4)}) == 1
    assert {read(written(MIXED), threads=threads) for threads in (1, 3)} == {MIXED}


def test_a_model_is_asked_for_only_where_one_is_needed():
    plain = noise(4096) + noise(256) * 16
    assert read(written(plain), by=no_model) == plain


def test_what_no_model_shrinks_is_not_given_to_one():
    class Slow(ToyCoder):
        def encode(self, data, on_progress=None):
            raise AssertionError("minutes for nothing")

    data = noise(1 << 16)
    assert read(written(data, (TOY[0], Slow), chunk_bytes=1 << 16)) == data


def test_the_default_chunk_costs_less_than_a_ten_thousandth():
    chunk = 1 << 20
    one, two = (len(written(noise(size), None, chunk_bytes=chunk)) for size in (chunk, 2 * chunk))
    assert two - one - chunk < chunk / 10_000


def test_a_source_that_changes():
    with pytest.raises(DataError, match="the input changed while it was read: 5 bytes became 4"):
        written(b"four", size=5)


def test_progress():
    told = []
    write_archive(
        io.BytesIO(MIXED), io.BytesIO().write, TOY, chunk_bytes=4096,
        on_progress=lambda done, whole, coded: told.append((done, whole, coded)),
    )  # fmt: skip
    assert told[-1][0] == len(MIXED) and told == sorted(told)


def test_pieces_from_a_pipe():
    class Pipe:
        def __init__(self, data):
            self.rest, self.dice = data, random.Random(0)

        def read(self, size):
            some = self.dice.randint(1, min(size, 700))
            piece, self.rest = self.rest[:some], self.rest[some:]
            return piece

    target = io.BytesIO()
    write_archive(Pipe(MIXED), target.write, TOY, size=len(MIXED), chunk_bytes=4096)
    assert target.getvalue() == written(MIXED)


def test_the_largest_chunk_is_read():
    data = bytes(LARGEST_CHUNK)
    assert read(written(data, None, chunk_bytes=LARGEST_CHUNK)) == data
