"""The arithmetic of docs/engine.md on numpy arrays, to the bit: binary32, each operation rounded by itself.

numpy rounds element by element, so whatever is written out here in single operations is exact to the page.
Its own sums and products of matrices take their terms in an order of their own: neither is used on numbers
that are rounded.
"""

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]


def _number(text: str) -> np.float32:
    return np.float32(float.fromhex(text))


ONE, TWO, LEVELS = np.float32(1), np.float32(2), np.float32(127)
LOWEST, HIGHEST = np.float32(-87), np.float32(88)
LOG2_E = _number("0x1.715476p+0")
LN2_HIGH, LN2_LOW = _number("0x1.62e4p-1"), _number("0x1.7f7d1cp-20")
ROUNDING = _number("0x1.8p+23")
"""A number this large has no room for a fraction: added to a smaller one it rounds that to an integer."""
OF_EXP = [_number(text) for text in (
    "0x1.6c16c2p-10", "0x1.111112p-7", "0x1.555556p-5", "0x1.555556p-3", "0x1p-1", "0x1p+0", "0x1p+0",
)]  # fmt: skip
OF_LOG = [_number(text) for text in ("0x1.c71c72p-4", "0x1.24924ap-3", "0x1.99999ap-3", "0x1.555556p-2")]
ROOT_HALF, UNIT = np.int32(0x3F3504F3), np.int32(0x3F800000)
"""The bits of sqrt(1/2) and of 1."""
LINEAR_FROM = np.float32(20)
SMALLEST_PEAK = _number("0x1.4f8b58p-17")


def ordered_sum(terms: Floats, axis: int) -> Floats:
    """((t0 + t1) + t2) + … along an axis."""
    first, *others = np.moveaxis(terms, axis, 0)
    total: Floats = first.copy()
    for term in others:
        total += term
    return total


def s16(x: Floats) -> Floats:
    """The sum over the last axis by 16 partial ones, folded in half until one is left."""
    sums = ordered_sum(_striped(x, 16), -2)
    for half in (8, 4, 2, 1):
        sums = sums[..., :half] + sums[..., half:]
    return np.asarray(sums[..., 0])


def s4_product(x: Floats, stripes: Floats) -> Floats:
    """A matrix that is `in_stripes` times the rows of `x` (P, columns): (P, rows).

    Each is a sum of products by 4 partial ones, added in pairs.
    """
    parts = _striped(x, 4)[..., None]
    sums = parts[:, 0] * stripes[0]
    for index in range(1, len(stripes)):
        sums += parts[:, index] * stripes[index]
    return np.asarray((sums[:, 0] + sums[:, 1]) + (sums[:, 2] + sums[:, 3]))


def in_stripes(matrix: Floats) -> Floats:
    """A matrix (rows, columns) as (columns / 4, 4, rows), columns filled up with 0."""
    return np.ascontiguousarray(_striped(matrix, 4).transpose(1, 2, 0))


def exp(x: Floats) -> Floats:
    """e to the power of x, x taken as at least -87 and at most 88."""
    x = np.minimum(np.maximum(x, LOWEST), HIGHEST)
    shifted = x * LOG2_E + ROUNDING
    k = shifted - ROUNDING
    r = (x - k * LN2_HIGH) - k * LN2_LOW
    p = np.full_like(r, OF_EXP[0])
    for coefficient in OF_EXP[1:]:
        p = p * r + coefficient
    power = shifted.view(np.uint32) - ROUNDING.view(np.uint32)
    return np.asarray((p.view(np.uint32) + (power << np.uint32(23))).view(np.float32))


def log(u: Floats) -> Floats:
    """The natural logarithm of finite numbers from 1 on."""
    bits = u.view(np.int32) + (UNIT - ROOT_HALF)
    k = ((bits >> np.int32(23)) - np.int32(127)).astype(np.float32)
    f = ((bits & np.int32(0x7FFFFF)) + ROOT_HALF).view(np.float32) - ONE
    s = f / (TWO + f)
    z = s * s
    p = np.full_like(z, OF_LOG[0])
    for coefficient in OF_LOG[1:]:
        p = p * z + coefficient
    twice = s + s
    return np.asarray(k * LN2_HIGH + (k * LN2_LOW + (twice + twice * (z * p))))


def softplus(x: Floats) -> Floats:
    """log(1 + exp(x)); x itself above 20."""
    e = exp(x)
    u = ONE + e
    return np.where(x > LINEAR_FROM, x, log(u) + (e - (u - ONE)) / u)


def silu(x: Floats) -> Floats:
    """x / (1 + exp(-x))."""
    return np.asarray(x / (ONE + exp(-x)))


def norm(x: Floats, gain: Floats, eps: np.float32) -> Floats:
    """Each row of `x` over the root of its mean square, times `gain`."""
    mean = s16(x * x) / np.float32(x.shape[-1])
    return np.asarray((x * (ONE / np.sqrt(mean + eps))[..., None]) * gain)


def codes(x: Floats) -> tuple[Floats, Floats]:
    """The rows of `x` (P, n) as whole numbers from -127 to 127, and the step of each row, (P, 1)."""
    peak = np.maximum(np.abs(x).max(axis=-1, keepdims=True), SMALLEST_PEAK)
    return np.rint(x * (LEVELS / peak)), np.asarray(peak / LEVELS)


def bf16(x: Floats) -> Floats:
    """`x` rounded to 8 significant bits, ties to even."""
    bits = x.view(np.uint32)
    rounded = bits + (np.uint32(0x7FFF) + ((bits >> np.uint32(16)) & np.uint32(1)))
    return (rounded & np.uint32(0xFFFF0000)).view(np.float32)


def rotate(x: Floats, cos: Floats, sin: Floats) -> Floats:
    """Heads (…, D) turned by the angles of their positions, `cos` and `sin` (…, D / 2)."""
    first, second = np.split(x, 2, axis=-1)
    return np.concatenate([first * cos - second * sin, second * cos + first * sin], axis=-1)


def _striped(x: Floats, width: int) -> Floats:
    """The last axis filled up with 0 to a multiple of `width`, (…, n / width, width)."""
    missing = -x.shape[-1] % width
    if missing:
        x = np.concatenate([x, np.zeros((*x.shape[:-1], missing), np.float32)], axis=-1)
    return x.reshape(*x.shape[:-1], -1, width)
