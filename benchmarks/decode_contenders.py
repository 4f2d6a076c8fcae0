"""Who takes part in benchmarks/decode.py: a model on disk as each program runs it.

Every contender writes with the sampler's default settings (temperature 0.9, the 50 likeliest), after the byte
that begins a document.
"""

import dataclasses
import tempfile
import time
from itertools import islice
from pathlib import Path
from typing import Any, Protocol

import llama_cpp
import numpy as np
import torch
import transformers
from numpy.typing import NDArray

from bbyte.checkpoint import meta, store
from bbyte.checkpoint.export.gguf import export_gguf
from bbyte.checkpoint.export.hf import export_hf
from bbyte.checkpoint.export.packed import export_packed
from bbyte.checkpoint.find import Found, find
from bbyte.checkpoint.meta import CheckpointMeta
from bbyte.config import to_dict
from bbyte.device import keep_freed_memory
from bbyte.engine.predictor import open_predictor
from bbyte.generation.sampling import Sampling
from bbyte.generation.stream import generate
from bbyte.models.contract import Predictor
from bbyte.models.families import family

CONTEXT = 2304
SAMPLING = Sampling()
GGUF = ("f16", "tq2_0")


class Contender(Protocol):
    """A program with a model. All times are in seconds."""

    def decode(self, prompt: bytes, n: int) -> float:
        """What writing n bytes takes once the prompt, and a byte after it, is there."""

    def prefill(self, prompt: bytes) -> float:
        """What reading a prompt takes, until the next byte can be drawn."""

    def score(self, row: NDArray[np.uint8]) -> float:
        """What the logits after each of the bytes (T,) take, computed at once."""


@dataclasses.dataclass(frozen=True)
class Model:
    """A model in every form; that for transformers twice, as its weights are."""

    packed: Path
    gguf: dict[str, Path]
    hf: dict[str, Path]

    @property
    def bytes(self) -> int:
        """What the packed checkpoint's weights take; each is read once in a step."""
        return (self.packed / meta.MODEL).stat().st_size


def made(preset: str, cache: Path, *, with_hf: bool) -> Model:
    """The forms of a model of the preset with random weights, none of them zero; from `cache` where there."""
    folder = cache / preset
    packed, gguf = folder / "packed", {type_: folder / f"{type_}.gguf" for type_ in GGUF}
    hf = {name: folder / f"hf-{name}" for name in ("packed", "dequantized")} if with_hf else {}
    folder.mkdir(parents=True, exist_ok=True)
    if not packed.exists():
        with tempfile.TemporaryDirectory(dir=cache) as scratch:
            export_packed(_random(preset, Path(scratch)), packed)
    found = find(packed)
    for type_, path in gguf.items():
        if not path.exists():
            export_gguf(found, path, type=type_)  # type: ignore[arg-type]
    for name, path in hf.items():
        if not path.exists():
            export_hf(found, path, dequantize=name == "dequantized")
    return Model(packed, gguf, hf)


def _random(preset: str, run: Path) -> Found:
    torch.manual_seed(0)
    kind = family("ar")
    model = kind.build(kind.presets[preset])
    with torch.no_grad():
        for name, value in model.named_parameters():
            if value.ndim == 1 and "norm" in name:
                value.copy_(torch.rand_like(value) + 0.5)
            elif value.ndim == 2:
                value.normal_(std=value.shape[1] ** -0.5)
    about = CheckpointMeta(
        kind="resume", family="ar", variant="", config=to_dict(kind.presets[preset]), step=1, bytes_seen=1,
        context=CONTEXT, quantized=True, corpus={"path": "none", "size": 1, "fingerprint": "0"}, metrics={},
        environment={},
    )  # fmt: skip
    return find(store.save(run, about, model.state_dict(), None))


class OfPredictor:
    """What `bbyte generate` runs: a next-byte view."""

    def __init__(self, predictor: Predictor) -> None:
        self._predictor = predictor

    def decode(self, prompt: bytes, n: int) -> float:
        stream = generate(self._predictor, prompt, n + 1, SAMPLING)
        next(stream)
        began = time.perf_counter()
        for _ in islice(stream, n):
            pass
        return time.perf_counter() - began

    def prefill(self, prompt: bytes) -> float:
        self._predictor.reset()
        began = time.perf_counter()
        self._predictor.prime(prompt)
        self._predictor.logits()
        return time.perf_counter() - began


class OfEngine(OfPredictor):
    """bbyte's engine, by a path of its native core or the best one."""

    def __init__(self, model: Model, threads: int, lanes: int = 1, path: str | None = None) -> None:
        predictor, self._streams = open_predictor(find(model.packed), lanes, threads=threads, path=path)
        super().__init__(predictor)

    def score(self, row: NDArray[np.uint8]) -> float:
        self._streams.clear()
        began = time.perf_counter()
        self._streams.step(row[None], every=True)
        return time.perf_counter() - began


class OfTorch(OfPredictor):
    """bbyte's torch path."""

    def __init__(self, model: Model, threads: int, lanes: int = 1) -> None:
        keep_freed_memory()
        torch.set_num_threads(threads)
        loaded = store.load(find(model.packed))
        make = loaded.family.predictor
        assert make is not None  # noqa: S101
        super().__init__(make(loaded.model, CONTEXT, lanes))
        self._model = loaded.model

    @torch.inference_mode()
    def score(self, row: NDArray[np.uint8]) -> float:
        began = time.perf_counter()
        self._model(torch.from_numpy(row)[None])
        return time.perf_counter() - began


class OfTransformers:
    """transformers' `generate` on the exported folder."""

    def __init__(self, folder: Path, threads: int) -> None:
        torch.set_num_threads(threads)
        self._model = transformers.AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32).eval()
        self._model.generation_config.eos_token_id = None

    def decode(self, prompt: bytes, n: int) -> float:
        tokens, clock = torch.tensor([[0, *prompt]]), _Clock()
        self._model.generate(
            input_ids=tokens, attention_mask=torch.ones_like(tokens), max_new_tokens=n + 1, pad_token_id=0,
            do_sample=True, temperature=SAMPLING.temperature, top_k=SAMPLING.top_k, streamer=clock,
        )  # fmt: skip
        _, first, *_, last = clock.times  # of the prompt, and of each byte
        assert len(clock.times) == n + 2  # noqa: S101
        return last - first

    @torch.inference_mode()
    def prefill(self, prompt: bytes) -> float:
        began = time.perf_counter()
        self._model(input_ids=torch.tensor([[0, *prompt]]), use_cache=True, logits_to_keep=1)
        return time.perf_counter() - began

    @torch.inference_mode()
    def score(self, row: NDArray[np.uint8]) -> float:
        began = time.perf_counter()
        self._model(input_ids=torch.from_numpy(row.astype(np.int64))[None], use_cache=False)
        return time.perf_counter() - began


class _Clock:
    """What transformers calls for the prompt and for every token."""

    def __init__(self) -> None:
        self.times: list[float] = []

    def put(self, value: Any) -> None:
        self.times.append(time.perf_counter())

    def end(self) -> None:
        pass


class OfLlamaCpp:
    """llama.cpp by its C functions, which llama-cpp-python hands on: no Python of its own in a step."""

    def __init__(self, path: Path, threads: int, *, flash_attention: bool) -> None:
        self._llama = llama_cpp.Llama(
            str(path), n_ctx=CONTEXT, n_batch=2048, n_ubatch=512, n_threads=threads, n_threads_batch=threads,
            flash_attn=flash_attention, logits_all=True, verbose=False,
        )  # fmt: skip
        self._context = self._llama.ctx
        self._sampler = llama_cpp.llama_sampler_chain_init(llama_cpp.llama_sampler_chain_default_params())
        for step in (
            llama_cpp.llama_sampler_init_top_k(SAMPLING.top_k),
            llama_cpp.llama_sampler_init_temp(SAMPLING.temperature),
            llama_cpp.llama_sampler_init_dist(SAMPLING.seed),
        ):
            llama_cpp.llama_sampler_chain_add(self._sampler, step)

    def decode(self, prompt: bytes, n: int) -> float:
        self._read(prompt)
        token = (llama_cpp.llama_token * 1)(self._draw())
        self._take(token)
        began = time.perf_counter()
        for _ in range(n):
            token[0] = self._draw()
            self._take(token)
        return time.perf_counter() - began

    def prefill(self, prompt: bytes) -> float:
        began = time.perf_counter()
        self._read(prompt)
        return time.perf_counter() - began

    def score(self, row: NDArray[np.uint8]) -> float:
        self._llama.reset()
        tokens = row.tolist()
        began = time.perf_counter()
        self._llama.eval(tokens)
        return time.perf_counter() - began

    def _read(self, prompt: bytes) -> None:
        llama_cpp.llama_memory_clear(llama_cpp.llama_get_memory(self._context), False)
        tokens = [0, *prompt]
        for start in range(0, len(tokens), 2048):
            part = tokens[start : start + 2048]
            self._take((llama_cpp.llama_token * len(part))(*part))

    def _take(self, tokens: Any) -> None:
        failed = llama_cpp.llama_decode(self._context, llama_cpp.llama_batch_get_one(tokens, len(tokens)))
        assert not failed  # noqa: S101
        llama_cpp.llama_synchronize(self._context)

    def _draw(self) -> int:
        return int(llama_cpp.llama_sampler_sample(self._sampler, self._context, -1))
