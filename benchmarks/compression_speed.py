"""How the compressor's speed goes with threads, chunks and lanes: kB of text a second.

    python benchmarks/compression_speed.py --ckpt tales-packed --bytes 131072 book1

A text is divided into so many chunks of the same size, and its archive written and read in memory by so many
threads; nothing is verified. Each cell is the median of the rounds, compressing and decompressing. The last
table is of the engine alone on one thread, its streams in step: the most that several lanes within a chunk
could bring, before anything is coded.
"""

import argparse
import io
import statistics
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

from bbyte.checkpoint.find import find
from bbyte.compression.coder import Coding, Make
from bbyte.compression.expansion import read_archive
from bbyte.compression.models import coder_of, opener_of
from bbyte.compression.writer import write_archive
from bbyte.engine import weights
from bbyte.engine.native import Native, NativeModel
from bbyte.terminal.table import markdown

LANES, STEPS = (1, 2, 4, 8, 16), 384


def seconds(work: Callable[[], object]) -> float:
    """How long it takes."""
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


class Bench:
    """A model and a text."""

    def __init__(self, ckpt: Path, text: bytes, hybrid: str, rounds: int) -> None:
        self.text, self.rounds, self.found = text, rounds, find(ckpt)
        self.coder: tuple[Coding, Make] = coder_of(self.found, hybrid=hybrid)  # type: ignore[arg-type]
        self.opener = opener_of(self.found)

    def speeds(self, chunks: int, threads: int) -> str:
        """One cell."""
        taken = [self._once(-(-len(self.text) // chunks), threads) for _ in range(self.rounds)]
        return ", ".join(
            f"{len(self.text) / 1000 / statistics.median(each):.1f}" for each in zip(*taken, strict=True)
        )

    def _once(self, chunk_bytes: int, threads: int) -> tuple[float, float]:
        archive, back = io.BytesIO(), io.BytesIO()
        options = {"threads": threads, "chunk_bytes": chunk_bytes}
        packing = seconds(
            lambda: write_archive(io.BytesIO(self.text), archive.write, self.coder, **options)  # type: ignore[arg-type]
        )
        archive.seek(0)
        unpacking = seconds(
            lambda: read_archive(archive, back.write, self.opener, name="it", threads=threads)
        )
        if back.getvalue() != self.text:
            raise SystemExit("the text does not come back")
        return packing, unpacking

    def lanes(self, count: int) -> float:
        """kB a second of the engine alone, so many streams in step on one thread."""
        loaded = weights.load(self.found)
        streams = Native(NativeModel(loaded), count, max(2, self.found.meta.context))
        column = np.frombuffer(self.text[: count * STEPS], np.uint8).reshape(count, STEPS)
        steps = min(STEPS, self.found.meta.context)

        def run() -> None:
            streams.clear()
            for at in range(steps):
                streams.step(column[:, at : at + 1], every=False)

        return count * steps / 1000 / statistics.median(seconds(run) for _ in range(self.rounds + 1))


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("text", type=Path)
    parser.add_argument("--ckpt", type=Path, required=True, help="a packed checkpoint's folder")
    parser.add_argument("--bytes", type=int, default=1 << 17, help="of the text, from its beginning")
    parser.add_argument("--hybrid", default="on", choices=("auto", "on", "off"))
    parser.add_argument("--threads", type=int, nargs="+", default=[1, 2, 4])
    parser.add_argument("--chunks", type=int, nargs="+", default=[1, 2, 4, 8])
    parser.add_argument("--rounds", type=int, default=3)
    args = parser.parse_args()
    bench = Bench(args.ckpt, args.text.read_bytes()[: args.bytes], args.hybrid, args.rounds)
    rows = [
        [str(chunks), *(bench.speeds(chunks, threads) for threads in args.threads)] for chunks in args.chunks
    ]
    head = ["chunks", *(f"{count} thread{'s' * (count > 1)}" for count in args.threads)]
    print(markdown("kB/s, compressing and decompressing", head, rows), end="", flush=True)
    lanes = [[str(count), f"{bench.lanes(count):.1f}"] for count in LANES]
    print(markdown("the engine alone on one thread", ["lanes", "kB/s"], lanes), end="")


if __name__ == "__main__":
    main()
