"""The classical compressors give the figures published for the standard files."""

import bz2
import math
import subprocess
from pathlib import Path

import numpy as np
import pytest

from bbyte import anchors as anchors_module
from bbyte.anchors import anchors, order0_bits
from bbyte.errors import DataError, OutOfMemoryError, UsageError

DATA = Path(__file__).parents[2] / "shared" / "data"


def shared(name):
    path = DATA / name
    if not path.exists():
        pytest.skip(f"{path} is not there: the standard corpora are not part of the repository")
    return path.read_bytes()


def figures(data, primer=None):
    return {(anchor.name, anchor.primed): anchor.bits_per_byte for anchor in anchors(data, primer)}


@pytest.mark.parametrize(
    ("name", "gzip", "xz", "ppmd"),
    [("canterbury/alice29.txt", 2.850, 2.553, 2.049), ("calgary/book1", 3.250, 2.720, 2.198)],
)
def test_the_published_figures_are_met(name, gzip, xz, ppmd):
    found = figures(shared(name))
    assert found["gzip -9", False] == pytest.approx(gzip, abs=0.003)
    assert found["xz -9e", False] == pytest.approx(xz, abs=0.001)
    assert found["PPMd o16", False] == pytest.approx(ppmd, abs=0.008)  # published as a .7z
    assert 4.4 < found["order-0", False] < 4.7


@pytest.mark.slow
def test_priming_with_the_training_text_gives_the_figures_of_dickens():
    text = bz2.decompress(shared("silesia/dickens.bz2"))
    found = figures(text[-262_144:], text[:-262_144])
    assert found["xz -9e", False] == pytest.approx(2.740, abs=0.003)
    assert found["PPMd o16", False] == pytest.approx(2.219, abs=0.005)
    assert found["PPMd o16", True] == pytest.approx(1.713, abs=0.002)
    assert found["xz -9e", True] < found["xz -9e", False]


def test_the_xz_figure_is_that_of_the_xz_program():
    data = (
        np.random.default_rng(0)
        .choice([97, 98, 99, 32], 20_000, p=[0.5, 0.3, 0.1, 0.1])
        .astype(np.uint8)
        .tobytes()
    )
    try:
        made = subprocess.run(["xz", "-9e", "-c"], input=data, stdout=subprocess.PIPE, check=True).stdout
    except FileNotFoundError:
        pytest.skip("xz is not installed")
    assert abs(anchors_module.xz_size(data) - len(made)) <= 8  # newer ones write block sizes too


def test_priming_with_the_same_bytes_costs_next_to_nothing():
    text = np.random.default_rng(1).bytes(30_000)
    found = figures(text, text)
    assert found["xz -9e", False] > 8
    assert found["xz -9e", True] < 0.2


def test_only_the_end_of_a_long_primer_is_used(monkeypatch):
    monkeypatch.setattr(anchors_module, "PRIMER_BYTES", 1000)
    rng = np.random.default_rng(2)
    text, other = rng.bytes(1000), rng.bytes(1000)
    assert figures(text, text + other) == figures(text, other)


def test_order_0_is_the_sum_of_the_adaptive_steps():
    data = np.random.default_rng(3).integers(0, 5, 200, dtype=np.uint8)
    bits, seen = 0.0, np.zeros(256)
    for position, byte in enumerate(data):
        bits -= math.log2((seen[byte] + 0.5) / (position + 128))
        seen[byte] += 1
    assert order0_bits(data.tobytes()) == pytest.approx(bits, rel=1e-12)


def test_a_single_byte_and_views_are_taken():
    for anchor in anchors(memoryview(b"a"), memoryview(b"b")):
        assert anchor.bits_per_byte >= 0
        assert anchor.seconds >= 0


def test_a_dictionary_grows_with_the_data_to_its_limit(monkeypatch):
    seen = []

    def compress(data, preset=None, filters=None):
        seen.append(filters[0]["dict_size"] if filters else None)
        return b""

    monkeypatch.setattr(anchors_module, "XZ_DICTIONARY", 1 << 20)
    monkeypatch.setattr(anchors_module, "XZ_LARGEST_DICTIONARY", 3 << 20)
    monkeypatch.setattr(anchors_module.lzma, "compress", compress)
    for size in (1 << 20, (1 << 20) + 1, 5 << 20):
        anchors_module.xz_size(bytes(size))
    assert seen == [None, 2 << 20, 3 << 20]


def test_too_little_memory_is_one_sentence(monkeypatch):
    def fail(data, preset):
        raise MemoryError

    monkeypatch.setattr(anchors_module.lzma, "compress", fail)
    with pytest.raises(OutOfMemoryError, match="xz -9e found too little memory"):
        anchors(b"abc")


def test_empty_and_oversized_data_are_refused(monkeypatch):
    with pytest.raises(DataError, match="empty"):
        anchors(b"")
    monkeypatch.setattr(anchors_module, "MAX_BYTES", 10)
    with pytest.raises(UsageError, match="too many"):
        anchors(bytes(11))
