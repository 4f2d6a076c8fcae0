"""How fast packing is beside `cat`, and how long a batch of training windows takes to read.

    python benchmarks/pack.py --megabytes 1024 --runs 9

Runs alternate, so that a disk or neighbour that slows down slows both; the figures are medians. `pack`
hashes everything, `cat` nothing. Neither waits for the disk; `pack` over an earlier corpus does, beside a
`cat` that is synced.
"""

import argparse
import shutil
import statistics
import subprocess
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

from bbyte.data.corpus import ByteCorpus
from bbyte.data.pack import pack
from bbyte.data.sampling import WindowOrder

FILES = 4
BATCH, LENGTH = 8, 8192


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--megabytes", type=int, default=256, help="size of the temporary input files")
    parser.add_argument("--runs", type=int, default=7, help="runs of each, alternating")
    parser.add_argument("--folder", type=Path, help="where to put temporary files (default: the system's)")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=arguments.folder) as name:
        folder = Path(name)
        size = arguments.megabytes << 20
        inputs = make_inputs(folder, size)
        compare(folder, inputs, size, arguments.runs)
        for shards in (1, 64):
            time_windows(folder, inputs, size, shards)


def make_inputs(folder: Path, size: int) -> list[str]:
    """Files of random bytes, as many in all as `size`."""
    random = np.random.default_rng(0)
    files = [folder / f"input_{number}" for number in range(FILES)]
    for file in files:
        file.write_bytes(random.bytes(size // FILES))
    return [str(file) for file in files]


def compare(folder: Path, inputs: list[str], size: int, runs: int) -> None:
    """Time `cat`, the library's `pack`, the command, and `cat` and `pack` that wait for the disk."""
    one, out, old = folder / "one", folder / "out", folder / "old"
    small = folder / "small"
    small.write_bytes(b"small")

    def cat(wait: bool) -> None:
        with one.open("wb") as file:
            subprocess.run(["cat", *inputs], stdout=file, check=True)
        if wait:
            subprocess.run(["sync", str(one)], check=True)

    def command() -> None:
        subprocess.run(["bbyte", "pack", "--quiet", *inputs, "--out-dir", str(out)], check=True)

    contestants: dict[str, Callable[[], object]] = {
        "cat": lambda: cat(wait=False),
        "pack": lambda: pack(inputs, out),
        "bbyte pack, start included": command,
        "cat, synced": lambda: cat(wait=True),
        "pack over a corpus, synced": lambda: pack(inputs, old, force=True),
    }
    seconds: dict[str, list[float]] = {name: [] for name in contestants}
    for _ in range(runs):
        for name, run in contestants.items():
            one.unlink(missing_ok=True)
            shutil.rmtree(out, ignore_errors=True)
            pack([str(small)], old, force=True)
            started = time.perf_counter()
            run()
            seconds[name].append(time.perf_counter() - started)
    medians = {name: statistics.median(times) for name, times in seconds.items()}
    for name, median in medians.items():
        print(f"{name:<28}{size / median / 1e6:8,.0f} MB/s{medians['cat'] / median:8.2f}x cat")


def time_windows(folder: Path, inputs: list[str], size: int, shards: int) -> None:
    """Time reading a batch at random places, and choosing the places."""
    out = folder / "corpus"
    shutil.rmtree(out, ignore_errors=True)
    pack(inputs, out, shard_bytes=size // shards + 1)
    corpus = ByteCorpus.open(out)
    order = WindowOrder(corpus.size, LENGTH, seed=0)
    choosing, reading = [], []
    for step in range(2000):
        samples = np.arange(step * BATCH, (step + 1) * BATCH)
        started = time.perf_counter()
        offsets = order.offsets(0, samples, LENGTH)
        chosen = time.perf_counter()
        corpus.windows(offsets, LENGTH + 1)
        choosing.append(chosen - started)
        reading.append(time.perf_counter() - chosen)
    print(
        f"{BATCH} windows of {LENGTH}, {len(corpus.files)} shards: reading {_milliseconds(reading)}, "
        f"choosing {_milliseconds(choosing)}"
    )


def _milliseconds(seconds: list[float]) -> str:
    ordered = sorted(seconds)
    median, slow = statistics.median(ordered), ordered[int(0.99 * len(ordered))]
    return f"{1000 * median:.3f} ms (99 % under {1000 * slow:.3f})"


if __name__ == "__main__":
    main()
