"""A matrix times activations, in the arithmetic of docs/engine.md."""

import numpy as np
from numpy.typing import NDArray

from bbyte.engine.arithmetic import Floats, codes, in_stripes, s4_product
from bbyte.engine.weights import Matrix
from bbyte.quantization.packing import unpack

EXACT = 1 << 24
"""Up to here a binary32 holds every whole number."""
LARGEST_CODE = 127


class Product:
    """What a matrix makes of rows: of 8-bit codes where it is ternary and `int8`, else of numbers."""

    def __init__(self, matrix: Matrix, *, int8: bool) -> None:
        self._scales = np.ones(1, np.float32) if matrix.scales is None else matrix.scales
        self._trits: NDArray[np.floating] | None = None
        if matrix.packed is None:
            assert matrix.values is not None  # noqa: S101
            self._stripes = in_stripes(matrix.values)
            return
        trits = unpack(matrix.packed, matrix.columns, matrix.trits_a_byte)
        if int8:
            # A library may add whole numbers in any order, as long as it holds every sum of some of them.
            kind = np.float32 if matrix.columns * LARGEST_CODE <= EXACT else np.float64
            self._trits = trits.T.astype(kind)
        else:
            self._stripes = in_stripes(trits.astype(np.float32))

    def __call__(self, x: Floats) -> Floats:
        """`x` (L, T, columns) to (L, T, rows)."""
        rows = x.reshape(-1, x.shape[-1])
        found = self._of_numbers(rows) if self._trits is None else self._of_codes(rows, self._trits)
        return found.reshape(*x.shape[:-1], -1)

    def _of_numbers(self, x: Floats) -> Floats:
        return s4_product(x, self._stripes) * self._scales

    def _of_codes(self, x: Floats, trits: NDArray[np.floating]) -> Floats:
        whole, step = codes(x)
        sums = (whole.astype(trits.dtype) @ trits).astype(np.int32).astype(np.float32)
        return np.asarray(sums * (step * self._scales))
