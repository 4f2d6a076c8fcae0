"""How fast packing is beside `cat` and beside the parsers it uses, and in how much memory.

    python benchmarks/pack.py --megabytes 1024 --runs 9
    python benchmarks/pack.py --only parsers
    python benchmarks/pack.py --only memory --megabytes 2048

Runs alternate, so that a disk or neighbour that slows down slows all; the figures are medians. `pack`
hashes everything, input and output, `cat` nothing. Neither waits for the disk; `pack` over an earlier corpus
does, beside a `cat` that is synced. Besides the time on the clock there is that of the processor, which other
work on the machine does not stretch: MB of text per second of one core.
"""

import argparse
import bz2
import json
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa
from pyarrow import parquet

from bbyte.data.corpus import ByteCorpus
from bbyte.data.pack import pack
from bbyte.data.sampling import WindowOrder

FILES = 4
BATCH, LENGTH = 8, 8192
DOCUMENT = 2000  # bytes of text in a record, on average
MEASURES = ("cat", "parsers", "windows", "memory")
PACK = """
import re, sys
from pathlib import Path
from bbyte.data.pack import pack
if __name__ == "__main__":
    pack([sys.argv[1]], sys.argv[2], field="text", **eval(sys.argv[3]))
    print(re.search(r"VmHWM:\\s+(\\d+)", Path("/proc/self/status").read_text())[1])
"""


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--megabytes", type=int, default=256, help="size of the temporary input files")
    parser.add_argument("--runs", type=int, default=7, help="runs of each, alternating")
    parser.add_argument("--folder", type=Path, help="where to put temporary files (default: the system's)")
    parser.add_argument("--only", choices=MEASURES, action="append", help="what to measure (default: all)")
    arguments = parser.parse_args()
    chosen = arguments.only or MEASURES
    with tempfile.TemporaryDirectory(dir=arguments.folder) as name:
        folder = Path(name)
        size = arguments.megabytes << 20
        if "cat" in chosen or "windows" in chosen:
            inputs = make_inputs(folder, size)
            if "cat" in chosen:
                compare(folder, inputs, size, arguments.runs)
            for shards in (1, 64) if "windows" in chosen else ():
                time_windows(folder, inputs, size, shards)
        if "parsers" in chosen:
            compare_parsers(folder, size, arguments.runs)
        if "memory" in chosen:
            measure_memory(folder, size)


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
    processor: dict[str, list[float]] = {name: [] for name in contestants}
    for _ in range(runs):
        for name, run in contestants.items():
            one.unlink(missing_ok=True)
            shutil.rmtree(out, ignore_errors=True)
            pack([str(small)], old, force=True)
            started, thread, children = time.perf_counter(), time.thread_time(), _of_children()
            run()
            seconds[name].append(time.perf_counter() - started)
            processor[name].append(time.thread_time() - thread + _of_children() - children)
    medians = {name: statistics.median(times) for name, times in seconds.items()}
    for name, median in medians.items():
        print(f"{name:<28}{size / median / 1e6:8,.0f} MB/s{medians['cat'] / median:8.2f}x cat")
    least = {name: min(processor[name]) for name in ("cat", "pack")}  # hashing has threads of its own
    print(f"processor time at the least: cat {least['cat']:.3f} s, pack's first thread {least['pack']:.3f} s")


def compare_parsers(folder: Path, size: int, runs: int) -> None:
    """Time packing JSON Lines and Parquet, and reading them without anything else."""
    lines, table = folder / "texts.jsonl", folder / "texts.parquet"
    taken = write_lines(lines, size)
    write_table(table, size)
    several = folder / "several"
    several.mkdir()
    for number in range(FILES):
        write_lines(folder / "part", size // FILES)
        with bz2.open(several / f"{number}.jsonl.bz2", "wb", 1) as file:
            file.write((folder / "part").read_bytes())
    out = folder / "out"

    def parse_lines() -> None:
        with lines.open("rb") as file:
            for line in file:
                json.loads(line)["text"].encode()

    def parse_table() -> None:
        for _ in parquet.ParquetFile(table).iter_batches(columns=["text"], use_threads=False):
            pass

    contestants: dict[str, Callable[[], object]] = {
        "JSON: json.loads alone": parse_lines,
        "JSON: pack": lambda: pack([str(lines)], out, field="text"),
        "four .jsonl.bz2: pack": lambda: pack([str(several)], out, field="text"),
        "four .jsonl.bz2: pack --workers 2": lambda: pack([str(several)], out, field="text", workers=2),
        "Parquet: pyarrow alone": parse_table,
        "Parquet: pack": lambda: pack([str(table)], out),
        "Parquet: pack --index": lambda: pack([str(table)], out, index=True),
        "Parquet: pack --dedup exact": lambda: pack([str(table)], out, dedup=True),
        "Parquet: pack --val-fraction 0.1": lambda: pack([str(table)], out, val_fraction=0.1),
        "Parquet: pack --shuffle-documents 1": lambda: pack([str(table)], out, shuffle_seed=1),
    }
    clock: dict[str, list[float]] = {name: [] for name in contestants}
    core: dict[str, list[float]] = {name: [] for name in contestants}
    for _ in range(runs):
        for name, run in contestants.items():
            shutil.rmtree(out, ignore_errors=True)
            started, used = time.perf_counter(), _used()
            run()
            clock[name].append(time.perf_counter() - started)
            core[name].append(_used() - used)
    for name in contestants:
        by_clock, by_core = statistics.median(clock[name]), statistics.median(core[name])
        print(f"{name:<36}{taken / by_clock / 1e6:8,.0f} MB/s{taken / by_core / 1e6:8,.0f} MB a core-second")


def measure_memory(folder: Path, size: int) -> None:
    """The most memory that packing takes, of a tenth of `size` and of all of it."""
    kinds: dict[str, tuple[str, Callable[[Path, int], int], str]] = {
        "plain": ("x.bin", write_bytes, "{}"),
        "JSON Lines": ("x.jsonl", write_lines, "{}"),
        "Parquet": ("x.parquet", write_table, "{}"),
        "JSON Lines, two workers": ("x.jsonl", write_lines, "{'workers': 2}"),
        "JSON Lines, shuffled": ("x.jsonl", write_lines, "{'shuffle_seed': 1, 'index': True}"),
        "JSON Lines, no doubles": ("x.jsonl", write_lines, "{'dedup': True}"),
    }
    script = folder / "pack_once.py"
    script.write_text(PACK)
    for kind, (name, write, settings) in kinds.items():
        peaks = []
        for part in (size // 10, size):
            write(folder / name, part)
            command = [sys.executable, str(script), str(folder / name), str(folder / "out"), settings]
            done = subprocess.run(command, check=True, capture_output=True, text=True)
            peaks.append(int(done.stdout) / 1024)
            shutil.rmtree(folder / "out")
            (folder / name).unlink()
        small, large = (f"{peak:.0f} MiB" for peak in peaks)
        print(f"{kind:<26}{small} for {size / 1e10:.1f} GB, {large} for {size / 1e9:.1f} GB")


def write_bytes(path: Path, size: int) -> int:
    """Random bytes."""
    random = np.random.default_rng(0)
    with path.open("wb") as file:
        for _ in range(size >> 20):
            file.write(random.bytes(1 << 20))
    return size


def write_lines(path: Path, size: int) -> int:
    """Records with so much text in all; returns how much exactly."""
    total = 0
    with path.open("w", encoding="utf-8") as file:
        for number, text in enumerate(texts(size)):
            total += len(text.encode())
            file.write(
                json.dumps({"id": number, "text": text, "url": f"https://example.org/{number}"}) + "\n"
            )
    return total


def write_table(path: Path, size: int) -> int:
    """The same as a Parquet file with row groups of 32 MB or so."""
    total, group = 0, 1 << 14
    schema = pa.schema({"id": pa.int64(), "text": pa.string()})
    with parquet.ParquetWriter(path, schema) as writer:
        rows: list[str] = []
        for text in texts(size):
            total += len(text.encode())
            rows.append(text)
            if len(rows) == group:
                writer.write_table(pa.table({"id": range(len(rows)), "text": rows}, schema))
                rows = []
        writer.write_table(pa.table({"id": range(len(rows)), "text": rows}, schema))
    return total


def texts(size: int) -> Iterator[str]:
    """Words in random order, of random length, with quotes and line breaks as prose has them."""
    random = np.random.default_rng(1)
    words = np.array(["the", "fox", "said:", '"No,', 'thanks."', "über", "went\n", "and", "because", "of"])
    total = 0
    while total < size:
        text = " ".join(words[random.integers(0, len(words), random.integers(1, DOCUMENT * 2 // 5))])
        total += len(text)
        yield text


def _used() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime + _of_children()


def _of_children() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


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
