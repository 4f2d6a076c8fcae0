"""samples.jsonl: what the model of a run wrote at several steps, always from the same prompt."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from bbyte import durable
from bbyte.runs.archive import SAMPLES

LARGEST = 16 << 20


@dataclass(frozen=True)
class Sample:
    """What a model wrote after `prompt` when it had taken `step` steps. Any bytes may stand in both."""

    step: int
    prompt: bytes
    text: bytes


def read(folder: Path) -> list[Sample]:
    """The samples of the run in `folder`, in order; lines that are none are left out."""
    path = folder / SAMPLES
    if not path.is_file() or path.stat().st_size > LARGEST:
        return []
    found = (_sample(line) for line in path.read_bytes().split(b"\n"))
    return [sample for sample in found if sample is not None]


def append(folder: Path, sample: Sample) -> None:
    """Add a sample; those of later steps, of a course that the run has left, are dropped."""
    kept = [earlier for earlier in read(folder) if earlier.step < sample.step]
    _write(folder, [*kept, sample])


def forget_after(folder: Path, step: int) -> None:
    """Drop the samples of steps after `step`: a resumed run writes them again."""
    if (folder / SAMPLES).exists():
        _write(folder, [sample for sample in read(folder) if sample.step <= step])


def _write(folder: Path, samples: Sequence[Sample]) -> None:
    rows = [{"step": s.step, "prompt": _readable(s.prompt), "text": _readable(s.text)} for s in samples]
    durable.replace_text(folder / SAMPLES, "".join(json.dumps(row) + "\n" for row in rows))


def _readable(data: bytes) -> str:
    # What is no UTF-8 becomes lone surrogates, which JSON writes as \udcXX: nothing is lost.
    return data.decode("utf-8", "surrogateescape")


def _sample(line: bytes) -> Sample | None:
    try:
        row = json.loads(line)
        step, prompt, text = row["step"], row["prompt"], row["text"]
        if type(step) is not int or not 0 <= step < 1 << 62:
            return None
        before, after = (part.encode("utf-8", "surrogateescape") for part in (prompt, text))
        return Sample(step, before, after)
    except (ValueError, TypeError, KeyError, RecursionError, AttributeError):
        return None
