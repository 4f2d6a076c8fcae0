"""Runs of the past on the screen: as rows of a table, and one of them with its curve."""

import re
import shutil
import sys
import textwrap
import time
from collections.abc import Sequence
from typing import Any

from bbyte.analysis.series import smoothed
from bbyte.checkpoint.meta import CheckpointMeta
from bbyte.figures import bound, duration, scaled
from bbyte.models.families import families
from bbyte.runs.record import Record
from bbyte.runs.rows import Evaluation
from bbyte.terminal.curve import BEST, MARK, RAW, SMOOTH, SWITCH, curve
from bbyte.terminal.screen import Screen

_WIDEST, _CHART, _EVENTS = 100, 13, 10
Rows = list[tuple[str, ...]]


def table(records: Sequence[Record], width: int | None = None) -> tuple[tuple[str, ...], Rows]:
    """Columns and rows of a list of runs, the best figure on each corpus marked.

    `width`: how wide the terminal is, where there is one. What it has no room for is left out.
    """
    marked, now = _best_of_each_corpus(records), time.time()
    columns = {
        "run": [record.name for record in records],
        "model": [_model(record) for record in records],
        "data": [_last_part(record.data) for record in records],
        "steps": [_steps(record) for record in records],
        "best bpb": [figure(r.log.best) + (" *" if r.name in marked else "") for r in records],
        "age": [age(now - record.changed) for record in records],
        "state": ["damaged" if record.problems else record.state for record in records],
    }
    for name in ("data", "model"):
        needed = sum(3 + max(map(len, (head, *cells))) for head, cells in columns.items())
        if width is not None and needed >= width:
            del columns[name]
    return tuple(columns), list(zip(*columns.values(), strict=True))


def short_names(*records: Record) -> list[str]:
    """The names of runs, without date and time where the rest tells them apart."""
    short = [re.sub(r"^\d{8}-\d{6}-", "", record.name) for record in records]
    return short if len(set(short)) == len(short) else [record.name for record in records]


def line(record: Record) -> str:
    """A run in a line."""
    best = f", best {figure(record.log.best)} bpb" if record.log.best else ""
    size = f", {scaled(sum(found.bytes for found in record.checkpoints))}B" if record.checkpoints else ""
    return f"{record.name}: {record.state} at step {_steps(record)}{best}{size}"


def figure(evaluation: Evaluation | None) -> str:
    """Bits per byte of a validation; empty where there is none."""
    return bound(evaluation.bpb, evaluation.is_bound) if evaluation else ""


def figures_of(*records: Record) -> Rows:
    """What came of runs, a column each."""
    rows: list[tuple[str, list[str]]] = [
        ("state", [record.state for record in records]),
        ("parameters", [scaled(r.parameters).strip() if r.parameters else "" for r in records]),
        ("steps", [_steps(record) for record in records]),
        ("best validation bpb", [figure(record.log.best) for record in records]),
        ("last validation bpb", [figure(record.log.last) for record in records]),
        ("training bpb", [f"{r.log.train_bpb:.3f}" if r.log.train_bpb is not None else "" for r in records]),
        ("bytes read", [f"{scaled(r.log.bytes_seen)}B" if r.log.bytes_seen else "" for r in records]),
        ("time", [duration(record.log.seconds) if record.log.steps else "" for record in records]),
        ("bytes a second", [_speed(record) for record in records]),
        ("updates skipped", [str(len(record.log.skips)) for record in records]),
        ("times gone back", [str(len(record.log.returns)) for record in records]),
    ]
    return [(name, *cells) for name, cells in rows if any(cell not in ("", "0") for cell in cells)]


def show(screen: Screen, record: Record) -> None:
    """All about one run, on stdout."""
    screen.print(f"{record.folder}")
    heard = age(time.time() - record.changed)
    screen.print(f"{_model(record)}, learned from {record.data}; last heard of {heard} ago")
    for problem in record.problems:
        screen.warn(problem)
    _draw(record)
    screen.table("", ("figure", *short_names(record)), figures_of(record))
    rows = [
        (found.path.name, *_described(found.meta), f"{scaled(found.bytes)}B") for found in record.checkpoints
    ]
    if rows:
        screen.table("", ("checkpoint", "weights", "validation bpb", "size"), rows)
    for words in _events(record):
        screen.print(words)
    room = min(width() or 80, _WIDEST)
    for name, values in _by_table(record.settings).items():
        text = ", ".join(f"{key} {value}" for key, value in values.items())
        screen.print(textwrap.fill(text, room, initial_indent=f"{name:<11}", subsequent_indent=" " * 11))


def _described(checkpoint: CheckpointMeta | None) -> tuple[str, str]:
    if checkpoint is None:
        return "cannot be read", ""
    measured = checkpoint.metrics.get("val_step", checkpoint.step) == checkpoint.step
    bpb = checkpoint.metrics.get("val_bpb") if measured else None
    weights = "ternary" if checkpoint.quantized and checkpoint.variant == "ternary" else "full precision"
    return weights, bound(bpb, families()[checkpoint.family].is_bound) if bpb is not None else ""


def _draw(record: Record) -> None:
    if len(record.log.steps) < 2 or not (sys.stdout.encoding or "").lower().startswith("utf"):
        return
    from rich.console import Console
    from rich.text import Text

    train, validation = record.log.train(), record.log.validation()
    legend = Text.assemble("\n", ("bits per byte", "bold"))
    signs = [("⠒⠒", SMOOTH, "train"), ("⠂", RAW, "single batches")]
    signs += [("◆", MARK, "val"), ("◆", BEST, "lowest")] if validation else []
    signs += [("┊", SWITCH, "ternary")] if record.log.quantized_from else []
    for sign, style, meaning in signs:
        legend.append("   ").append(sign, style).append(" ").append(meaning, "dim")
    room = min(width() or 80, _WIDEST)
    lines = curve(room, _CHART, train, smoothed(train), validation, record.log.quantized_from)
    console = Console(width=room, markup=False, emoji=False, highlight=False)
    for drawn in (legend, *lines, Text("")):
        console.print(drawn, no_wrap=True, overflow="crop")


def _events(record: Record) -> list[str]:
    happened = [
        (skip.step, f"step {skip.step:,}: update skipped, {skip.reason}") for skip in record.log.skips
    ]
    happened += [
        (back.step, f"step {back.left:,}: back to step {back.step:,}, {back.reason}")
        for back in record.log.returns
    ]
    lines = [words for _, words in sorted(happened)]
    if len(lines) > _EVENTS:
        lines = [f"{len(lines) - _EVENTS:,} earlier ones, and", *lines[-_EVENTS:]]
    return [*lines, ""] if lines else []


def _best_of_each_corpus(records: Sequence[Record]) -> set[str]:
    best: dict[str, tuple[float, str]] = {}
    for record in records:
        found = record.log.best
        if found is not None:
            entry = (found.bpb, record.name)
            best[record.data] = min(entry, best.get(record.data, entry))
    return {name for _, name in best.values()}


def _model(record: Record) -> str:
    size = scaled(record.parameters).strip() if record.parameters else ""
    return " ".join(filter(None, (record.family, size))) or "unknown"


def _steps(record: Record) -> str:
    if record.steps is None or record.step == record.steps:
        return f"{record.step:,}"
    return f"{record.step:,}/{record.steps:,}"


def _speed(record: Record) -> str:
    seconds = record.log.seconds
    return f"{scaled(record.log.bytes_seen / seconds)}B" if seconds > 0 else ""


def age(seconds: float) -> str:
    """How long ago something was: "3 d", "5 min"."""
    for unit, length in (("d", 86400), ("h", 3600), ("min", 60)):
        if seconds >= length:
            return f"{seconds / length:.0f} {unit}"
    return f"{max(0, seconds):.0f} s"


def _last_part(path: str) -> str:
    return path.rstrip("/").rpartition("/")[2]


def _by_table(settings: dict[str, Any]) -> dict[str, dict[str, Any]]:
    tables: dict[str, dict[str, Any]] = {}
    for key, value in settings.items():
        name, _, inner = key.rpartition(".")
        tables.setdefault(name, {})[inner] = value
    tables.pop("", None)
    return tables


def width() -> int | None:
    """How many columns the terminal has; None where stdout is none."""
    return shutil.get_terminal_size().columns if sys.stdout.isatty() else None
