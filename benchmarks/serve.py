"""Time to the first byte and bytes a second through the server, beside `bbyte generate`'s own loop.

    python benchmarks/serve.py --threads 1

The server runs in a process of its own, as users start it, and is asked over a connection that stays open;
`in process` is what `bbyte generate` does once its model is there: the same predictor, the same settings.
Contenders take turns, round by round; figures are medians.
"""

import argparse
import http.client
import json
import re
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

from bbyte.checkpoint.find import find
from bbyte.engine.predictor import open_predictor
from bbyte.generation.sampling import Sampling
from bbyte.generation.stream import generate
from bbyte.models.contract import Predictor
from bbyte.starter import MODEL

PROMPT = "Once upon a time there was a little girl"
Timing = tuple[float, float]
"""Seconds to the first byte, and bytes a second in all."""


def in_process(predictor: Predictor, size: int) -> Timing:
    began, first = time.perf_counter(), 0.0
    for count, _ in enumerate(generate(predictor, PROMPT.encode(), size, Sampling())):
        if count == 0:
            first = time.perf_counter() - began
    return first, size / (time.perf_counter() - began)


def through(connection: http.client.HTTPConnection, size: int, **more: object) -> Timing:
    settings = {"prompt": PROMPT, "max_tokens": size, "temperature": 0.9, "top_k": 50, "seed": 0, **more}
    began, first = time.perf_counter(), 0.0
    connection.request("POST", "/v1/completions", json.dumps(settings), {"Content-Type": "application/json"})
    answer = connection.getresponse()
    while answer.readline():
        first = first or time.perf_counter() - began
    answer.read()
    return first, size / (time.perf_counter() - began)


def started(checkpoint: Path, threads: int) -> tuple[subprocess.Popen[str], str]:
    words = ["serve", str(checkpoint), "--port", "0", "--threads", str(threads)]
    process = subprocess.Popen([sys.executable, "-m", "bbyte", *words], stderr=subprocess.PIPE, text=True)
    assert process.stderr is not None  # noqa: S101
    for line in process.stderr:
        if found := re.search(r"at http://(\S+\d), Ctrl-C", line):
            return process, found[1]
    raise SystemExit("the server did not start")


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--ckpt", type=Path, default=MODEL, help="a packed checkpoint")
    parser.add_argument("--bytes", type=int, default=2000)
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--threads", type=int, default=1)
    args = parser.parse_args()

    predictor, _ = open_predictor(find(args.ckpt), threads=args.threads)
    process, address = started(args.ckpt, args.threads)
    connection = http.client.HTTPConnection(address)
    contenders: dict[str, Callable[[], Timing]] = {
        "in process, as bbyte generate": lambda: in_process(predictor, args.bytes),
        "server, streaming": lambda: through(connection, args.bytes, stream=True),
        "server, all at once": lambda: through(connection, args.bytes),
        "server, streaming with logprobs": lambda: through(connection, args.bytes, stream=True, logprobs=0),
        "server, 4 texts, all at once": lambda: through(connection, args.bytes, n=4),
    }
    try:
        for ask in contenders.values():  # what is made once is there before anything is measured
            ask()
        found: dict[str, list[Timing]] = {title: [] for title in contenders}
        for _ in range(args.rounds):
            for title, ask in contenders.items():
                found[title].append(ask())
    finally:
        process.terminate()
        process.wait()

    print(f"{args.bytes} bytes after a prompt of {len(PROMPT)}, {args.threads} threads, {args.rounds} rounds")
    print(f"{'':34}{'first byte':>12}{'bytes/s':>12}{'of in process':>16}")
    alone = found["in process, as bbyte generate"]
    for title, timings in found.items():
        texts = 4 if "4 texts" in title else 1
        share = statistics.median(texts * a[1] / b[1] for a, b in zip(timings, alone, strict=True))
        first = statistics.median(timing[0] for timing in timings)
        speed = texts * statistics.median(timing[1] for timing in timings)
        print(f"{title:34}{1000 * first:9.1f} ms{speed:12,.0f}{share:15.2f}x")


if __name__ == "__main__":
    main()
