"""How long one waits for the first byte that a model writes, and how fast the rest comes.

    python benchmarks/first_byte.py
    python benchmarks/first_byte.py --ckpt artifacts/exports/tales-packed --bytes 4000

`bbyte generate` and `bbyte play`, which is given its line by a pipe, in turns; medians of the rounds. Without
--ckpt the starter model writes. What is written goes to a pipe, whose first byte ends the wait.
"""

import argparse
import statistics
import subprocess
import sys
import tempfile
import time

PROMPT = "Once upon a time there was"


def run(words: list[str], typed: str, folder: str) -> tuple[float, float]:
    """Seconds to the first byte, and bytes a second from there to the last."""
    began = time.perf_counter()
    with subprocess.Popen(
        [sys.executable, "-m", "bbyte", *words, "--quiet"],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=folder,
    ) as process:  # fmt: skip
        assert process.stdin is not None and process.stdout is not None  # noqa: S101
        process.stdin.write(typed.encode())
        process.stdin.close()
        process.stdout.read(1)
        first = time.perf_counter()
        count, last = 0, first
        while piece := process.stdout.read1(1 << 16):
            count, last = count + len(piece), time.perf_counter()
    if process.returncode:
        raise SystemExit(f"{' '.join(words)} ended with {process.returncode}")
    return first - began, count / max(last - first, 1e-9)


def main() -> None:
    """Print a line for each."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--ckpt", help="a packed checkpoint's folder")
    parser.add_argument("--bytes", type=int, default=4000)
    parser.add_argument("--rounds", type=int, default=9)
    args = parser.parse_args()
    count, ckpt = str(args.bytes), [args.ckpt] if args.ckpt else []
    generate = ["generate", "--prompt", PROMPT, "--no-echo", "--max-new-tokens", count]
    contenders = {
        "bbyte generate": ([*generate, *(["--ckpt", args.ckpt] if ckpt else [])], ""),
        "bbyte play": (["play", *ckpt, "--length", count], PROMPT + "\n"),
    }
    with tempfile.TemporaryDirectory() as folder:
        rounds = [{name: run(*one, folder) for name, one in contenders.items()} for _ in range(args.rounds)]
    for name in contenders:
        first, speed = (statistics.median(each) for each in zip(*(row[name] for row in rounds), strict=True))
        print(f"{name:<16} first byte after {first:.2f} s, then {speed:,.0f} bytes/s")


if __name__ == "__main__":
    main()
