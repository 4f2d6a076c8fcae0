"""What classical compressors need for the same bytes, alone and primed with the text a model was trained on.

A trained model has seen its training text, so its fair classical rival has too: the primed cost of some data
is what they add to the training text, size(compress(primer + data)) - size(compress(primer)).
"""

import gzip
import lzma
import math
import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pyppmd

from bbyte.errors import DataError, OutOfMemoryError, UsageError

Buffer = bytes | bytearray | memoryview

MAX_BYTES = 256 << 20  # xz needs about a minute for 64 MB, and all of the data lies in memory
PRIMER_BYTES = 16 << 20
PPMD_ORDER = 16
PPMD_MEMORY = 256 << 20
XZ_PRESET = 9 | lzma.PRESET_EXTREME
XZ_DICTIONARY = 64 << 20  # that of the preset; larger ones cost the encoder about 10.5 times their size
XZ_LARGEST_DICTIONARY = 128 << 20


@dataclass(frozen=True)
class Anchor:
    """A classical compressor's figure: bits per byte of the data, whether it was primed, seconds spent."""

    name: str
    bits_per_byte: float
    primed: bool
    seconds: float


def anchors(data: Buffer, primer: Buffer | None = None) -> list[Anchor]:
    """Bits per byte of `data` under order-0, gzip -9, xz -9e and PPMd order 16; xz and PPMd also primed.

    Only the last 16 MiB of `primer` are used. Needs up to 1.4 GB of memory beside the data. Raises DataError
    for empty data, UsageError for more than 256 MiB.
    """
    check_size(len(data))
    found = [
        _anchor("order-0", data, order0_bits),
        _anchor("gzip -9", data, lambda b: 8 * gzip_size(b)),
        _anchor("xz -9e", data, lambda b: 8 * xz_size(b)),
        _anchor("PPMd o16", data, lambda b: 8 * ppmd_size(b)),
    ]
    if primer is not None and len(primer):
        before = bytes(primer[-PRIMER_BYTES:])
        found.append(_anchor("xz -9e", data, lambda b: 8 * _added(xz_size, before, b), primed=True))
        found.append(_anchor("PPMd o16", data, lambda b: 8 * _added(ppmd_size, before, b), primed=True))
    return found


def check_size(size: int) -> None:
    """Raise what `anchors` raises for data of this many bytes, before any time is spent."""
    if not size:
        raise DataError("there is nothing to compress: the data is empty", "give at least one byte")
    if size > MAX_BYTES:
        raise UsageError(
            f"{size:,} bytes are too many for the anchors, which hold them in memory",
            f"score at most {MAX_BYTES:,} bytes, or leave the anchors out",
        )


def order0_bits(data: Buffer) -> float:
    """Code length in bits of an adaptive order-0 coder: each byte costs -log2((seen + 1/2) / (total + 128)).

    The estimator of Krichevsky and Trofimov, in closed form. Unlike the entropy of the histogram it pays for
    learning the histogram, so that it is a length one could really transmit.
    """
    counts = np.bincount(np.frombuffer(data, np.uint8), minlength=256)
    nats = math.lgamma(len(data) + 128) - math.lgamma(128)
    nats -= math.fsum(math.lgamma(int(count) + 0.5) - math.lgamma(0.5) for count in counts if count)
    return nats / math.log(2)


def gzip_size(data: Buffer) -> int:
    """Bytes of the .gz file `gzip -9` makes of a stream."""
    return len(gzip.compress(data, 9, mtime=0))


def xz_size(data: Buffer) -> int:
    """Bytes of the .xz file `xz -9e` makes; for more than 64 MiB of data with a dictionary of up to 128."""
    if len(data) <= XZ_DICTIONARY:
        return len(lzma.compress(data, preset=XZ_PRESET))
    reach = min(-(-len(data) // (1 << 20)) << 20, XZ_LARGEST_DICTIONARY)
    chain = [{"id": lzma.FILTER_LZMA2, "preset": XZ_PRESET, "dict_size": reach}]
    return len(lzma.compress(data, filters=chain))


def ppmd_size(data: Buffer) -> int:
    """Bytes of the raw PPMd stream (variant H, as in 7-Zip), order 16, 256 MiB; a .7z adds about 130."""
    encoder = pyppmd.Ppmd7Encoder(PPMD_ORDER, PPMD_MEMORY)
    return len(encoder.encode(data)) + len(encoder.flush())


def _added(size: Callable[[Buffer], int], primer: bytes, data: Buffer) -> int:
    return size(primer + bytes(data)) - size(primer)


def _anchor(name: str, data: Buffer, bits: Callable[[Buffer], float], *, primed: bool = False) -> Anchor:
    started = time.perf_counter()
    try:
        figure = bits(data) / len(data)
    except MemoryError:
        raise OutOfMemoryError(
            f"{name} found too little memory", "leave the anchors out, or score less"
        ) from None
    return Anchor(name, figure, primed, time.perf_counter() - started)
