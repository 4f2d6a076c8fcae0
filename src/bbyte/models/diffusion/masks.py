"""Which bytes of a window are hidden: a pure function of the window's key, the same on every machine.

Keys are consecutive numbers. From a key come a point u in [0, 1), by a step of the golden ratio, so that the
points of any consecutive windows lie evenly spread, and random words by splitmix64. Shapes: B windows of T
bytes. Imports no torch.
"""

import numpy as np
from numpy.typing import NDArray

from bbyte.models.diffusion.config import MaskingConfig

_GOLDEN = np.uint64(0x9E3779B97F4A7C15)
_MIX_1, _MIX_2 = np.uint64(0xBF58476D1CE4E5B9), np.uint64(0x94D049BB133111EB)
_SHORT, _LENGTH, _SHIFT = np.uint64(1), np.uint64(2), np.uint64(3)  # what a random word is for
_UNIT = 2.0**-53


def points(keys: NDArray[np.int64]) -> NDArray[np.float64]:
    """A point in [0, 1) for each key; those of consecutive keys are evenly spread."""
    with np.errstate(over="ignore"):
        return (keys.astype(np.uint64) * _GOLDEN >> np.uint64(11)).astype(np.float64) * _UNIT


def counts(keys: NDArray[np.int64], lengths: NDArray[np.int64], config: MaskingConfig) -> NDArray[np.int64]:
    """How many of its `lengths` bytes each window hides: 1 to all of them, every number as likely.

    With other settings than the default: a rate between the smallest and the largest, rounded up, of
    `diffusion_steps` evenly spaced ones if so many are asked for.
    """
    u = points(keys)
    if config.diffusion_steps is not None:
        u = (np.floor(u * config.diffusion_steps) + 1) / config.diffusion_steps
    rates = config.min_mask_prob + (config.max_mask_prob - config.min_mask_prob) * u
    # Rounded up, but not for the last digit: 0.07 * 100 is more than 7.
    return np.clip(np.ceil(rates * lengths - 1e-9).astype(np.int64), 1, lengths)


def lengths(keys: NDArray[np.int64], length: int, config: MaskingConfig) -> NDArray[np.int64]:
    """How long each window is: `length`, but for the part of them that is cut to any length from 1 on."""
    short = _uniform(keys, _SHORT) < config.short_windows
    cut = 1 + np.floor(_uniform(keys, _LENGTH) * length).astype(np.int64)
    return np.where(short, cut, length)


def masks(
    keys: NDArray[np.int64],
    counts: NDArray[np.int64],
    lengths: NDArray[np.int64],
    length: int,
    span: int = 1,
) -> NDArray[np.bool_]:
    """Which bytes are hidden, (B, T): exactly `counts` of the first `lengths` of each window, at random.

    With `span` they are taken in stretches of so many bytes, the last one perhaps in part.
    """
    position = np.arange(length, dtype=np.uint64)
    begin = (_words(keys, _SHIFT) % np.uint64(span))[:, None] if span > 1 else np.zeros((1, 1), np.uint64)
    stretch, within = np.divmod(position[None, :] + begin, np.uint64(span))
    with np.errstate(over="ignore"):
        seeds = _mixed(keys.astype(np.uint64) + _GOLDEN)[:, None]
        order = _mixed(seeds + (stretch + np.uint64(8)) * _GOLDEN)
    # Bytes of a stretch follow each other: the upper bits order the stretches, the lower ones their bytes.
    order = (order & ~np.uint64(0xFFFF)) | np.minimum(within, np.uint64(0xFFFF)) if span > 1 else order
    order = np.where(position[None, :] < lengths[:, None].astype(np.uint64), order, np.uint64(2**64 - 1))
    last = np.take_along_axis(np.sort(order, axis=1), counts[:, None] - 1, axis=1)
    return order <= last


def _uniform(keys: NDArray[np.int64], purpose: np.uint64) -> NDArray[np.float64]:
    return (_words(keys, purpose) >> np.uint64(11)).astype(np.float64) * _UNIT


def _words(keys: NDArray[np.int64], purpose: np.uint64) -> NDArray[np.uint64]:
    with np.errstate(over="ignore"):
        return _mixed(_mixed(keys.astype(np.uint64) + _GOLDEN) + purpose * _GOLDEN)


def _mixed(words: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """The splitmix64 finaliser (Steele, Lea and Flood 2014)."""
    with np.errstate(over="ignore"):
        words = (words ^ (words >> np.uint64(30))) * _MIX_1
        words = (words ^ (words >> np.uint64(27))) * _MIX_2
    return words ^ (words >> np.uint64(31))
