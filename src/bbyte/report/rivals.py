"""anchors.json: what classical compressors need for the validation bytes of a run."""

import json
import math
from dataclasses import asdict, dataclass
from pathlib import Path

from bbyte import durable
from bbyte.anchors import Anchor, anchors
from bbyte.evaluation import ByteSource
from bbyte.runs.archive import ANCHORS

MOST_PRIMING = 4 << 20
"""Priming xz and PPMd costs about two seconds for each MiB of text."""
LARGEST = 1 << 20


@dataclass(frozen=True)
class Rivals:
    """Figures on `bytes` bytes; xz and PPMd also after the last `primed_with` bytes of the training text."""

    bytes: int
    primed_with: int
    anchors: tuple[Anchor, ...]


def measure(validation: ByteSource, train: ByteSource, bytes_seen: int) -> Rivals:
    """Compress the validation bytes, alone and after as much training text as was read (up to 4 MiB)."""
    most = min(bytes_seen, MOST_PRIMING, train.size)
    primer = train.read(train.size - most, train.size).tobytes()
    found = anchors(validation.read(0, validation.size).tobytes(), primer)
    return Rivals(validation.size, most, tuple(found))


def write(folder: Path, rivals: Rivals) -> None:
    """Keep the figures in the folder of the run."""
    durable.replace_text(folder / ANCHORS, json.dumps(asdict(rivals), indent=1) + "\n")


def read(folder: Path) -> Rivals | None:
    """The figures kept in the folder of a run; None where there are none that can be read."""
    path = folder / ANCHORS
    try:
        if not path.is_file() or path.stat().st_size > LARGEST:
            return None
        content = json.loads(path.read_bytes())
        found = tuple(_anchor(**entry) for entry in content["anchors"])
        return Rivals(int(content["bytes"]), int(content["primed_with"]), found)
    except (OSError, ValueError, TypeError, KeyError, OverflowError, RecursionError):
        return None


def _anchor(name: str, bits_per_byte: float, primed: bool, seconds: float) -> Anchor:
    if not 0 <= float(bits_per_byte) < math.inf:
        raise ValueError(bits_per_byte)
    return Anchor(str(name), float(bits_per_byte), bool(primed), float(seconds))
