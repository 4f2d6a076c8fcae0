"""From logits to a byte: a sampler specified to the bit, with no state but a seed, a lane and a position.

The same logits and settings give the same byte on every machine, in numpy or in plain C without FMA
contraction, because each step is an integer operation or one correctly rounded IEEE float64 operation:

1. Logits are widened from float32 to float64 (exact). Each byte among the lane's last `penalty_window` ones
   has its logit x replaced by x / penalty if x > 0, else x * penalty (Keskar et al. 2019, CTRL), once.
2. Where the text must be valid UTF-8, the logit of each byte that cannot follow the last three is -inf
   (`bbyte.utf8`). Temperature 0: the byte of the largest logit, the lowest of them on ties. Otherwise:
3. z = max((x - largest) / temperature, -30), weight = floor(exp(z) * 2^40 + 1/2), with the exp of `exp40`.
4. Bytes are ordered by weight, descending, equal weights by byte, ascending, and a prefix is kept: the first
   `top_k`; of these the ones with weight >= min_p * 2^40; of these, S being the sum of their weights, the
   shortest prefix whose sum is >= top_p * S (one float64 product each).
5. u = 64 random bits (`random_bits`), r = (u * total) >> 64 in 128-bit integers, total being the sum of the
   weights kept. The byte is the lowest one whose cumulative kept weight, in the order of bytes, exceeds r.

A logit may be -inf (that byte is impossible); NaN, +inf and a lane without any finite logit are refused.
"""

import numpy as np
from numpy.typing import NDArray

from bbyte.errors import BbyteError
from bbyte.generation.sampling import Sampling
from bbyte.utf8 import LONGEST_BEGINNING, state_after, transitions

Weights = NDArray[np.int64]
GOLDEN = 0x9E3779B97F4A7C15
LOG2_E = float.fromhex("0x1.71547652b82fep+0")
LN2_HIGH = float.fromhex("0x1.62e42feep-1")  # 32 significant bits, so that k * LN2_HIGH is exact
LN2_LOW = float.fromhex("0x1.a39ef35793c76p-33")
LARGEST_WEIGHT = 1 << 40
# 1/n! for n = 11 .. 0, correctly rounded.
INVERSE_FACTORIALS = (
    float.fromhex("0x1.ae64567f544e4p-26"),
    float.fromhex("0x1.27e4fb7789f5cp-22"),
    float.fromhex("0x1.71de3a556c734p-19"),
    float.fromhex("0x1.a01a01a01a01ap-16"),
    float.fromhex("0x1.a01a01a01a01ap-13"),
    float.fromhex("0x1.6c16c16c16c17p-10"),
    float.fromhex("0x1.1111111111111p-7"),
    float.fromhex("0x1.5555555555555p-5"),
    float.fromhex("0x1.5555555555555p-3"),
    0.5,
    1.0,
    1.0,
)


def sample(
    logits: NDArray[np.float32], sampling: Sampling, position: int, recent: NDArray[np.uint8] | None = None
) -> NDArray[np.uint8]:
    """Draw each lane's next byte, shape (L,), from its logits (L, 256).

    position: how many bytes of the document come before this one, the prompt included. Row l is lane l.
    recent: the bytes before, (L, any); the repetition penalty looks at the last `penalty_window` of them, and
    UTF-8 at the last three.
    Raises BbyteError for logits that are no distribution.
    """
    x = logits.astype(np.float64)
    has_bound = bool((x < np.inf).all())
    if sampling.utf8 == "valid":
        before = np.empty((len(x), 0), np.uint8) if recent is None else recent
        states = [state_after(row.tobytes()) for row in before[:, -LONGEST_BEGINNING:]]
        x[transitions()[states] < 0] = -np.inf
    if recent is not None and sampling.repetition_penalty != 1:
        x = penalise(x, sampling.repetition_penalty, recent[:, -sampling.penalty_window :])
    largest = x.max(axis=1, keepdims=True)
    if not (has_bound and np.isfinite(largest).all()):
        raise BbyteError(
            f"the model gives no distribution for byte {position}",
            "its weights may have diverged: try an earlier checkpoint",
        )
    return draw(x, sampling, random_bits(sampling.seed, len(x), position))


def draw(x: NDArray[np.float64], sampling: Sampling, bits: NDArray[np.uint64]) -> NDArray[np.uint8]:
    """A byte for each row of logits (L, 256), the largest of which is finite, by 64 random bits a row (L,).

    As `sample` does once it has lowered what is repeated. A logit of -inf is a byte that cannot come.
    """
    if sampling.temperature == 0:
        return np.asarray(x.argmax(axis=1), np.uint8)
    weights = keep(exp40((x - x.max(axis=1, keepdims=True)) / sampling.temperature), sampling)
    reached = weights.cumsum(axis=1).astype(np.uint64)
    return np.asarray((reached > scale(bits, reached[:, -1])[:, None]).argmax(axis=1), np.uint8)


def penalise(x: NDArray[np.float64], penalty: float, recent: NDArray[np.uint8]) -> NDArray[np.float64]:
    """Logits (L, 256) with those of the bytes in `recent` (L, W) lowered, once each."""
    repeated = np.zeros(x.shape, bool)
    np.put_along_axis(repeated, recent.astype(np.intp), True, axis=1)
    return np.where(repeated, np.where(x > 0, x / penalty, x * penalty), x)


def exp40(z: NDArray[np.float64]) -> Weights:
    """floor(exp(z) * 2^40 + 1/2) for z <= 0, by a fixed sequence of float64 operations; 0 below about -28.4.

    k = floor(z * LOG2_E + 1/2), r = (z - k * LN2_HIGH) - k * LN2_LOW, then the Taylor polynomial of degree 11
    by Horner's rule, p = p * r + 1/n! with each product rounded before the sum, and ldexp(p, k + 40). Before
    the last rounding the relative error is below 1e-14.
    """
    z = np.maximum(z, -30.0)
    k = np.floor(z * LOG2_E + 0.5)
    r = (z - k * LN2_HIGH) - k * LN2_LOW
    p = np.full_like(r, INVERSE_FACTORIALS[0])
    for coefficient in INVERSE_FACTORIALS[1:]:
        p = p * r + coefficient
    return np.floor(np.ldexp(p, k.astype(np.int32) + 40) + 0.5).astype(np.int64)


def keep(weights: Weights, sampling: Sampling) -> Weights:
    """The weights (L, 256) with all but those kept by top-k, min-p and top-p set to 0."""
    if sampling.top_k == 0 and sampling.top_p == 1 and sampling.min_p == 0:
        return weights
    keys = weights * 256 + np.arange(255, -1, -1)  # distinct, and ordered by weight, then by byte
    ordered = np.sort(keys, axis=1)[:, ::-1]
    heaviest = ordered >> 8
    count = np.minimum(sampling.top_k or 256, (heaviest >= sampling.min_p * LARGEST_WEIGHT).sum(axis=1))
    reached = heaviest.cumsum(axis=1)
    total = np.take_along_axis(reached, count[:, None] - 1, axis=1)
    count = np.minimum(count, 1 + (reached < sampling.top_p * total).sum(axis=1))
    return np.where(keys >= np.take_along_axis(ordered, count[:, None] - 1, axis=1), weights, 0)


def random_bits(seed: int, lanes: int, position: int) -> NDArray[np.uint64]:
    """64 random bits a lane, (L,), a pure function of seed, lane and position.

    mix(mix(mix(seed + G) + (lane + 1) * G) + (position + 1) * G) modulo 2^64, with the increment G and the
    mix of SplitMix64 (Steele, Lea and Flood 2014): lane l reads the SplitMix64 stream that starts at a hash
    of the seed and l.
    """
    state = _mix(np.full(lanes, (seed + GOLDEN) % (1 << 64), np.uint64))
    state = _mix(state + np.arange(1, lanes + 1, dtype=np.uint64) * np.uint64(GOLDEN))
    return _mix(state + np.uint64((position + 1) * GOLDEN % (1 << 64)))


def scale(bits: NDArray[np.uint64], total: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """(bits * total) >> 64, exactly: a number below `total` (at most 2^48) from 64 random bits."""
    low, half = np.uint64(0xFFFFFFFF), np.uint64(32)
    carried = ((bits & low) * (total & low)) >> half
    middle = (bits >> half) * (total & low) + carried
    other = (bits & low) * (total >> half) + (middle & low)
    return np.asarray((bits >> half) * (total >> half) + (middle >> half) + (other >> half))


def _mix(z: NDArray[np.uint64]) -> NDArray[np.uint64]:
    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return np.asarray(z ^ (z >> np.uint64(31)))
