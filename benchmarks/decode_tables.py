"""The tables of benchmarks/decode.py, and what they say of the engine's aims."""

import statistics
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

ENGINE, TORCH, TRANSFORMERS = "bbyte, engine", "bbyte, torch", "transformers generate"
F16, TQ2_0 = "llama.cpp F16", "llama.cpp TQ2_0"
BEST = "llama.cpp, the better"

AIMS = (
    ("small: decoding after 64", BEST, 8.0),
    ("small: decoding after 512", BEST, 8.0),
    ("small: decoding after 64", TRANSFORMERS, 60.0),
    ("12gb: decoding after 64", TQ2_0, 1.5),
    ("12gb: decoding after 512", TQ2_0, 1.5),
    ("small: a prompt of 256", BEST, 3.5),
    ("small: scoring 256", BEST, 3.5),
    ("small: scoring 256", TORCH, 2.0),
)
"""Tables by the beginning of their titles, whom the engine is compared with, and the factor wanted."""


@dataclass(frozen=True)
class Table:
    """Figures by who was measured, one a round; ratios are those of `first` to each."""

    title: str
    unit: str
    figures: Mapping[str, list[float]]
    first: str
    notes: tuple[str, ...] = ()
    share: float | None = None
    """Of the memory's bandwidth, where it was measured."""

    def ratio(self, other: str) -> float:
        """How many times the speed of `other` the first one has, round by round."""
        pairs = zip(self.figures[self.first], self.figures[other], strict=True)
        return statistics.median(b / a if self.unit == "s" else a / b for a, b in pairs)

    def ratio_at_best(self, other: str) -> float:
        """The same of the best round of each, which tells more where other programs were busy."""
        first, second = self.figures[self.first], self.figures[other]
        return min(second) / min(first) if self.unit == "s" else max(first) / max(second)

    def text(self, write: Callable[..., str]) -> str:
        """The table, and what is to be said below it."""
        rows = []
        for name, found in self.figures.items():
            middle, spread = (
                _figure(statistics.median(found)),
                f"{_figure(min(found))} to {_figure(max(found))}",
            )
            rows.append(
                [
                    name,
                    middle,
                    spread,
                    f"{self.ratio(name):.2f}x",
                    f"{self.ratio_at_best(name):.2f}x",
                ]
            )
        text = write(self.title, ("", self.unit, "range", f"{self.first} beside it", "at best"), rows)
        return text + "".join(f"{note}\n" for note in self.notes)


def aims(tables: Iterable[Table]) -> list[tuple[str, str, str]]:
    """What was aimed at, what was found and what is wanted, for all that these tables tell of."""
    rows = []
    for table in tables:
        rows += [
            (f"{table.title}: {ENGINE} beside {other}", f"{found:.2f}x", f">= {wanted:g}x")
            for start, other, wanted in AIMS
            if table.title.startswith(f"{start} ") and (found := _beside(table, other)) is not None
        ]
        if table.title.startswith("12gb: decoding") and table.share is not None:
            rows.append((f"{table.title}: share of the bandwidth", f"{table.share:.0%}", ">= 70%"))
        if table.title.startswith("small: a prompt of 2,048") and ENGINE in table.figures:
            rows.append((table.title, f"{statistics.median(table.figures[ENGINE]):.3f} s", "< 0.3 s"))
        if table.title.startswith(f"small: {ENGINE}, lanes"):
            rows.append((f"{table.title}: 16 beside 1", f"{1 / table.ratio('16 lanes'):.2f}x", ">= 0.9x"))
        if "paths" in table.title and {"avx2, 2 threads", "avx512, 2 threads"} <= set(table.figures):
            half = 1 / table.ratio("avx2, 2 threads")
            rows.append((f"{table.title}: avx2 beside avx512", f"{half:.2f}x", ">= 0.5x"))
    return rows


def _figure(value: float) -> str:
    return f"{value:,.0f}" if value >= 1000 else f"{value:.3g}"


def _beside(table: Table, other: str) -> float | None:
    if table.first != ENGINE:
        return None
    names = [name for name in table.figures if name == other or (other == BEST and name in (F16, TQ2_0))]
    return min((table.ratio(name) for name in names), default=None)
