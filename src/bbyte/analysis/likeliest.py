"""The bytes that a model expects next, likeliest first."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from bbyte.analysis.byte_kinds import KINDS, kind, shown
from bbyte.analysis.drawing import WIDTH_OF_LETTER, Boxes, Drawing, Label
from bbyte.errors import BbyteError
from bbyte.probabilities import Figures, entropy_of


@dataclass(frozen=True)
class Candidate:
    """A byte that may come next."""

    byte: int
    probability: float
    bits: float


@dataclass(frozen=True)
class Expected:
    """What is expected next: all 256 bytes, likeliest first, and the entropy in bits."""

    candidates: tuple[Candidate, ...]
    entropy: float


def expected(logs: Figures) -> Expected:
    """Of log-probabilities (256,), equal ones in the order of bytes. Raises BbyteError for NaN."""
    if np.isnan(logs).any():
        raise BbyteError("the model gives no distribution", "its weights may have diverged")
    order = np.argsort(-logs, kind="stable")
    found = (Candidate(int(byte), math.exp(logs[byte]), -float(logs[byte]) / math.log(2)) for byte in order)
    return Expected(tuple(found), float(entropy_of(logs)))


def drawing(found: Expected, most: int, below: str) -> Drawing:
    """The likeliest bytes as bars, coloured by kind; `below` says after what they are expected."""
    shown_bytes: Sequence[Candidate] = found.candidates[:most]
    row, top, left, right = 20, 66, 120, 640
    picture = Drawing(760, top + row * len(shown_bytes) + 52, "likeliest next bytes")
    picture.title(f"The next byte: {found.entropy:.2f} bits of entropy", below)
    widest = max(shown_bytes[0].probability, 1e-12)
    for place, one in enumerate(shown_bytes):
        y = top + row * place
        name = kind(one.byte)
        width = max(1.0, (right - left) * one.probability / widest)
        title = f"0x{one.byte:02X}, {name}: {one.probability:.3%}, {one.bits:.2f} bits"
        picture.add(
            Label(40, y + 14, f"0x{one.byte:02X}", "dim", 11, "middle", is_mono=True),
            Label(left - 12, y + 14, shown(one.byte), "ink", 12, "end", is_mono=True),
            Boxes([(left, y + 2, width, row - 5)], KINDS[name], title=title),
            Label(left + width + 8, y + 14, f"{one.probability:.1%}, {one.bits:.1f} bits", "dim", 11),
        )
    legend(picture, dict.fromkeys(kind(one.byte) for one in shown_bytes), picture.height - 16)
    return picture


def legend(picture: Drawing, kinds: Sequence[str] | dict[str, None], y: float, x: float = 14) -> None:
    """What the colours of kinds of bytes mean, in lines that go upwards from `y`."""
    lines: list[list[str]] = [[]]
    used = x
    for name in kinds:
        width = 30 + len(name) * 11 * WIDTH_OF_LETTER
        if used + width > picture.width - x and lines[-1]:
            lines.append([])
            used = x
        lines[-1].append(name)
        used += width
    for number, line in enumerate(lines):
        at, height = x, y - 16 * (len(lines) - 1 - number)
        for name in line:
            picture.add(Boxes([(at, height - 8, 9, 9)], KINDS[name]), Label(at + 14, height, name))
            at += 30 + len(name) * 11 * WIDTH_OF_LETTER
