"""A checkpoint as an object that writes, scores, compresses and lets one look inside. Imports no torch."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from bbyte.checkpoint.find import Found, find
from bbyte.config import from_dict
from bbyte.data.corpus import ByteCorpus
from bbyte.errors import UsageError
from bbyte.evaluation import ByteSource, InMemory, Score
from bbyte.generation.infilling import Infilling
from bbyte.generation.sampling import Sampling
from bbyte.generation.stream import write
from bbyte.models.contract import Predictor
from bbyte.opening import (
    Engine,
    hole_filling_view,
    load_found,
    next_byte_predictor,
    next_byte_view,
    takes_engine,
)

if TYPE_CHECKING:
    import torch

    from bbyte.analysis.likeliest import Expected
    from bbyte.analysis.surprisal import Surprisal
    from bbyte.checkpoint.store import Loaded

Text = str | bytes
"""Text is taken as UTF-8; bytes are taken as they are."""
Scorable = Text | Path | ByteSource
"""A text, a path to a corpus or any file, or a corpus that is open."""


def load(
    path: str | Path | None = None, *, device: str = "auto", engine: Engine = "auto", threads: int = 0
) -> "Model":
    """The model of a checkpoint, ready to use.

    path: a checkpoint's folder, or that of a run, of which it is the newest intact one; None is the newest
    under artifacts/checkpoints, else the starter model that comes with bbyte. device: auto, cpu, cuda, cuda:N
    or mps. engine: auto takes the native core for packed checkpoints on a CPU, and torch for all others.
    threads: 0 takes as many as pay in the engine, and leaves torch the number it has. Raises UsageError where
    there is no checkpoint, or no such device, DataError for a damaged one.
    """
    from bbyte.device import Runtime
    from bbyte.starter import default_checkpoint

    Runtime(device=device, threads=threads)  # refuses what is none
    if engine not in get_args(Engine):
        raise UsageError(f"engine is {engine!r}, expected one of {', '.join(get_args(Engine))}")
    return Model(find(default_checkpoint() if path is None else Path(path)), device, engine, threads)


class Model:
    """A checkpoint ready to use; made by `bbyte.load`.

    path: its folder. family: "ar", or whichever it is. context: the longest window it was trained on, in
    bytes. meta: all that its checkpoint.json says. choices: which damaged checkpoints were passed over, what
    computes it and why, a sentence each.
    Texts may be written in turns and by several threads: each that is not done keeps a view of its own.
    """

    def __init__(self, found: Found, device: str, engine: Engine, threads: int) -> None:
        self.path, self.meta = found.path, found.meta
        self.family, self.context = found.meta.family, found.meta.context
        self._found, self._device, self._by, self._threads = found, device, engine, threads
        self._loaded: Loaded | None = None
        self._free: list[Predictor] = []  # views that nothing is being written with
        said = [f"skipped {skipped.name}: {why}" for skipped, why in found.skipped]
        if takes_engine(found, device, engine, said.append):
            self._free.append(next_byte_predictor(found, device, engine, threads, 1, said.append))
        else:
            self._loaded = load_found(found, device, self._torch_threads(), said.append)
            said.append(f"computed by torch on {next(self._loaded.model.parameters()).device}")
        self.choices = tuple(said)

    def __repr__(self) -> str:
        return f"<bbyte {self.family} model {self.path.name}, context {self.context}>"

    def generate(
        self,
        prompt: Text = b"",
        max_new_tokens: int = 300,
        *,
        stop: Text | Sequence[Text] = (),
        **sampling: Any,
    ) -> bytes:
        """The bytes that follow `prompt` at the beginning of a document, as many as asked for.

        stop: ends the text before this one, or before any of these. sampling: the settings of
        `bbyte.Sampling` by name (temperature, top_k, top_p, seed …). The same seed gives the same bytes.
        """
        return b"".join(self.stream(prompt, max_new_tokens, stop=stop, **sampling))

    def stream(
        self,
        prompt: Text = b"",
        max_new_tokens: int = 300,
        *,
        stop: Text | Sequence[Text] = (),
        **sampling: Any,
    ) -> Iterator[bytes]:
        """The same bytes as `generate`, piece by piece, as soon as they are there."""
        settings = from_dict(Sampling, sampling, where="sampling")
        if not isinstance(max_new_tokens, int | np.integer):
            raise UsageError(f"max_new_tokens is {max_new_tokens!r}, expected a whole number")
        if max_new_tokens < 0:
            raise UsageError(f"max_new_tokens {max_new_tokens} is negative", "0 writes nothing")
        stops = [as_bytes(word) for word in ([stop] if isinstance(stop, str | bytes) else stop)]
        return self._pieces(as_bytes(prompt), int(max_new_tokens), settings, stops)

    def _pieces(self, prompt: bytes, n: int, settings: Sampling, stops: list[bytes]) -> Iterator[bytes]:
        with self._next_byte() as view:
            yield from filter(None, write(view, prompt, n, settings, stops))

    def logits(self, text: Text = b"") -> NDArray[np.float32]:
        """Unnormalised log-probabilities (256,) of the byte after `text` at the beginning of a document."""
        data = as_bytes(text)
        with self._next_byte() as view:
            view.reset()
            view.prime(data)
            found: NDArray[np.float32] = view.logits()[0]
            return found

    def expected(self, text: Text = b"") -> "Expected":
        """What may come after `text`: all 256 bytes, the likeliest first, and the entropy in bits."""
        from bbyte.analysis.likeliest import expected
        from bbyte.probabilities import log_probabilities

        return expected(log_probabilities(self.logits(text)))

    def predictor(self, lanes: int = 1) -> Predictor:
        """A next-byte view of its own, with `lanes` texts in step: what generation is made of."""
        _check_at_least_one("lanes", lanes)
        if self._loaded is not None:
            return next_byte_view(self._loaded, lanes)
        return next_byte_predictor(
            self._found, self._device, self._by, self._threads, lanes, lambda sentence: None
        )

    def score(
        self, data: Scorable, *, context: int | Literal["full"] | None = None, stride: int | None = None
    ) -> Score:
        """What `data` costs under the model, every byte counted once; `bits_per_byte` of it is the figure.

        Of a path to a corpus, the part is scored that was held out, as `bbyte eval-bpb` does. context: bytes
        before each byte, those of the training windows by default; stride: half of it by default. Where
        `is_bound` is true, the figure is an upper bound. Raises DataError where there is nothing to score.
        """
        from bbyte.exact_scoring import score_exactly
        from bbyte.scoring import check_full, longest_context, score_checkpoint

        if context != "full":
            _check_at_least_one("context", context)
        _check_at_least_one("stride", stride)
        source = self._source(data)
        if self._loaded is not None:
            from bbyte.device import Runtime, place

            placement = place(Runtime(device=self._device, threads=self._torch_threads()))
            return score_checkpoint(self._loaded, source, placement, context=context, stride=stride)
        if context == "full":
            check_full(self.family)
        seen = context if context == "full" else longest_context(self.meta, context)
        return score_exactly(
            self._found, source, context=seen, stride=stride, threads=self._threads, by=self._core
        )

    def bits_per_byte(
        self, data: Scorable, *, context: int | Literal["full"] | None = None, stride: int | None = None
    ) -> float:
        """The mean code length of a byte of `data`, in bits; see `score`, which says what belongs to it."""
        return self.score(data, context=context, stride=stride).bits_per_byte

    def surprisal(self, data: Text) -> "Surprisal":
        """Of each byte of `data` the `bits` it cost and the bits it was expected to cost, `entropy`; (N,)."""
        from bbyte.analysis.scorers import by_engine, by_torch
        from bbyte.analysis.surprisal import surprisal

        if self._loaded is not None:
            return surprisal(as_bytes(data), by_torch(self._loaded))
        return surprisal(as_bytes(data), by_engine(self._found, by=self._core, threads=self._threads)[0])

    def compress(self, data: bytes) -> bytes:
        """The bytes as an archive that this model alone expands again; see `bbyte.compress`."""
        from bbyte.compression import compress

        return compress(data, self.path, threads=self._threads)

    def decompress(self, archive: bytes) -> bytes:
        """The bytes of an archive that `compress` of the same model has made."""
        from bbyte.compression import decompress

        return decompress(archive, self.path, threads=self._threads)

    def infill(self, text: Text, **infilling: Any) -> bytes:
        """The text with its holes filled, for a model that can: [MASK] hides a byte, [MASK*12] twelve.

        infilling: the settings of `bbyte.Infilling` by name (order, steps, temperature, seed …). Raises
        UsageError for a text without holes and for a model that reads from left to right.
        """
        from bbyte.generation.holes import parse
        from bbyte.generation.infill import Infill

        settings = from_dict(Infilling, infilling, where="infilling")
        filling = Infill(hole_filling_view(self._with_torch()), parse(as_bytes(text)), settings)
        for _ in filling.steps():
            pass
        filled: bytes = filling.tokens[0].astype(np.uint8).tobytes()
        return filled

    def export_packed(self, folder: str | Path) -> "Model":
        """The same model as a packed checkpoint, the new folder `folder`: small, and computed without torch.

        It cannot be trained on. Raises UsageError where there is something in `folder`.
        """
        from bbyte.checkpoint.export.packed import export_packed

        return load(export_packed(self._found, Path(folder)), threads=self._threads)

    @property
    def module(self) -> "torch.nn.Module":
        """The model in torch: logits (B, T, 256) of bytes (B, T)."""
        return self._with_torch().model

    @property
    def _core(self) -> Literal["native", "numpy"]:
        return "numpy" if self._by == "numpy" else "native"

    def _with_torch(self) -> "Loaded":
        if self._loaded is not None:
            return self._loaded
        return load_found(self._found, self._device, self._torch_threads(), lambda sentence: None)

    def _torch_threads(self) -> int:
        import torch

        return self._threads or torch.get_num_threads()

    @contextmanager
    def _next_byte(self) -> Iterator[Predictor]:
        """A next-byte view that nobody else has meanwhile: what is written may be written in turns."""
        try:
            view = self._free.pop()
        except IndexError:
            view = self.predictor()
        try:
            yield view
        finally:
            self._free.append(view)

    def _source(self, data: Scorable) -> ByteSource:
        if isinstance(data, str | bytes):
            return InMemory(as_bytes(data))
        if isinstance(data, Path):
            from bbyte.scoring import held_out

            return held_out(ByteCorpus.open(data), [self.meta])[0]
        return data


def as_bytes(text: Text) -> bytes:
    """A text in UTF-8; bytes as they are. Raises UsageError for anything else, and half a surrogate pair."""
    if isinstance(text, bytes | bytearray | memoryview):
        return bytes(text)
    if not isinstance(text, str):
        raise UsageError(f"a text is str or bytes, not {type(text).__name__}", "bytes([104, 105]) is b'hi'")
    try:
        return text.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError:
        raise UsageError("the text has half a surrogate pair, which is no character", "give bytes") from None


def _check_at_least_one(name: str, number: int | None) -> None:
    if number is not None and number < 1:
        raise UsageError(f"{name} {number} is not at least 1")
