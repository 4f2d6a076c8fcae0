"""Generation speed and memory as a text grows: MambaLM, AR, and transformers' Mamba-2 with its cache.

    python benchmarks/generate.py --positions 100 1000 10000 100000

Around each position bytes are generated one by one, as `bbyte generate` does it, half of them before the
position and half after: 100 around position 100, 1,000 around 1,000, then 2,000. What comes before is read
as a prompt of random bytes; with --every it is generated too. Speeds are medians of stretches of at most 250
bytes. Contenders take turns, round by round, and what is said of flatness is the median of ratios taken
within a round. Weights are random: speed does not depend on them.
"""

import argparse
import gc
import statistics
import time
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from itertools import islice

import numpy as np
import psutil
import torch
import transformers
from numpy.typing import NDArray
from torch import nn

from bbyte.device import usable_cores
from bbyte.generation.sampling import Sampling
from bbyte.generation.stream import generate
from bbyte.models.ar.config import PRESETS as AR_PRESETS
from bbyte.models.ar.family import FAMILY as AR
from bbyte.models.contract import Predictor
from bbyte.models.mamba.family import FAMILY as MAMBA
from mamba import of_kind, of_transformers, with_some_weights

CONTEXT = 256
STRETCH = 250
MOST_AROUND = 1000
FARTHEST_OF_TRANSFORMERS = 1000


@dataclass
class Contender:
    """A predictor, how far it is followed, and what was seen: by position, one entry a round."""

    predictor: Predictor
    farthest: int
    speeds: dict[int, list[float]] = field(default_factory=dict)
    memory: dict[int, list[int]] = field(default_factory=dict)


class OfTransformers:
    """The next-byte view of transformers' model: one position at a time with its cache, after a prompt."""

    lanes = 1

    def __init__(self, model: nn.Module) -> None:
        self._model = model.eval()
        self.reset()

    def reset(self) -> None:
        self._cache = None
        self._read(np.zeros((1, 1), np.uint8))

    def logits(self) -> NDArray[np.float32]:
        values: NDArray[np.float32] = self._logits.numpy()
        return values.copy()

    def feed(self, data: NDArray[np.uint8]) -> None:
        self._read(data[:, None])

    def prime(self, prompt: bytes) -> None:
        for byte in prompt:
            self._read(np.full((1, 1), byte, np.uint8))

    @torch.inference_mode()
    def _read(self, block: NDArray[np.uint8]) -> None:
        tokens = torch.from_numpy(block.astype(np.int64))
        answer = self._model(input_ids=tokens, cache_params=self._cache, use_cache=True)
        self._cache, self._logits = answer.cache_params, answer.logits[:, -1]


def contenders(preset: str, farthest: int) -> dict[str, Contender]:
    """Every contender by its title."""
    second, first = (with_some_weights(of_kind(preset, ssm)) for ssm in ("mamba2", "mamba1"))
    plain = replace(AR_PRESETS[preset], ternary=False, sub_norm=None)
    bounded = AR.predictor(AR.build(plain), CONTEXT, 1)
    return {
        "bbyte mamba, Mamba-2": Contender(MAMBA.predictor(second, CONTEXT, 1), farthest),
        "bbyte mamba, Mamba-1": Contender(MAMBA.predictor(first, CONTEXT, 1), farthest),
        f"bbyte ar --no-ternary, context {CONTEXT}": Contender(bounded, farthest),
        "transformers Mamba-2": Contender(
            OfTransformers(of_transformers(second)), min(farthest, FARTHEST_OF_TRANSFORMERS)
        ),
    }


def around(position: int) -> tuple[int, int]:
    """The first and the last position of what is generated for one."""
    half = min(position // 2, MOST_AROUND)
    return position - half, position + half


def follow(contender: Contender, positions: list[int], sampling: Sampling, *, every: bool) -> None:
    """Measure one round."""
    prompt = np.random.default_rng(0).integers(256, size=around(positions[-1])[0], dtype=np.uint8).tobytes()
    stream, at = generate(contender.predictor, b"", around(positions[-1])[1] + 1, sampling), 0
    for position in positions:
        first, last = around(position)
        if every:
            next(islice(stream, first - at, None))
            at = last + 1
        else:
            stream = generate(contender.predictor, prompt[:first], last - first + 1, sampling)
            next(stream)  # reads the prompt
        speed = statistics.median(stretches(stream, last - first))
        contender.speeds.setdefault(position, []).append(speed)
        contender.memory.setdefault(position, []).append(resident())


def stretches(stream: Iterator[NDArray[np.uint8]], length: int) -> list[float]:
    """Bytes a second of the next `length` bytes, stretch by stretch."""
    found = []
    for start in range(0, length, STRETCH):
        size = min(STRETCH, length - start)
        began = time.perf_counter()
        for _ in islice(stream, size):
            pass
        found.append(size / (time.perf_counter() - began))
    return found


def resident() -> int:
    gc.collect()
    return int(psutil.Process().memory_info().rss)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--preset", default="tiny", choices=list(MAMBA.presets))
    parser.add_argument("--positions", type=int, nargs="+", default=[100, 1000, 10_000, 100_000])
    parser.add_argument("--every", action="store_true", help="generate all bytes up to the last position")
    parser.add_argument("--greedy", action="store_true", help="the likeliest byte, without drawing")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--threads", type=int, default=usable_cores())
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    transformers.logging.set_verbosity_error()  # its advice to install CUDA kernels
    torch.manual_seed(0)

    positions = sorted(args.positions)
    sampling = Sampling(temperature=0.0) if args.greedy else Sampling()
    all_of_them = contenders(args.preset, positions[-1])
    for each in all_of_them.values():  # what is made once is there before anything is measured
        for _ in generate(each.predictor, bytes(min(8192, each.farthest)), 50, sampling):
            pass
    for _ in range(args.rounds):
        for each in all_of_them.values():
            within = [position for position in positions if position <= each.farthest]
            if within:
                follow(each, within, sampling, every=args.every)

    drawn = "greedy" if args.greedy else "drawn with the default settings"
    print(f"{args.preset}, {args.threads} threads, torch {torch.__version__}, bytes {drawn}")
    for title, each in all_of_them.items():
        print(f"\n{title}")
        for position, speeds in each.speeds.items():
            memory = statistics.median(each.memory[position])
            print(f"  position {position:9,d} {statistics.median(speeds):10,.0f} bytes/s", end="")
            print(f"  {memory / 2**20:8.1f} MiB resident")
        first, *_, last = each.speeds if len(each.speeds) > 1 else [*each.speeds, *each.speeds]
        flat = statistics.median(b / a for a, b in zip(each.speeds[first], each.speeds[last], strict=True))
        grown = statistics.median(b - a for a, b in zip(each.memory[first], each.memory[last], strict=True))
        print(f"  from {first:,} to {last:,}: {flat:.3f} of the speed, {grown / 2**20:+.1f} MiB")


if __name__ == "__main__":
    main()
