"""One chunk coded in the smallest of three ways, and decoded: stored, by zstd, or by a model."""

import sys

from bbyte.compression.coder import ChunkCoder, OnProgress
from bbyte.compression.layout import LARGEST_CHUNK, NEURAL, STORED, ZSTD, Chunk, digest
from bbyte.compression.noise import is_noise
from bbyte.errors import DataError

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

ZSTD_LEVEL = 19
_ZSTD_WINDOW = {int(zstd.DecompressionParameter.window_log_max): LARGEST_CHUNK.bit_length() - 1}


def encode(
    number: int, data: bytes, coder: ChunkCoder | None = None, on_progress: OnProgress | None = None
) -> Chunk:
    """The chunk of these bytes, at least one, as short as it gets; of equal lengths, what decodes faster."""
    kind, mode, coded = STORED, 0, data
    by_zstd = zstd.compress(data, ZSTD_LEVEL)
    if len(by_zstd) < len(coded):
        kind, coded = ZSTD, by_zstd
    if coder is not None and not (kind == STORED and is_noise(data)):
        how, by_model = coder.encode(data, on_progress)
        if len(by_model) < len(coded):
            kind, mode, coded = NEURAL, how, by_model
    return Chunk(number, kind, mode, len(data), digest(data), coded)


def decode(
    chunk: Chunk, name: str, coder: ChunkCoder | None = None, on_progress: OnProgress | None = None
) -> bytes:
    """The bytes that `encode` was given; only a neural chunk needs a coder.

    Raises DataError, about `name`, where they are not those that were compressed.
    """
    if chunk.kind == STORED:
        plain = chunk.coded
    elif chunk.kind == ZSTD:
        plain = _by_zstd(chunk.coded, chunk.size)
    else:
        assert coder is not None  # noqa: S101
        try:
            plain = coder.decode(chunk.mode, chunk.coded, chunk.size, on_progress)
        except DataError as error:
            raise DataError(f"{name}: chunk {chunk.number:,}: {error.message}", error.hint) from None
    if len(plain) != chunk.size or digest(plain) != chunk.plain_digest:
        raise DataError(
            f"{name}: chunk {chunk.number:,} does not decode to what was compressed",
            "this machine computes otherwise than the one that compressed it: bbyte doctor",
        )
    return plain


def _by_zstd(coded: bytes, size: int) -> bytes:
    decoder = zstd.ZstdDecompressor(options=_ZSTD_WINDOW)
    try:
        return decoder.decompress(coded, size + 1)  # one more byte than there should be tells
    except zstd.ZstdError:
        return b""
