"""The rows of metrics.jsonl, each kind a tuple. Imports no torch."""

import json
import math
from typing import Any, NamedTuple

MOST = 1e12
"""What is larger is no figure of a run, and is read as one that was not finite."""
_LONGEST_REASON = 500


class Step(NamedTuple):
    """A logged step; a figure that was not finite, or is not there, is NaN."""

    step: int
    steps: int
    bpb: float
    learning_rate: float
    gradient_norm: float
    seq_len: int
    quantized: bool
    bytes_seen: int
    bytes_per_second: float


class Evaluation(NamedTuple):
    """A validation; `is_bound` where the figure is only an upper bound."""

    step: int
    bpb: float
    context: int
    is_bound: bool


class Skip(NamedTuple):
    """An update that was left out, and the first and last sample of its batch."""

    step: int
    reason: str
    samples: tuple[int, int] | None


class Return(NamedTuple):
    """A return from step `left` to the checkpoint of `step`."""

    left: int
    step: int
    reason: str


Row = Step | Evaluation | Skip | Return


def parse(line: bytes) -> Row | None:
    """The row that a line of the log holds; None where it holds none."""
    try:
        row = json.loads(line)
        step = _count(row["step"])
        if "loss" in row:
            return Step(
                step, _count(row["steps"]), _number(row["bpb"]), _number(row["learning_rate"]),
                _number(row["gradient_norm"]), _count(row["seq_len"]), bool(row["quantized"]),
                _count(row["bytes_seen"]), _number(row["bytes_per_second"]),
            )  # fmt: skip
        if "val_bpb" in row:
            bpb = _number(row["val_bpb"])
            if not math.isfinite(bpb):
                return None
            return Evaluation(step, bpb, _count(row["context"]), bool(row.get("is_bound", False)))
        if "skipped" in row:
            samples = row.get("samples")
            whole = (_count(samples[0]), _count(samples[1])) if samples is not None else None
            return Skip(step, _text(row["skipped"]), whole)
        return Return(_count(row["went_back_from"]), step, _text(row["reason"]))
    except (ValueError, TypeError, KeyError, IndexError, RecursionError, AttributeError):
        return None


def _count(value: Any) -> int:
    if type(value) is not int or not 0 <= value < 1 << 62:
        raise ValueError(value)
    return value


def _number(value: Any) -> float:
    if value is None:
        return math.nan
    if type(value) not in (int, float):
        raise ValueError(value)
    number = float(value)
    return number if abs(number) <= MOST else math.nan


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise ValueError(value)
    return value[:_LONGEST_REASON]
