"""Chunks coded by the engine: the model's distribution of each byte, spent by a range coder.

All arithmetic is that of docs/engine.md and docs/coder.md, so that any machine decodes what any other
has coded.
"""

import ctypes
import json
import weakref
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from blake3 import blake3
from numpy.typing import NDArray

from bbyte.checkpoint.find import Found
from bbyte.compression.coder import MODES, ChunkCoder, Coding, Make, OnProgress
from bbyte.compression.tables import tables
from bbyte.engine import core, weights
from bbyte.engine.native import NO_DISTRIBUTION, Native, NativeModel
from bbyte.engine.weights import VOCABULARY, Floats, Weights
from bbyte.errors import DataError, OutOfMemoryError
from bbyte.models.window import forgotten

ARITHMETIC = 1
"""Version of the engine's arithmetic and the coder's, together."""
AT_ONCE = 4096
PROBE_TEXT = b"The quick brown fox jumps over the lazy dog; 0123456789 \xc3\xa9\xe2\x82\xac\x00\xff\n"[:64]
WORD = 4
FEWER_THREADS = "take fewer --threads"


@dataclass(frozen=True)
class Segment:
    """`count` bytes of a chunk from `begin` on, by their logits.

    They are fed to the model as well; or, where its context is full and so `reread` is given, all the bytes
    from there on, to a model that has forgotten everything. The chunk's 0x00 counts as byte 0.
    """

    begin: int
    count: int
    reread: int | None = None


def segments(size: int, context: int | None) -> Iterator[Segment]:
    """How a chunk of `size` bytes goes through a model that sees `context` at once; None: through a state."""
    begin, held = 1, 1
    while begin <= size:
        room = AT_ONCE if context is None else context - held
        if room == 0:
            held = held + 1 - forgotten(held + 1, context or 0)
            yield Segment(begin, 1, begin + 1 - held)
            begin += 1
        else:
            count = min(room, size + 1 - begin)
            yield Segment(begin, count)
            begin, held = begin + count, held + count


class ModelCoder:
    """Codes chunks with a model on the native core (`ChunkCoder`)."""

    arithmetic = ARITHMETIC
    lanes = 1

    def __init__(self, model: "SharedModel", modes: Sequence[int], mode: str) -> None:
        self.identity, self.mode = model.identity, mode
        self._modes, self._model = modes, model
        self._streams = Native(model.native, 1, model.context)
        self._context = model.context if self._streams.is_bounded else None
        self.window = "half-overlap" if self._streams.is_bounded else "none"

    def encode(self, data: bytes, on_progress: OnProgress | None = None) -> tuple[int, bytes]:
        """The mode of what came out smallest, and the coded bytes."""
        text = np.concatenate([np.zeros(1, np.uint8), np.frombuffer(data, np.uint8)])
        coders = [_Stream(mode, len(data)) for mode in self._modes]
        logits = self._begin(text)
        for segment in segments(len(data), self._context):
            end = segment.begin + segment.count
            if segment.reread is None:
                found = self._streams.step(text[None, segment.begin : end], every=True)[0]
                rows, after = np.concatenate([logits, found[:-1]]), found[-1:]
            else:
                self._streams.clear()
                rows, after = logits, self._streams.step(text[None, segment.reread : end], every=False)
            for coder in coders:
                coder.encode(rows, text[segment.begin : end])
            logits = after
            if on_progress is not None:
                on_progress(end - 1)
        coded = [coder.finish() for coder in coders]
        best = min(range(len(coded)), key=lambda at: len(coded[at]))
        return self._modes[best], coded[best]

    def decode(self, mode: int, coded: bytes, size: int, on_progress: OnProgress | None = None) -> bytes:
        """The bytes that were coded. Raises DataError for an unknown mode or bytes that no coder wrote."""
        if mode not in range(len(MODES)) or len(coded) % WORD:
            raise DataError(f"no coder has the mode {mode}, or ends inside a word", "the file is damaged")
        text = np.zeros(size + 1, np.uint8)
        coder = _Stream(mode, size)
        coder.begin(coded)
        self._begin(text)
        for segment in segments(size, self._context):
            end = segment.begin + segment.count
            coder.decode(self._streams, text[segment.begin : end], feeds=segment.reread is None)
            if segment.reread is not None:
                self._streams.clear()
                self._streams.step(text[None, segment.reread : end], every=False)
            if on_progress is not None:
                on_progress(end - 1)
        return text[1:].tobytes()

    def probe(self) -> bytes:
        """The digest of the frequencies of the bytes of a fixed text."""
        text = np.frombuffer(b"\0" + PROBE_TEXT, np.uint8)
        capacity = self._context or len(text)
        self._streams.clear()
        digest = blake3()
        for start in range(0, len(PROBE_TEXT), capacity):
            self._streams.clear()
            part = text[start : min(start + capacity, len(PROBE_TEXT))]
            for row in self._streams.step(part[None], every=True)[0]:
                digest.update(frequencies(row).tobytes())
        return digest.digest()

    def _begin(self, text: NDArray[np.uint8]) -> Floats:
        self._streams.clear()
        return self._streams.step(text[None, :1], every=False)


class SharedModel:
    """The weights that all coders of a checkpoint share."""

    def __init__(self, found: Found) -> None:
        loaded = weights.load(found)
        self.identity = _identity(found, loaded)
        self.native, self.context = NativeModel(loaded), max(2, found.meta.context)


def identity_of(found: Found) -> bytes:
    """The identity of a checkpoint's model, without giving it to the core."""
    return _identity(found, weights.load(found))


def make_coders(
    found: Found, *, hybrid: str = "auto", adapt: bool = False, coding: Coding | None = None
) -> Make:
    """What makes the coders of a verified checkpoint, which share its weights.

    hybrid: "auto" takes it chunk by chunk where it wins. Raises what `weights.load` and `NativeModel` raise.
    """
    model = SharedModel(found)
    modes = {"off": [0], "on": [1], "auto": [0, 1]}[hybrid]
    modes += [one | 2 for one in modes] if adapt else []

    def make() -> ChunkCoder:
        return ModelCoder(model, modes, coding.mode if coding is not None else MODES[max(modes)])

    return make


def frequencies(logits: Floats) -> NDArray[np.uint32]:
    """The shares of the 256 bytes (256,), each at least 1, of 2^24, by their logits."""
    found = core.library()
    assert found is not None  # noqa: S101
    row, shares = np.ascontiguousarray(logits, np.float32), np.empty(VOCABULARY, np.uint32)
    if found.bbyte_frequencies(core.address(row), core.address(shares)):
        raise no_distribution()
    return shares


def no_distribution() -> DataError:
    """What is wrong with a model whose logits are no numbers."""
    return DataError(
        "the model gives no distribution of the next byte",
        "its weights may have diverged: try an earlier checkpoint",
    )


def _identity(found: Found, loaded: Weights) -> bytes:
    """BLAKE3 of the family, config and context, and of the tensors, block by block and role by role."""
    meta = found.meta
    described = {"family": meta.family, "config": meta.config, "context": meta.context}
    digest = blake3(json.dumps(described, sort_keys=True).encode())
    arrays: list[NDArray[np.generic] | None] = [loaded.embedding, loaded.head, loaded.final_norm]
    for layer in loaded.layers:
        for _, matrix in sorted(layer.matrices.items()):
            arrays += [matrix.values, matrix.packed, matrix.scales]
        arrays += [values for _, values in sorted(layer.vectors.items())]
    for array in arrays:
        if array is not None:
            digest.update(np.ascontiguousarray(array).reshape(-1).view(np.uint8).data)
    return digest.digest()


class _Stream:
    """One chunk's range coder in the core."""

    def __init__(self, mode: int, size: int) -> None:
        found = core.library()
        assert found is not None  # noqa: S101
        self._core, self._tables = found, tables()
        handle = found.bbyte_coder_new(self._tables, mode, size)
        if not handle:
            raise OutOfMemoryError("there is no memory for a coder", FEWER_THREADS)
        self._handle = ctypes.c_void_p(handle)
        weakref.finalize(self, found.bbyte_coder_free, self._handle)

    def encode(self, logits: Floats, data: NDArray[np.uint8]) -> None:
        data = np.ascontiguousarray(data)
        given = core.address(logits), core.address(data)
        problem = self._core.bbyte_coder_encode(self._handle, *given, len(data))
        if problem == NO_DISTRIBUTION:
            raise no_distribution()
        if problem:
            raise OutOfMemoryError("there is no memory for the coded bytes", FEWER_THREADS)

    def finish(self) -> bytes:
        count = self._core.bbyte_coder_finish(self._handle)
        return (
            ctypes.string_at(self._core.bbyte_coder_words(self._handle), count * WORD) if count > 0 else b""
        )

    def begin(self, coded: bytes) -> None:
        words = np.frombuffer(coded, "<u4")
        if self._core.bbyte_coder_begin(self._handle, core.address(words), len(words)):
            raise OutOfMemoryError("there is no memory for the coded bytes", FEWER_THREADS)

    def decode(self, streams: Native, into: NDArray[np.uint8], *, feeds: bool) -> None:
        if not streams.decode(self._handle, into, feeds=feeds):
            raise DataError("its coded bytes are none that a coder wrote", "the file is damaged")
