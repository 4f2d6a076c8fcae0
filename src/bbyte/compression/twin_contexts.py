"""The hybrid coder's eight contexts: what followed the last bytes, and the last words, so far."""

from bisect import bisect_right
from dataclasses import dataclass, field

from bbyte.compression.tables import LARGEST_STRETCH, tables
from bbyte.compression.twin_history import MASK, History, hashed

ORDERS = 6
CONTEXTS = ORDERS + 2
LINE_BITS = 17
SLOTS = 15
EVEN = 1 << 21
"""One half, of 2^22."""
MOST_COUNT = 255
SETS_OF_COUNT = (0, 1, 2, 3, 4, 5, 6, 7, 8, 12, 16, 24, 32, 64, 128)
"""The first count of each set."""
FINE = 33


@dataclass
class _Line:
    """Half a byte of a context: by the bits that are known a probability of 1, and how often it was seen."""

    check: int = 0
    p: list[int] = field(default_factory=lambda: [EVEN] * SLOTS)
    n: list[int] = field(default_factory=lambda: [0] * SLOTS)


class Contexts:
    """Tables of all contexts, and the line and the fine probability of each that are at hand."""

    def __init__(self) -> None:
        self._tables: list[dict[int, _Line]] = [{} for _ in range(CONTEXTS)]
        squash = tables().squash
        begin = [squash[LARGEST_STRETCH + 128 * (j - 16)] >> 8 for j in range(FINE)]
        self._fine = [[begin.copy() for _ in SETS_OF_COUNT] for _ in range(CONTEXTS)]

    def find(self, history: History, known: int) -> None:
        """Look for the lines, before the first or the fifth bit of a byte."""
        self._lines = [
            _line(table, hash_) for table, hash_ in zip(self._tables, _hashes(history, known), strict=True)
        ]

    def inputs(self, known: int, bits: int) -> list[int]:
        """Two logits of each context."""
        self._slot, self._chosen = _slot(known, bits), []
        found = []
        for line, fine in zip(self._lines, self._fine, strict=True):
            n = line.n[self._slot]
            logit = tables().stretch[line.p[self._slot] >> 10] if n else 0
            row = fine[bisect_right(SETS_OF_COUNT, n) - 1]
            at = (max(-2047, min(logit, 2047)) + 2112) // 128
            self._chosen.append((row, at))
            found += [logit, tables().stretch[row[at] >> 4] if n else 0]
        return found

    def learn(self, bit: int) -> None:
        """What the bit was whose `inputs` were asked for last."""
        slot, aim = self._slot, (1 << 22) - 1 if bit else 0
        for line, (row, at) in zip(self._lines, self._chosen, strict=True):
            n, p = line.n[slot], line.p[slot]
            line.p[slot] = p + ((aim - p) * tables().rate[n] >> 16)
            line.n[slot] = min(n + 1, MOST_COUNT)
            if n:
                row[at] += towards_zero(65535 * bit - row[at], 64)


def towards_zero(a: int, b: int) -> int:
    """a / b without what follows the point, b > 0."""
    return a // b if a >= 0 else -(-a // b)


def _hashes(history: History, known: int) -> list[int]:
    found = []
    for i in range(ORDERS):
        last = [history.back(back) for back in range(1, i + 2)]
        low = int.from_bytes(bytes(last[:4]), "little")
        high = int.from_bytes(bytes(last[4:]), "little")
        found.append(hashed(hashed(low, (high + i * 0x1000193) & MASK), known))
    found.append(hashed(hashed(history.word, history.back(1)), known + 0x10000))
    found.append(hashed(hashed(history.word, history.word_before), known + 0x20000))
    return found


def _line(table: dict[int, _Line], hash_: int) -> _Line:
    check, place = hash_ >> 16 | 1, (hash_ * 0x9E3779B1 & MASK) >> (32 - LINE_BITS)
    pair = [(at, table.setdefault(at, _Line())) for at in (place, place ^ 1)]
    for _, line in pair:
        if line.check == check:
            return line
    at, _ = min(pair, key=lambda one: one[1].n[0])
    table[at] = _Line(check)
    return table[at]


def _slot(known: int, bits: int) -> int:
    of_half = bits % 4
    return (1 << of_half) - 1 + known % (1 << of_half)
