"""How fast a byte comes after another: bbyte's engine and torch path, llama.cpp, transformers, in one run.

    pip install llama-cpp-python gguf transformers
    python benchmarks/decode.py --presets small 12gb --markdown

All have the same model, of random weights, from our own exports. Contenders take turns, round by round;
figures are medians over the rounds, and ratios medians of ratios taken within a round; "at best" is the
ratio of the best rounds. It wants a machine with nothing else to do, and says what others took of it. Of
llama.cpp each figure is that of its better setting of flash attention, of transformers that of the better of
our two exports (packed, dequantized), found out before the rounds. Measures:

    decode   bytes a second of one stream, with so many bytes held before the first that counts
    blocks   256 bytes read at once: a prompt (the last logits), and scoring (all logits)
    prefill  seconds for a prompt of 2,048 bytes
    lanes    bytes a second of 1 and of 16 streams in step, all together
    paths    the engine's instruction sets and threads

With `decode` the share of the memory's bandwidth is shown that the engine uses with a large model: what a
step reads (packed weights, keys and values in bf16) beside what the same threads read of a large array.
transformers and torch run presets of at most 12 layers, unless --all. Models are made once, in --cache.
"""

import argparse
import ctypes
import dataclasses
import functools
import statistics
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import llama_cpp
import numpy as np
import psutil
import torch
import transformers

from bbyte.engine import core
from bbyte.models.ar.config import PRESETS
from bbyte.terminal.table import aligned, markdown
from decode_contenders import Contender, Model, OfEngine, OfLlamaCpp, OfTorch, OfTransformers, made
from decode_tables import ENGINE, F16, TORCH, TQ2_0, TRANSFORMERS, Table, aims

LARGEST_OF_ALL = 12  # layers; beyond, what a step of torch takes makes a run long
CACHES = 64 << 20  # bytes; a smaller model stays in the processor's caches, and memory is no bound
BLOCK, PROMPT, LANES = 256, 2048, (1, 16)
PAUSE, LONG_ENOUGH = 0.4, 0.15  # seconds
TEXT = np.random.default_rng(0).integers(1, 256, PROMPT, dtype=np.uint8)


class Bench:
    """A preset's model and its contenders, each opened when first needed."""

    def __init__(self, preset: str, args: argparse.Namespace) -> None:
        self.preset, self.rounds, self.threads = preset, args.rounds, args.threads
        self.config = PRESETS[preset]
        self.with_torch = args.all or self.config.n_layer <= LARGEST_OF_ALL
        self.count = args.bytes
        self.model: Model = made(preset, args.cache, with_hf=self.with_torch)
        self.without = args.without
        self._opened: dict[str, list[Contender]] = {}

    def contenders(self, *names: str) -> list[str]:
        """Those of the names that take part."""
        slow = () if self.with_torch else (TORCH, TRANSFORMERS)
        return [name for name in names if name not in slow and name not in self.without]

    def variants(self, name: str) -> list[Contender]:
        """The contender in each of its settings."""
        if name not in self._opened:
            self._opened[name] = list(self._open(name))
        return self._opened[name]

    def _open(self, name: str) -> Iterator[Contender]:
        if name == ENGINE:
            yield OfEngine(self.model, self.threads)
        elif name == TORCH:
            yield OfTorch(self.model, self.threads)
        elif name == TRANSFORMERS:
            for folder in self.model.hf.values():
                yield OfTransformers(folder, self.threads)
        else:
            for flash_attention in (True, False):
                path = self.model.gguf["f16" if name == F16 else "tq2_0"]
                yield OfLlamaCpp(path, self.threads, flash_attention=flash_attention)

    def measured(self, names: list[str], run: Callable[[Contender], float]) -> dict[str, list[float]]:
        """Seconds of every contender, each in its fastest setting, round by round."""
        chosen = {
            name: min(self.variants(name), key=lambda each: min(run(each) for _ in range(2)))
            for name in names
        }
        return in_turns(chosen, run, self.rounds)

    def decode(self) -> Iterator[Table]:
        for held in (64, 512):
            names = self.contenders(ENGINE, TQ2_0, F16, TORCH, TRANSFORMERS)
            seconds = self.measured(names, functools.partial(writing, held=held, n=self.count))
            figures = speeds(seconds, self.count)
            title = f"{self.preset}: decoding after {held} bytes, {self.threads} threads"
            if ENGINE in figures:
                yield self._with_share(Table(title, "bytes/s", figures, ENGINE), held)
            else:
                yield Table(title, "bytes/s", figures, names[0])

    def _with_share(self, table: Table, held: int) -> Table:
        if self.model.bytes < CACHES:
            return table
        config = self.config
        cached = config.n_layer * 2 * config.kv_heads * (config.d_model // config.n_head) * 2
        step = self.model.bytes + cached * (held + self.count // 2)
        there = bandwidth(self.threads)
        speeds = table.figures[ENGINE]
        share, best = (speed * step / there for speed in (statistics.median(speeds), max(speeds)))
        note = (
            f"A step reads {step / 1e6:.2f} MB; {self.threads} threads read {there / 1e9:.1f} GB/s, which "
            f"allows {there / step:,.0f} steps a second: the engine makes {share:.0%}, at best {best:.0%}."
        )
        return dataclasses.replace(table, share=share, notes=(note,))

    def blocks(self) -> Iterator[Table]:
        names = self.contenders(ENGINE, TQ2_0, F16, TORCH)
        # A prompt comes after the byte that begins a document.
        for what, run in (
            ("a prompt of", lambda each: each.prefill(TEXT[: BLOCK - 1].tobytes())),
            ("scoring", lambda each: each.score(TEXT[:BLOCK])),
        ):
            figures = speeds(self.measured(names, run), BLOCK)
            title = f"{self.preset}: {what} {BLOCK} bytes at once, {self.threads} threads"
            yield Table(title, "bytes/s", figures, names[0])

    def prefill(self) -> Iterator[Table]:
        names = self.contenders(ENGINE, TQ2_0, F16, TORCH)
        seconds = self.measured(names, lambda each: each.prefill(TEXT.tobytes()))
        title = f"{self.preset}: a prompt of {PROMPT:,} bytes, {self.threads} threads"
        yield Table(title, "s", seconds, names[0])

    def lanes(self) -> Iterator[Table]:
        for name, make in ((ENGINE, OfEngine), (TORCH, OfTorch)):
            if not self.contenders(name):
                continue
            some = {lanes: make(self.model, self.threads, lanes) for lanes in LANES}
            seconds = in_turns(some, functools.partial(writing, held=64, n=self.count), self.rounds)
            figures = {
                f"{lanes} lanes": [lanes * self.count / each for each in taken]
                for lanes, taken in seconds.items()
            }
            title = f"{self.preset}: {name}, lanes after 64 bytes, {self.threads} threads"
            yield Table(title, "bytes/s in all", figures, f"{LANES[0]} lanes")

    def paths(self) -> Iterator[Table]:
        some = {
            f"{path}, {threads} thread{'s' if threads > 1 else ''}": OfEngine(self.model, threads, path=path)
            for path in core.paths()
            for threads in (1, 2, 4)
        }
        first = next(name for name in some if name.endswith("2 threads"))
        title = f"{self.preset}: the engine's paths,"
        seconds = in_turns(some, functools.partial(writing, held=64, n=self.count), self.rounds)
        yield Table(f"{title} decoding after 64 bytes", "bytes/s", speeds(seconds, self.count), first)
        seconds = in_turns(some, lambda each: each.score(TEXT[:BLOCK]), self.rounds)
        yield Table(f"{title} scoring {BLOCK} bytes at once", "bytes/s", speeds(seconds, BLOCK), first)


MEASURES = ("decode", "blocks", "prefill", "lanes", "paths")


def writing(each: Contender, *, held: int, n: int) -> float:
    """Seconds that n bytes take once so many are held."""
    return each.decode(TEXT[:held].tobytes(), n)


def in_turns(
    contenders: Mapping[Any, Contender], run: Callable[[Contender], float], rounds: int
) -> dict[Any, list[float]]:
    """The seconds of each, round by round; the first round only warms up.

    A turn begins when the threads of the last contender have gone to sleep; what is short is run for a while,
    and the median counts.
    """
    found: dict[Any, list[float]] = {name: [] for name in contenders}
    for number in range(rounds + 1):
        for name, each in contenders.items():
            time.sleep(PAUSE)
            taken = [run(each)]
            while sum(taken) < LONG_ENOUGH:
                taken.append(run(each))
            if number:
                found[name].append(statistics.median(taken))
    return found


def speeds(seconds: Mapping[str, list[float]], count: int) -> dict[str, list[float]]:
    """Bytes a second where so many were written or read."""
    return {name: [count / each for each in taken] for name, taken in seconds.items()}


class Others:
    """What other programs take of the cores from now on."""

    def __init__(self) -> None:
        self._busy, self._all, self._own = self._now()

    def note(self) -> str:
        """In words; busy cores hold programs whose threads wait for one another by spinning up the most."""
        busy, total, own = (
            now - before for now, before in zip(self._now(), (self._busy, self._all, self._own), strict=True)
        )
        return f"Other programs took {max(0.0, busy - own) / total:.0%} of the cores meanwhile."

    def _now(self) -> tuple[float, float, float]:
        machine, own = psutil.cpu_times(), psutil.Process().cpu_times()
        idle = machine.idle + getattr(machine, "iowait", 0.0)
        return sum(machine[:8]) - idle, sum(machine[:8]), own.user + own.system


@functools.cache
def bandwidth(threads: int, each: int = 256 << 20) -> float:
    """Bytes a second that so many threads read of memory: the best of several passes over a large array."""
    find = ctypes.CDLL(None).memchr  # reads all of it, for what it looks for is not there
    find.argtypes, find.restype = (ctypes.c_void_p, ctypes.c_int, ctypes.c_size_t), ctypes.c_void_p
    arrays = [np.full(each, 1, np.uint8) for _ in range(threads)]
    best = 0.0
    with ThreadPoolExecutor(threads) as pool:
        for _ in range(10):
            began = time.perf_counter()
            list(pool.map(lambda array: find(array.ctypes.data, 0, array.nbytes), arrays))
            best = max(best, threads * each / (time.perf_counter() - began))
    return best


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--presets", nargs="+", choices=list(PRESETS), default=["small"])
    parser.add_argument("--measure", nargs="+", choices=MEASURES, default=list(MEASURES))
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--bytes", type=int, default=64, help="bytes that are written and timed")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--all", action="store_true", help="torch and transformers also with large presets")
    parser.add_argument("--without", nargs="+", default=[], metavar="WHO", help="leave contenders out")
    parser.add_argument("--markdown", action="store_true")
    parser.add_argument("--cache", type=Path, default=Path("artifacts/decode"))
    args = parser.parse_args()
    transformers.logging.set_verbosity_error()
    write = markdown if args.markdown else aligned
    print(f"torch {torch.__version__}, transformers {transformers.__version__}, ", end="")
    print(f"llama-cpp-python {llama_cpp.__version__}; {args.rounds} rounds\n")
    tables = []
    for preset in args.presets:
        bench = Bench(preset, args)
        for measure in args.measure:
            watched = Others()
            for table in getattr(bench, measure)():
                tables.append(dataclasses.replace(table, notes=(*table.notes, watched.note())))
                print(tables[-1].text(write), flush=True)
                watched = Others()
    if rows := aims(tables):
        print(write("what was aimed at", ("", "found", "wanted"), rows), end="")


if __name__ == "__main__":
    main()
