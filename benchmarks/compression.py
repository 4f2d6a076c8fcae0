"""bbyte's compressor beside the classical ones, on the files given: bits per byte, and kB of input a second.

    python benchmarks/compression.py --ckpt tales-packed book1 canterbury/*

Each file is compressed by each program once, one after the other; those that are not installed are left out
(brotli: `pip install brotli`; bzip3: a system package). The last column counts the model's file as well.
"""

import argparse
import bz2
import gzip
import lzma
import shutil
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import pyppmd

from bbyte.compression import compress, decompress

Compressor = Callable[[bytes], bytes]


def classical() -> dict[str, Compressor]:
    """Those that are here, with the settings that make the smallest files."""
    found: dict[str, Compressor] = {
        "gzip -9": lambda data: gzip.compress(data, 9),
        "bzip2 -9": lambda data: bz2.compress(data, 9),
        "xz -9e": lambda data: lzma.compress(data, preset=9 | lzma.PRESET_EXTREME),
        "zstd -22": _zstd,
        "PPMd o16": lambda data: pyppmd.compress(data, max_order=16, mem_size=256 << 20),
    }
    try:
        import brotli  # type: ignore[import-not-found]
    except ImportError:
        pass
    else:
        found["brotli -q11"] = lambda data: bytes(brotli.compress(data, quality=11, lgwin=24))
    if shutil.which("bzip3"):
        found["bzip3 -b64"] = _bzip3
    return found


def _zstd(data: bytes) -> bytes:
    try:
        from compression import zstd  # type: ignore[import-not-found, unused-ignore]
    except ImportError:
        from backports import zstd
    level = zstd.CompressionParameter
    options = {level.compression_level: 22, level.window_log: 27}
    return bytes(zstd.compress(data, options=options))


def _bzip3(data: bytes) -> bytes:
    done = subprocess.run(["bzip3", "-e", "-c", "-b", "64"], input=data, capture_output=True, check=True)
    return done.stdout


def timed(work: Compressor, data: bytes) -> tuple[bytes, float]:
    """What it gives, and the seconds that took."""
    began = time.perf_counter()
    return work(data), time.perf_counter() - began


def row(path: Path, others: dict[str, Compressor], model: Path, threads: int) -> list[str]:
    """One file as a row of the table."""
    data = path.read_bytes()
    cells = [f"{path.name} ({len(data):,})"]
    for work in others.values():
        coded, seconds = timed(work, data)
        cells.append(f"{8 * len(coded) / len(data):.3f} ({len(data) / 1000 / seconds:,.0f})")
    coded, packing = timed(lambda plain: compress(plain, model, threads=threads), data)
    plain, unpacking = timed(lambda archive: decompress(archive, model, threads=threads), coded)
    if plain != data:
        raise SystemExit(f"{path} does not come back")
    size = sum(file.stat().st_size for file in model.glob("*"))
    speeds = f"{len(data) / 1000 / packing:,.1f}, {len(data) / 1000 / unpacking:,.1f}"
    cells.append(f"{8 * len(coded) / len(data):.3f} ({speeds})")
    cells.append(f"{8 * (len(coded) + size) / len(data):.3f}")
    return cells


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("files", type=Path, nargs="+")
    parser.add_argument("--ckpt", type=Path, required=True, help="a packed checkpoint's folder")
    parser.add_argument("--threads", type=int, default=0)
    args = parser.parse_args()
    others = classical()
    head = ["file (bytes)", *others, "bbyte", "with the model"]
    print("| " + " | ".join(head) + " |\n|" + "---|" * len(head), flush=True)
    for path in args.files:
        if path.is_file() and path.stat().st_size:
            print("| " + " | ".join(row(path, others, args.ckpt, args.threads)) + " |", flush=True)


if __name__ == "__main__":
    main()
