"""The sampler once more, a lane and a byte at a time in plain Python: slow, and easy to check by eye."""

import math
from collections.abc import Sequence

from bbyte.generation.sampler import GOLDEN, INVERSE_FACTORIALS, LN2_HIGH, LN2_LOW, LOG2_E
from bbyte.generation.sampling import Sampling
from bbyte.utf8 import state_after, transitions

ALL_BITS = (1 << 64) - 1


def sample_lane(
    logits: Sequence[float], sampling: Sampling, position: int, lane: int, recent: bytes = b""
) -> int:
    """The byte `sample` draws for row `lane` from 256 logits, after the bytes `recent`."""
    x = list(logits)
    if sampling.utf8 == "valid":
        state = state_after(recent)
        x = [value if transitions()[state, byte] >= 0 else -math.inf for byte, value in enumerate(x)]
    if sampling.repetition_penalty != 1:
        for byte in set(recent[-sampling.penalty_window :]):
            penalty = sampling.repetition_penalty
            x[byte] = x[byte] / penalty if x[byte] > 0 else x[byte] * penalty
    largest = max(x)
    if sampling.temperature == 0:
        return x.index(largest)
    weights = [weight_of((value - largest) / sampling.temperature) for value in x]

    order = sorted(range(256), key=lambda byte: (-weights[byte], byte))
    order = order[: sampling.top_k or 256]
    order = [byte for byte in order if weights[byte] >= sampling.min_p * (1 << 40)]
    needed = sampling.top_p * sum(weights[byte] for byte in order)
    kept, reached = set(), 0
    for byte in order:
        kept.add(byte)
        reached += weights[byte]
        if reached >= needed:
            break

    draw = (bits_of(sampling.seed, lane, position) * reached) >> 64
    for byte in range(256):
        draw -= weights[byte] if byte in kept else 0
        if draw < 0:
            return byte
    raise AssertionError("the draw is below the sum of the weights kept")


def weight_of(z: float) -> int:
    """floor(exp(z) * 2^40 + 1/2) for z <= 0."""
    z = max(z, -30.0)
    k = math.floor(z * LOG2_E + 0.5)
    r = (z - k * LN2_HIGH) - k * LN2_LOW
    p = INVERSE_FACTORIALS[0]
    for coefficient in INVERSE_FACTORIALS[1:]:
        product = p * r
        p = product + coefficient
    return math.floor(math.ldexp(p, k + 40) + 0.5)


def bits_of(seed: int, lane: int, position: int) -> int:
    """64 random bits for one byte of one lane."""
    state = mix((seed + GOLDEN) & ALL_BITS)
    state = mix((state + (lane + 1) * GOLDEN) & ALL_BITS)
    return mix((state + (position + 1) * GOLDEN) & ALL_BITS)


def mix(z: int) -> int:
    """SplitMix64's mixing of 64 bits."""
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9 & ALL_BITS
    z = (z ^ (z >> 27)) * 0x94D049BB133111EB & ALL_BITS
    return z ^ (z >> 31)
