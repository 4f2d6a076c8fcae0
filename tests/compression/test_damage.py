"""No damage goes unnoticed, none leads to a traceback, and all that is good is told and can be saved."""

import io
import random
import struct
from contextlib import suppress

import mutants
import pytest
from archives import MIXED, noise, read, text, written
from blake3 import blake3
from toy_coder import TOY, ToyCoder, opener

from bbyte.compression.chunks import zstd
from bbyte.compression.coder import coding_of
from bbyte.compression.layout import CHUNK_MARK, DIGEST, FOOTER_MARK, FRAME_BYTES, HEADER_BYTES, KINDS, Chunk
from bbyte.compression.listing import list_archive
from bbyte.compression.salvage import salvage
from bbyte.errors import DataError

GOOD = written(MIXED)
STARTS = [place for place in range(len(GOOD)) if GOOD.startswith(CHUNK_MARK, place)]
DONOR = written(text(9000, 5), (coding_of(ToyCoder(b"another")), lambda: ToyCoder(b"another")))


def salvaged(archive):
    target = io.BytesIO()
    return salvage(io.BytesIO(archive), target.write, opener, threads=1), target.getvalue()


def refused(archive, by=opener):
    with pytest.raises(DataError) as raised:
        read(archive, by, threads=1)
    return raised.value.message


def resealed(archive):
    """The archive with a digest that fits its changed header."""
    body = archive[: HEADER_BYTES - DIGEST]
    return body + blake3(body).digest(length=DIGEST) + archive[HEADER_BYTES:]


def campaign(count):
    for seed, good in enumerate((GOOD, written(MIXED[:4500]), written(b""), written(b"x"))):
        for _, (_, mutant) in zip(range(count // 4), mutants.binary(good, seed, DONOR), strict=False):
            if mutant == DONOR:
                continue
            yield mutant
            with pytest.raises(DataError):
                read(mutant, threads=1)


def test_a_thousand_mutants():
    for mutant in campaign(1000):
        with suppress(DataError):
            list_archive(io.BytesIO(mutant), "it")


@pytest.mark.slow
def test_ten_thousand_mutants():
    for mutant in campaign(10_000):
        with suppress(DataError):
            salvaged(mutant)


def test_every_bit_of_a_small_archive():
    good = written(b"abc" * 40)
    for place in range(len(good)):
        for bit in range(8):
            mutant = bytearray(good)
            mutant[place] ^= 1 << bit
            refused(bytes(mutant))


@pytest.mark.parametrize("size_known", [True, False])
def test_every_truncation(size_known):
    data = text(8192) + noise(100)
    good = written(data, size=len(data) if size_known else None)
    starts = [place for place in range(len(good)) if good.startswith(CHUNK_MARK, place)]
    footer = good.index(FOOTER_MARK)
    for length in range(len(good)):
        message = refused(good[:length])
        if length == 0:
            assert "is empty" in message
        elif length < HEADER_BYTES:
            assert "is truncated within its header: nothing is recoverable" in message
        else:
            whole = sum(end <= length for end in (*starts[1:], footer))
            in_footer = whole == 3 and (size_known or length >= footer + 4)
            place = "its footer" if in_footer else f"chunk {whole}"
            size = min(whole * 4096, len(data))
            assert message == f"the archive is truncated at {place}, {size:,} bytes recoverable"


def test_what_is_refused_and_in_which_words():
    assert refused(b"PK\3\4" + GOOD) == "the archive is no .bbz file"
    assert "took it for text" in refused(GOOD.replace(b"\r\n", b"\n"))
    assert refused(GOOD[:8] + b"\x02" + GOOD[9:]).endswith(
        "version 2 of the format; this bbyte knows version 1"
    )
    assert "flags that this bbyte does not know (0x0080)" in refused(
        resealed(GOOD[:10] + b"\x80" + GOOD[11:])
    )
    assert "a coder that this bbyte does not know (9," in refused(resealed(GOOD[:24] + b"\x09" + GOOD[25:]))
    huge = struct.pack("<I", 1 << 30)
    assert "chunks of 1,073,741,824 bytes" in refused(resealed(GOOD[:20] + huge + GOOD[24:]))
    assert "something else after its end" in refused(GOOD + b"\0")
    assert "something else after its end" in refused(GOOD + GOOD)
    swapped = (
        GOOD[: STARTS[0]] + GOOD[STARTS[1] : STARTS[2]] + GOOD[STARTS[0] : STARTS[1]] + GOOD[STARTS[2] :]
    )
    assert refused(swapped) == "the archive is damaged at chunk 0, 0 bytes recoverable"
    assert refused(GOOD[: STARTS[2]] + GOOD[STARTS[3] :]).startswith(
        "the archive is damaged at chunk 2, 8,192"
    )


def test_another_model_another_arithmetic_another_machine():
    other = ToyCoder(b"other")
    message = refused(GOOD, lambda coding: lambda: other)
    assert TOY[0].identity.hex()[:12] in message and other.identity.hex()[:12] in message
    newer = ToyCoder(arithmetic=2)
    assert "needs version 1 of the arithmetic; this bbyte has 2" in refused(
        GOOD, lambda coding: lambda: newer
    )
    broken = ToyCoder(machine=b"overclocked")
    assert "other probabilities" in refused(GOOD, lambda coding: lambda: broken)


def test_a_coder_that_decodes_wrongly():
    class Wrong(ToyCoder):
        def decode(self, mode, coded, size, on_progress=None):
            return bytes(size)

    assert "chunk 0 does not decode to what was compressed" in refused(GOOD, lambda coding: Wrong)


@pytest.mark.parametrize("kind", KINDS)
def test_what_an_attacker_may_write(kind):
    """Digests fit, contents do not: a chunk's false digest of the plain bytes, a bomb, no zstd at all."""
    archive = GOOD[HEADER_BYTES - DIGEST : HEADER_BYTES]
    for coded in (noise(100), zstd.compress(bytes(1 << 22)), zstd.compress(bytes(4000))):
        coded = noise(4096) if KINDS[kind] == "stored" else coded
        forged = Chunk(0, kind, 1, 4096, bytes(8), coded).pack(archive)
        assert "chunk 0 does not decode" in refused(GOOD[:HEADER_BYTES] + forged + GOOD[STARTS[1] :])


def test_a_mode_that_the_coder_does_not_know():
    forged = Chunk(0, 3, 9, 4096, bytes(8), b"?").pack(GOOD[HEADER_BYTES - DIGEST : HEADER_BYTES])
    message = refused(GOOD[:HEADER_BYTES] + forged + GOOD[STARTS[1] :])
    assert message == "the archive: chunk 0: mode 9 is not known"


def test_lengths_that_cannot_be_are_not_followed():
    for offset, value in ((10, 1 << 31), (14, 1 << 31), (10, 0)):
        place = STARTS[1] + offset
        forged = GOOD[:place] + struct.pack("<I", value) + GOOD[place + 4 :]
        assert refused(forged) == "the archive is damaged at chunk 1, 4,096 bytes recoverable"


def test_salvage_of_what_is_whole():
    result, data = salvaged(GOOD)
    assert data == MIXED and result.missing == () and result.size == len(MIXED)


def test_salvage_after_damage():
    hurt = bytearray(GOOD)
    hurt[STARTS[1] + FRAME_BYTES + 3] ^= 1
    hurt[STARTS[3] + 12] ^= 0x40
    result, data = salvaged(bytes(hurt))
    assert data == MIXED[:4096] + MIXED[8192:12288] + MIXED[16384:]
    assert result.missing == ((4096, 8191), (12288, 16383)) and result.size == len(MIXED)


@pytest.mark.parametrize("size_known", [True, False])
def test_salvage_after_truncation(size_known):
    result, data = salvaged(written(MIXED, size=len(MIXED) if size_known else None)[: STARTS[3] - 1])
    assert data == MIXED[:8192]
    assert result.missing == (((8192, len(MIXED) - 1),) if size_known else ())
    assert result.size == (len(MIXED) if size_known else None)


def test_salvage_of_what_was_inserted_and_duplicated():
    dirty = GOOD[: STARTS[2]] + CHUNK_MARK * 3 + noise(5000) + FOOTER_MARK * 2 + GOOD[STARTS[1] :]
    result, data = salvaged(dirty)
    assert data == MIXED and result.missing == ()


def test_salvage_without_a_header():
    with pytest.raises(DataError, match="damaged header"):
        salvaged(GOOD[:20] + b"?" + GOOD[21:])


def test_salvage_of_random_holes():
    dice = random.Random(3)
    for _ in range(200):
        place = dice.randrange(HEADER_BYTES, len(GOOD))
        hurt = GOOD[:place] + dice.randbytes(dice.randrange(1, 60)) + GOOD[place + dice.randrange(60) :]
        result, data = salvaged(hurt)
        lost = sum(last - first + 1 for first, last in result.missing)
        assert len(data) == result.bytes == len(MIXED) - lost and lost <= 8192
