"""Bytes to archives and back, in memory, and bytes of all sorts to do it with."""

import io
import random

from toy_coder import TOY, opener

from bbyte.compression.expansion import read_archive
from bbyte.compression.writer import write_archive


def written(data, coder=TOY, **settings):
    target = io.BytesIO()
    settings = {"size": len(data), "threads": 2, "chunk_bytes": 1 << 12} | settings
    summary = write_archive(io.BytesIO(data), target.write, coder, **settings)
    assert summary.coded_bytes == len(target.getvalue())
    return target.getvalue()


def read(archive, by=opener, threads=2):
    target = io.BytesIO()
    read_archive(io.BytesIO(archive), target.write, by, threads=threads)
    return target.getvalue()


def names(folder):
    """The names of all that is in a folder, hidden things too."""
    return sorted(path.name for path in folder.iterdir())


def text(size, seed=0):
    """Words in a random order: shrinks, the better by PPMd."""
    dice = random.Random(seed)
    words = ["byte", "model", "chunk", "of", "the", "stream", "is", "coded", "alone", "and", "again"]
    return b" ".join(dice.choice(words).encode() for _ in range(size // 3))[:size]


def noise(size, seed=0):
    return random.Random(seed).randbytes(size)


MIXED = text(8192) + noise(4096) + noise(256) * 16 + text(3000, 1)
"""Five chunks of 4 KiB, of every kind."""
