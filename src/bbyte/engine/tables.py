"""The rotary table of docs/engine.md, from + - * / in binary64 alone: no machine's libm has a say in it."""

import math

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]
Doubles = NDArray[np.float64]
AT_ONCE = 1 << 15
"""Numbers worked on together, so that they stay in the cache."""
LN2 = float.fromhex("0x1.62e42fefa39efp-1")
ROOT_HALF = 0.7071
TWO_OVER_PI = float.fromhex("0x1.45f306dc9c883p-1")
HALF_PI = [float.fromhex(text) for text in ("0x1.921fb54p+0", "0x1.10b4611p-30", "0x1.4c4c6628b80dcp-59")]
"""pi / 2 in parts; whole numbers below 2^24 times the first two are exact."""
OF_LOG = [1 / (2 * n + 1) for n in range(12, -1, -1)]
OF_EXP = [1 / math.factorial(n) for n in range(15, -1, -1)]
OF_COS = [(-1) ** n / math.factorial(2 * n) for n in range(8, -1, -1)]
OF_SIN = [(-1) ** n / math.factorial(2 * n + 1) for n in range(8, -1, -1)]


def rotary(base: float, head_width: int, positions: int) -> tuple[Floats, Floats]:
    """Cosine and sine of the angles `t * base^(-2i / D)`, each (positions, head_width / 2).

    Rotary positions (arXiv 2104.09864), t from 0 to positions - 1, at most 2^24 of them.
    """
    frequencies = powers(base, -2 * np.arange(head_width // 2) / head_width).astype(np.float32)
    cos, sin = (np.empty((positions, head_width // 2), np.float32) for _ in range(2))
    step = max(1, AT_ONCE // max(1, head_width // 2))
    for start in range(0, positions, step):
        rows = slice(start, min(start + step, positions))
        angles = np.arange(rows.start, rows.stop, dtype=np.float32)[:, None] * frequencies
        cos[rows], sin[rows] = _cos_sin(angles.astype(np.float64))
    return cos, sin


def logarithms(x: Doubles) -> Doubles:
    """The natural logarithms of positive numbers."""
    mantissa, power = np.frexp(x)
    is_low = mantissa < ROOT_HALF
    mantissa, power = np.where(is_low, 2 * mantissa, mantissa), power - is_low
    s = (mantissa - 1) / (mantissa + 1)
    return np.asarray(power * LN2 + 2 * s * _polynomial(OF_LOG, s * s))


def powers(base: float, exponents: Doubles) -> Doubles:
    """`base` > 1 to the power of each exponent."""
    mantissa, power = math.frexp(base)
    if mantissa < ROOT_HALF:
        mantissa, power = 2 * mantissa, power - 1
    s = (mantissa - 1) / (mantissa + 1)
    log2 = power + 2 * s * float(_polynomial(OF_LOG, np.array([s * s]))[0]) / LN2
    y = exponents * log2
    k = np.rint(y)
    return np.ldexp(_polynomial(OF_EXP, (y - k) * LN2), k.astype(np.int32))


def _cos_sin(angles: Doubles) -> tuple[Doubles, Doubles]:
    """Of angles from 0 to 2^24 that a binary32 holds."""
    quarter = np.rint(angles * TWO_OVER_PI)
    r = angles
    for part in HALF_PI:
        r = r - quarter * part
    z = r * r
    cos, sin = _polynomial(OF_COS, z), r * _polynomial(OF_SIN, z)
    turns = quarter.astype(np.int32)
    is_odd = (turns & 1).astype(bool)
    of_cos, of_sin = np.where(is_odd, sin, cos), np.where(is_odd, cos, sin)
    return np.where((turns + 1) & 2, -of_cos, of_cos), np.where(turns & 2, -of_sin, of_sin)


def _polynomial(coefficients: list[float], x: Doubles) -> Doubles:
    """By Horner's rule, the highest power's coefficient first."""
    total = np.full_like(x, coefficients[0])
    for coefficient in coefficients[1:]:
        total *= x
        total += coefficient
    return total
