"""metrics.jsonl read back: what happened in a run, thinned where the run was long. Imports no torch."""

import math
from bisect import bisect_right
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Literal, TypeVar

from bbyte.runs.folder import METRICS
from bbyte.runs.rows import Evaluation, Return, Row, Skip, Step, parse

LARGEST = 1 << 30

Axis = Literal["steps", "bytes", "seconds"]
Points = list[tuple[float, float]]
_R = TypeVar("_R", Step, Evaluation)


@dataclass
class Log:
    """The rows of a run's log. Rows after a return to an earlier step replace those they repeat.

    steps: at most as many as were asked for, evenly spaced, the first and the last among them.
    problems: what could not be read, a sentence each.
    """

    steps: list[Step] = field(default_factory=list)
    evaluations: list[Evaluation] = field(default_factory=list)
    skips: list[Skip] = field(default_factory=list)
    returns: list[Return] = field(default_factory=list)
    quantized_from: int | None = None
    """The first logged step with ternary weights, if the run began in full precision."""
    problems: list[str] = field(default_factory=list)

    @property
    def best(self) -> Evaluation | None:
        """The lowest validation. Figures of the full-precision start do not count once it is over."""
        counted = [e for e in self.evaluations if e.step >= (self.quantized_from or 0)]
        return min(counted, key=lambda evaluation: evaluation.bpb, default=None)

    @property
    def last(self) -> Evaluation | None:
        """The last validation."""
        return self.evaluations[-1] if self.evaluations else None

    @property
    def bytes_seen(self) -> int:
        """How many bytes were learned from, up to the last logged step."""
        return self.steps[-1].bytes_seen if self.steps else 0

    @property
    def train_bpb(self) -> float | None:
        """The mean of the last training figures: a twentieth of them, at least five."""
        last = [step.bpb for step in self.steps if math.isfinite(step.bpb)]
        last = last[-max(5, len(last) // 20) :]
        return math.fsum(last) / len(last) if last else None

    @property
    def seconds(self) -> float:
        """Time spent training, without validations and saves, by the logged speeds."""
        return self._places("seconds")[-1][1]

    def place(self, axis: Axis) -> Callable[[float], float]:
        """A function from a step to where it lies on `axis`, in a straight line between logged steps."""
        if axis == "steps":
            return lambda step: step
        places = self._places(axis)
        steps = [step for step, _ in places]

        def of(step: float) -> float:
            after = min(max(bisect_right(steps, step), 1), len(steps) - 1)
            if after < 1:
                return 0.0
            (left, low), (right, high) = places[after - 1], places[after]
            return low + (high - low) * min(1.0, (step - left) / max(1, right - left))

        return of

    def train(self, axis: Axis = "steps") -> Points:
        """Bits per byte of the logged steps."""
        place = self.place(axis)
        return [(place(step.step), step.bpb) for step in self.steps if math.isfinite(step.bpb)]

    def validation(self, axis: Axis = "steps") -> Points:
        """Bits per byte of the validations."""
        place = self.place(axis)
        return [(place(evaluation.step), evaluation.bpb) for evaluation in self.evaluations]

    def _places(self, axis: Axis) -> list[tuple[int, float]]:
        places, total = [(0, 0.0)], 0.0
        for before, step in pairwise([None, *self.steps]):
            assert step is not None  # noqa: S101
            read = max(0, step.bytes_seen - (before.bytes_seen if before else 0))
            if axis == "bytes":
                total += read
            elif step.bytes_per_second > 0:
                total += read / step.bytes_per_second
            places.append((step.step, total))
        return places


def read(folder: Path, most: int = 2000) -> Log:
    """The log of the run in `folder`, with at most about `most` of its steps. What fails is in `problems`."""
    log, path = Log(), folder / METRICS
    if not path.exists():
        return log
    if not path.is_file() or path.stat().st_size > LARGEST:
        log.problems.append(f"{METRICS} is no file of at most {LARGEST >> 20} MiB")
        return log
    try:
        lines = path.read_bytes().split(b"\n")[:-1]  # a last line without its end was cut short by a crash
    except OSError as error:
        log.problems.append(f"{METRICS} cannot be read: {error.strerror or error}")
        return log
    steps = [number for number, line in enumerate(lines) if b'"loss"' in line]
    for row in _rows(log, lines, _kept(lines, steps, most)):
        _take(log, row)
    ternary = next((n for n in steps if b'"quantized": true' in lines[n]), None)
    if ternary is not None and ternary != steps[0]:
        first = parse(lines[ternary])
        log.quantized_from = first.step if isinstance(first, Step) and first.quantized else None
    return log


def _kept(lines: list[bytes], steps: list[int], most: int) -> list[int]:
    """Every line that is no step, and evenly spaced steps: parsing all those of a long run takes seconds."""
    thinned = set(steps) - {*steps[:: -(-len(steps) // max(1, most)) or 1], *steps[-1:]}
    return [number for number in range(len(lines)) if number not in thinned]


def _rows(log: Log, lines: list[bytes], numbers: list[int]) -> Iterator[Row]:
    wrong = []
    for number in numbers:
        row = parse(lines[number])
        if row is None:
            wrong.append(number + 1)
        else:
            yield row
    if wrong:
        more = f" and {len(wrong) - 1:,} more" if len(wrong) > 1 else ""
        log.problems.append(f"{METRICS}: line {wrong[0]}{more}: no row of a log")


def _take(log: Log, row: Row) -> None:
    match row:
        case Step():
            if log.steps and row.step <= log.steps[-1].step:
                log.steps, log.evaluations = (
                    _until(log.steps, row.step - 1),
                    _until(log.evaluations, row.step - 1),
                )
            log.steps.append(row)
        case Evaluation():
            log.evaluations = _until(log.evaluations, row.step - 1)
            log.evaluations.append(row)
        case Skip():
            log.skips.append(row)
        case Return():
            log.returns.append(row)
            log.steps, log.evaluations = _until(log.steps, row.step), _until(log.evaluations, row.step)


def _until(rows: list[_R], step: int) -> list[_R]:
    return rows if not rows or rows[-1].step <= step else [row for row in rows if row.step <= step]
