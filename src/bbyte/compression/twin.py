"""The coder of docs/coder.md a second time, from its text alone: slow, readable, and of the same bits.

The model is computed by the engine's twin, and the range coder is constriction itself.
"""

from collections.abc import Sequence

import constriction  # type: ignore[import-untyped]
import numpy as np
from blake3 import blake3
from numpy.typing import NDArray

from bbyte.checkpoint.find import Found
from bbyte.compression.coder import MODES, ChunkCoder, Coding, Make, OnProgress
from bbyte.compression.model_coder import ARITHMETIC, PROBE_TEXT, identity_of
from bbyte.compression.twin_hybrid import Hybrid
from bbyte.engine import weights
from bbyte.engine.arithmetic import exp
from bbyte.engine.twin import Twin
from bbyte.engine.weights import VOCABULARY, Floats, Weights
from bbyte.errors import DataError

TOTAL = 1 << 24
HYBRID, ADAPT = 1, 2
ADAPTATION = np.float32(2**-6)
OF_A_SHARE = np.float32(2**-30)
MANY = 4096
"""The 0x00 before a chunk, and a Mamba's room for positions: it needs none, whatever the number."""


class CoderTwin:
    """Codes chunks with a model in numpy (`ChunkCoder`), some hundreds of bytes a second."""

    arithmetic = ARITHMETIC
    lanes = 1

    def __init__(self, model: Weights, context: int, identity: bytes, modes: Sequence[int]) -> None:
        """`context`: the most bytes that a transformer sees at once; `modes`: those to choose from."""
        self.identity, self.mode, self._modes = identity, MODES[max(modes)], modes
        self._model = _Reader(model, context)
        self.window = "half-overlap" if self._model.is_bounded else "none"

    def encode(self, data: bytes, on_progress: OnProgress | None = None) -> tuple[int, bytes]:
        """The mode of what came out smallest, and the coded bytes."""
        coded = []
        for mode in self._modes:
            target = _Target()
            self._code(mode, target, data, len(data), on_progress)
            coded.append(target.encoder.get_compressed().astype("<u4").tobytes())
        best = min(range(len(coded)), key=lambda at: len(coded[at]))
        return self._modes[best], coded[best]

    def decode(self, mode: int, coded: bytes, size: int, on_progress: OnProgress | None = None) -> bytes:
        """The bytes that were coded. Raises DataError for an unknown mode or bytes that no coder wrote."""
        if mode not in range(len(MODES)) or len(coded) % 4:
            raise DataError(f"no coder has the mode {mode}, or ends inside a word", "the file is damaged")
        return self._code(mode, _Source(coded), None, size, on_progress)

    def probe(self) -> bytes:
        """The digest of the frequencies of the bytes of a fixed text."""
        digest = blake3()
        for row in self._model.every(PROBE_TEXT):
            digest.update(frequencies(row).astype("<u4").tobytes())
        return digest.digest()

    def _code(
        self,
        mode: int,
        stream: "_Target | _Source",
        data: bytes | None,
        size: int,
        on_progress: OnProgress | None,
    ) -> bytes:
        """`data` to the stream; or without it `size` bytes of the stream."""
        text, model = bytearray(), self._model
        hybrid = Hybrid() if mode & HYBRID else None
        bias = np.zeros(VOCABULARY, np.float32)
        model.begin()
        for at in range(size):
            shares = frequencies(model.logits + bias if mode & ADAPT else model.logits)
            byte = None if data is None else data[at]
            byte = stream.code(shares, byte) if hybrid is None else hybrid.code(shares, stream, byte)
            if mode & ADAPT:
                bias -= shares.astype(np.float32) * OF_A_SHARE
                bias[byte] += ADAPTATION
            model.feed(byte)
            text.append(byte)
            if on_progress is not None:
                on_progress(at + 1)
        return bytes(text)


def make_twins(
    found: Found, *, hybrid: str = "auto", adapt: bool = False, coding: Coding | None = None
) -> Make:
    """What `make_coders` makes, in numpy. Raises what `weights.load` raises."""
    model, identity = weights.load(found), identity_of(found)
    modes = {"off": [0], "on": [1], "auto": [0, 1]}[hybrid]
    modes += [one | ADAPT for one in modes] if adapt else []

    def make() -> ChunkCoder:
        coder = CoderTwin(model, max(2, found.meta.context), identity, modes)
        coder.mode = coding.mode if coding is not None else coder.mode
        return coder

    return make


def frequencies(logits: Floats) -> NDArray[np.int64]:
    """The shares of the 256 bytes (256,), each at least 1, of 2^24, by their logits.

    Raises DataError where these are no numbers.
    """
    with np.errstate(invalid="ignore", over="ignore"):
        e = exp(logits - logits.max())
    if not np.isfinite(e).all():
        raise DataError(
            "the model gives no distribution of the next byte",
            "its weights may have diverged: try an earlier checkpoint",
        )
    u = (e * np.float32(TOTAL)).astype(np.int64)
    factor = np.float64(TOTAL - VOCABULARY) / np.float64(u.sum())
    shares: NDArray[np.int64] = (u * factor).astype(np.int64) + 1
    shares[u.argmax()] += TOTAL - shares.sum()
    return shares


class _Reader:
    """A model that reads a document: one 0x00, and then what it is fed."""

    def __init__(self, model: Weights, context: int) -> None:
        self.is_bounded = model.blueprint.kind == "transformer"
        self._context = context
        self._twin = Twin(model, 1, context)

    def begin(self) -> None:
        """Nothing but the 0x00 was read."""
        self._twin.clear()
        self._text = bytearray(b"\0")
        self.logits = self._read(1)

    def feed(self, byte: int) -> None:
        """One more byte; `logits` (256,) are those of the next."""
        self._text.append(byte)
        if self.is_bounded and self._twin.length == self._context:
            self._twin.clear()
            self.logits = self._read(self._context // 2 + 1)
        else:
            self.logits = self._read(1)

    def every(self, text: bytes) -> Floats:
        """Logits before each byte of a text (n, 256), read from its 0x00 on in parts of `context` bytes."""
        tokens = np.frombuffer(b"\0" + text[:-1], np.uint8)
        step = self._context if self.is_bounded else len(tokens)
        rows = []
        for start in range(0, len(tokens), step):
            self._twin.clear()
            rows.append(self._twin.step(tokens[None, start : start + step], True)[0])
        return np.concatenate(rows)

    def _read(self, count: int) -> Floats:
        last = np.frombuffer(bytes(self._text[-count:]), np.uint8)
        logits: Floats = self._twin.step(last[None], False)[0]
        return logits


class _Target:
    """What symbols are written to."""

    def __init__(self) -> None:
        self.encoder = constriction.stream.queue.RangeEncoder()

    def code(self, shares: Sequence[int] | NDArray[np.int64], symbol: int | None) -> int:
        """Write a symbol of so large a share of 2^24."""
        assert symbol is not None  # noqa: S101
        self.encoder.encode(symbol, _exactly(shares))
        return symbol


class _Source:
    """What symbols are read from."""

    def __init__(self, coded: bytes) -> None:
        words = np.frombuffer(coded, "<u4").astype(np.uint32)
        self._decoder = constriction.stream.queue.RangeDecoder(words)

    def code(self, shares: Sequence[int] | NDArray[np.int64], symbol: int | None) -> int:
        """The next symbol."""
        try:
            return int(self._decoder.decode(_exactly(shares)))
        except AssertionError as error:  # how constriction says that nothing it coded looks like this
            raise DataError("its coded bytes are none that a coder wrote", "the file is damaged") from error


def _exactly(shares: Sequence[int] | NDArray[np.int64]) -> object:
    """Of just these shares: constriction gives each symbol 1, and distributes the rest by floats."""
    return constriction.stream.model.Categorical((np.asarray(shares) - 1).astype(np.float32), perfect=False)
