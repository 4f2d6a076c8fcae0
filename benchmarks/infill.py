"""Filling holes in text that was not trained on: a diffusion model beside a next-byte model that guesses.

    head -c -262144 dickens > train.txt && tail -c 262144 dickens > held.txt
    settings="--preset tiny --data train.txt --val-fraction 0 --steps 400 --batch-size 64 --seq-len 128"
    bbyte train ar --no-ternary $settings --out ar
    bbyte train diffusion $settings --out diffusion
    python benchmarks/infill.py --ar ar --diffusion diffusion --data held.txt

Each hole lies in the middle of a window as long as both models were trained on. Exact: the hole is filled
with the very bytes. Bytes: the part of its bytes that are right. Bits: what the true bytes cost, by the
byte: of the diffusion model revealed one by one in a random order, given both sides; of the next-byte
model from left to right, given the left side alone, which is all its code can use. The next-byte model
fills a hole by drawing `--guesses` continuations of the left side, the greedy one among them, and taking
the one after which it gives all of the window the largest probability.
"""

import argparse
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from bbyte.checkpoint import store
from bbyte.checkpoint.store import Loaded
from bbyte.generation.holes import HIDDEN
from bbyte.generation.infill import Infill
from bbyte.generation.infilling import Infilling
from bbyte.generation.sampling import Sampling
from bbyte.generation.stream import generate

Hole = tuple[NDArray[np.uint8], slice]


def holes(data: bytes, context: int, size: int, count: int) -> Iterator[Hole]:
    """Windows at even distances, and the stretch in the middle of each that is to be found."""
    text = np.frombuffer(data, np.uint8)
    for begin in np.linspace(0, len(text) - context, count).astype(int):
        middle = (context - size) // 2
        yield text[begin : begin + context], slice(middle, middle + size)


def by_diffusion(loaded: Loaded, found: list[Hole], steps: int | None) -> tuple[float, float, float]:
    """Exact, bytes right, and seconds a hole, with the likeliest bytes, the surest first."""
    infiller = loaded.family.infiller(loaded.model, loaded.meta.context)
    exact, right, began = [], [], time.perf_counter()
    for window, hole in found:
        text = window.astype(np.int16)
        text[hole] = HIDDEN
        filling = Infill(infiller, text, Infilling(temperature=0, steps=steps))
        for _ in filling.steps():
            pass
        same = filling.tokens[0, hole] == window[hole]
        exact.append(same.all())
        right.append(same.mean())
    return float(np.mean(exact)), float(np.mean(right)), (time.perf_counter() - began) / len(found)


def bits_of_diffusion(loaded: Loaded, found: list[Hole], seed: int = 0) -> float:
    """Bits by the byte of the true bytes, revealed in a random order."""
    infiller = loaded.family.infiller(loaded.model, loaded.meta.context)
    windows, hole = np.stack([window for window, _ in found]), found[0][1]
    places = np.arange(hole.start, hole.stop)
    orders = np.random.default_rng(seed).permuted(np.tile(places, (len(windows), 1)), axis=1)
    tokens, rows, bits = windows.astype(np.int16), np.arange(len(windows)), 0.0
    tokens[:, hole] = HIDDEN
    for place in orders.T:
        logits = infiller.logits(tokens)[rows, place].astype(np.float64)
        true = windows[rows, place]
        bits += float((np.logaddexp.reduce(logits, axis=1) - logits[rows, true]).sum()) / np.log(2)
        tokens[rows, place] = true
    return bits / orders.size


def by_guessing(loaded: Loaded, found: list[Hole], guesses: int) -> tuple[float, float, float, float]:
    """Exact, bytes right, seconds a hole, and bits by the byte of the true bytes given the left side."""
    predictor = loaded.family.predictor(loaded.model, loaded.meta.context, guesses)
    greedy = loaded.family.predictor(loaded.model, loaded.meta.context, 1)
    exact, right, bits, seconds = [], [], [], 0.0
    for window, hole in found:
        began, size = time.perf_counter(), hole.stop - hole.start
        left = window[: hole.start].tobytes()
        drawn = np.stack(list(generate(predictor, left, size, Sampling(temperature=0.8, top_k=0))), axis=1)
        surest = np.stack(list(generate(greedy, left, size, Sampling(temperature=0))), axis=1)
        candidates = np.tile(window, (guesses, 1))
        candidates[:, hole] = np.concatenate([surest, drawn[1:]])
        costs = nats(loaded, candidates)
        best = candidates[costs.sum(1).argmin(), hole]
        seconds += time.perf_counter() - began
        same = best == window[hole]
        exact.append(same.all())
        right.append(same.mean())
        bits.append(nats(loaded, window[None])[0, hole].sum() / size / np.log(2))
    return float(np.mean(exact)), float(np.mean(right)), seconds / len(found), float(np.mean(bits))


@torch.inference_mode()
def nats(loaded: Loaded, windows: NDArray[np.uint8]) -> NDArray[np.float64]:
    """What each byte of windows (B, T) costs a next-byte model, (B, T)."""
    begun = np.pad(windows, ((0, 0), (1, 0)))
    logits = loaded.model(torch.from_numpy(begun[:, :-1].copy())).double()
    targets = torch.from_numpy(windows.astype(np.int64))
    return torch.nn.functional.cross_entropy(logits.mT, targets, reduction="none").numpy()


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--ar", type=Path, required=True)
    parser.add_argument("--diffusion", type=Path, required=True)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--sizes", type=int, nargs="+", default=[4, 16, 64])
    parser.add_argument("--holes", type=int, default=200)
    parser.add_argument("--guesses", type=int, default=16)
    parser.add_argument("--threads", type=int, default=1)
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    ar, diffusion, data = store.load(args.ar), store.load(args.diffusion), args.data.read_bytes()
    context = min(ar.meta.context, diffusion.meta.context)
    print(
        f"{args.holes} holes in windows of {context} bytes; exact, bytes right, bits a byte, holes a second"
    )
    for size in args.sizes:
        found = list(holes(data, context, size, args.holes))
        bits = bits_of_diffusion(diffusion, found)
        for steps in sorted({size, max(1, size // 4), 1}, reverse=True):
            exact, right, seconds = by_diffusion(diffusion, found, steps)
            show(f"{size:3d} bytes, diffusion, {steps} steps", exact, right, bits, seconds)
        exact, right, seconds, left = by_guessing(ar, found, args.guesses)
        show(f"{size:3d} bytes, ar, best of {args.guesses}", exact, right, left, seconds)


def show(name: str, exact: float, right: float, bits: float, seconds: float) -> None:
    print(f"{name:32s} {exact:7.1%} {right:7.1%} {bits:7.3f} {1 / seconds:8.1f}", flush=True)


if __name__ == "__main__":
    main()
