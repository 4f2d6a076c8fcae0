"""Ternary matrices as bytes: four trits a byte (2 bits each), or five (base 3). Imports no torch."""

import numpy as np
from numpy.typing import NDArray

from bbyte.errors import DataError

TRITS_A_BYTE = (4, 5)
DAMAGED = "the file is damaged: use a copy, or export it again"


def pack(trits: NDArray[np.int8], trits_a_byte: int) -> NDArray[np.uint8]:
    """A matrix (rows, columns) of -1, 0 and 1 as (rows, ceil(columns / trits_a_byte)) bytes.

    A trit t is the digit t + 1. Four of them are two bits each, five are digits in base 3, the first in the
    lowest place; a row that does not fill its last byte is filled with zeros.
    """
    rows, columns = trits.shape
    width = packed_width(columns, trits_a_byte)
    digits = np.ones((rows, width * trits_a_byte), np.uint8)
    digits[:, :columns] = trits + 1
    places = _places(trits_a_byte)
    packed: NDArray[np.uint8] = digits.reshape(rows, width, trits_a_byte) @ places
    return packed


def unpack(packed: NDArray[np.uint8], columns: int, trits_a_byte: int) -> NDArray[np.int8]:
    """The matrix (rows, columns) that was packed. Raises DataError for bytes that `pack` does not write."""
    rows, width = packed.shape
    base = 4 if trits_a_byte == 4 else 3
    table = np.arange(256)[:, None] // _places(trits_a_byte).astype(int) % base
    written = (table < 3).all(axis=1) & (np.arange(256) < base**trits_a_byte)
    digits = table.astype(np.int8)[packed].reshape(rows, width * trits_a_byte)
    if not written[packed].all() or (digits[:, columns:] != 1).any():
        raise DataError("it holds bytes that are no packed trits", DAMAGED)
    return np.ascontiguousarray(digits[:, :columns] - np.int8(1))


def packed_width(columns: int, trits_a_byte: int) -> int:
    """Bytes that a row of so many trits takes."""
    return -(-columns // trits_a_byte)


def _places(trits_a_byte: int) -> NDArray[np.uint8]:
    return np.array([(4 if trits_a_byte == 4 else 3) ** place for place in range(trits_a_byte)], np.uint8)
