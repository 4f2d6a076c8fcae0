"""Bits per byte of checkpoints in bbyte and, exported, in llama.cpp: the same bytes and windows.

    pip install llama-cpp-python
    python benchmarks/exports.py --data alice29.txt artifacts/checkpoints/tales …

A row a checkpoint with a column a type; what a type cannot hold stays empty.
"""

import argparse
import tempfile
from pathlib import Path
from typing import Any, get_args

import numpy as np
from llama_cpp import Llama
from numpy.typing import NDArray

from bbyte.checkpoint.export.gguf import Type, export_gguf
from bbyte.checkpoint.find import Found, find
from bbyte.device import Runtime, place
from bbyte.errors import UsageError
from bbyte.evaluation import InMemory, bits_per_byte
from bbyte.models.contract import Cost
from bbyte.scoring import score_checkpoint


def in_llama_cpp(path: Path, source: InMemory, context: int) -> float:
    """Bits per byte of `source` under the model in the file at `path`."""
    model = Llama(
        str(path), n_ctx=context, n_batch=context, n_ubatch=context, n_threads=1, n_threads_batch=1,
        logits_all=True, verbose=False,
    )  # fmt: skip

    def measure(rows: NDArray[np.uint8], skip: int) -> Cost:
        nats, count = 0.0, 0
        for row in rows:
            model.reset()
            model.eval([int(byte) for byte in row[:-1]])
            logits = model.scores[skip : len(row) - 1].astype(np.float64)
            targets = row[1 + skip :]
            largest = logits.max(1, keepdims=True)
            logsumexp = largest[:, 0] + np.log(np.exp(logits - largest).sum(1))
            nats += float((logsumexp - logits[np.arange(len(targets)), targets]).sum())
            count += len(targets)
        return Cost(nats, count)

    return bits_per_byte(measure, source, context=context, stride=max(1, context // 2)).bits_per_byte


def figures(found: Found, source: InMemory, scratch: Path) -> dict[str, Any]:
    """In bbyte, and in llama.cpp by type."""
    placement = place(Runtime(device="cpu", threads=1))
    result = {"bbyte": score_checkpoint(found, source, placement).bits_per_byte}
    for type_ in get_args(Type):
        path = scratch / f"{type_}.gguf"
        try:
            export_gguf(found, path, type=type_, force=True)
        except UsageError:
            continue
        result[type_] = in_llama_cpp(path, source, found.meta.context)
    return result


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("checkpoints", type=Path, nargs="+")
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--max-bytes", type=int, default=100_000)
    args = parser.parse_args()
    source = InMemory(args.data.read_bytes()[: args.max_bytes])
    columns = ("bbyte", *get_args(Type))
    print("| model | " + " | ".join(columns) + " |\n" + "|---" * (1 + len(columns)) + "|")
    for path in args.checkpoints:
        with tempfile.TemporaryDirectory() as scratch:
            found = figures(find(path), source, Path(scratch))
        cells = (f"{found[name]:.5f}" if name in found else "" for name in columns)
        print(f"| {path.name} | " + " | ".join(cells) + " |", flush=True)


if __name__ == "__main__":
    main()
