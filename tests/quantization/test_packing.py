"""Packed trits: known bytes, round trips, and bytes that nobody packed."""

import numpy as np
import pytest

from bbyte.errors import DataError
from bbyte.quantization.packing import TRITS_A_BYTE, pack, packed_width, unpack


def test_known_bytes():
    trits = np.array([[-1, 0, 1, 0, 1]], np.int8)
    # 2 bits each, the first lowest: 00 01 10 01 | 10, then zeros (01)
    assert pack(trits, 4).tolist() == [[0b01_10_01_00, 0b01_01_01_10]]
    assert pack(trits, 5).tolist() == [[0 + 1 * 3 + 2 * 9 + 1 * 27 + 2 * 81]]


@pytest.mark.parametrize("trits_a_byte", TRITS_A_BYTE)
@pytest.mark.parametrize("shape", [(1, 1), (3, 4), (5, 5), (7, 9), (16, 256), (2, 1023)])
def test_round_trip(trits_a_byte, shape):
    trits = np.random.default_rng(0).integers(-1, 2, shape, np.int8)
    packed = pack(trits, trits_a_byte)
    assert packed.shape == (shape[0], packed_width(shape[1], trits_a_byte)) and packed.dtype == np.uint8
    assert np.array_equal(unpack(packed, shape[1], trits_a_byte), trits)
    assert np.array_equal(pack(unpack(packed, shape[1], trits_a_byte), trits_a_byte), packed)


@pytest.mark.parametrize("trits_a_byte", TRITS_A_BYTE)
def test_every_byte_is_read_as_itself_or_refused(trits_a_byte):
    accepted = 0
    for value in range(256):
        packed = np.array([[value]], np.uint8)
        try:
            trits = unpack(packed, trits_a_byte, trits_a_byte)
        except DataError:
            continue
        assert pack(trits, trits_a_byte).tolist() == [[value]]
        accepted += 1
    assert accepted == 3**trits_a_byte


@pytest.mark.parametrize("trits_a_byte", TRITS_A_BYTE)
def test_what_fills_the_last_byte_must_be_zeros(trits_a_byte):
    packed = pack(np.ones((2, 3), np.int8), trits_a_byte)
    packed[1, 0] ^= 0b11_00_00_00 if trits_a_byte == 4 else 0
    packed[1, 0] -= 81 if trits_a_byte == 5 else 0
    with pytest.raises(DataError, match="no packed trits"):
        unpack(packed, 3, trits_a_byte)
