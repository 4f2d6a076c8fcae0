"""A corpus on the screen."""

import math
from collections.abc import Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from bbyte.figures import scaled
from bbyte.terminal.screen import Screen

if TYPE_CHECKING:
    from bbyte.data.corpus import ByteCorpus
    from bbyte.data.statistics import Documents, Statistics

_HEIGHTS = "▁▂▃▄▅▆▇█"
_COLUMNS, _LABEL, _COMMONEST = 64, 12, 8
_TOLD_BY = {
    "index": "",
    "separator": ", told apart by the byte {separator}, which may stand in them as well (see pack --index)",
    "file": ", one a file",
    "nothing": ", as nothing tells where one ends",
}


def document(corpus: "ByteCorpus", found: "Statistics") -> dict[str, Any]:
    """All about a corpus, for programs."""
    described = corpus.meta
    return {
        "path": corpus.path,
        "bytes": found.bytes,
        "files": len(corpus.files),
        "separator": corpus.separator,
        "has_index": described is not None and described.index is not None,
        "val_bytes": corpus.validation.size if corpus.validation is not None else 0,
        "sources": described.source_count if described is not None else None,
        "documents": asdict(found.documents),
        "histogram": found.histogram.tolist(),
        "entropies": list(found.entropies),
        "sampled": found.sampled,
    }


def show(screen: Screen, corpus: "ByteCorpus", found: "Statistics") -> None:
    """All about a corpus, on stdout."""
    screen.print(f"{corpus.path}")
    for label, text in _facts(corpus, found):
        screen.print(f"{label:<{_LABEL}}{text}")
    screen.print("")
    for line in histogram(found.histogram.tolist()):
        screen.print(line)


def histogram(counts: Sequence[int]) -> list[str]:
    """How often each byte occurs: 64 to a line, bars of a logarithmic scale, a dot for none."""
    highest = math.log2(max(*counts, 1) + 1)
    cells = [_HEIGHTS[min(int(math.log2(count + 1) / highest * 8), 7)] if count else "·" for count in counts]
    rows = [cells[start : start + _COLUMNS] for start in range(0, 256, _COLUMNS)]
    return [f"{f'0x{number * _COLUMNS:02x}':<{_LABEL}}{''.join(row)}" for number, row in enumerate(rows)]


def _facts(corpus: "ByteCorpus", found: "Statistics") -> list[tuple[str, str]]:
    described = corpus.meta
    size = f"{found.bytes:,} in {_counted(len(corpus.files), 'file')}"
    if corpus.validation is not None:
        size += f"; {corpus.validation.size:,} more held out"
    sources = ""
    if described is not None and described.source_count:
        names = ", ".join(source.name for source in described.sources[:3])
        more = described.source_count - min(3, len(described.sources))
        sources = names + (f" and {more:,} more" if more else "")
    total = max(1, found.bytes)
    common = sorted(range(256), key=lambda byte: -int(found.histogram[byte]))[:_COMMONEST]
    shares = [f"{_named(byte)} {int(found.histogram[byte]) / total:.1%}" for byte in common]
    sampled = f" (a sample of {scaled(found.sampled)}B)" if found.sampled < found.bytes else ""
    documents = found.documents
    again = f"{documents.duplicate_bytes / total:.1%} of the bytes"
    return [
        ("bytes", size),
        *([("sources", sources)] if sources else []),
        ("documents", f"{documents.count:,}" + _told(documents, corpus)),
        (
            "lengths",
            f"mean {documents.mean:,.0f}, median {documents.median:,.0f}, 99 % up to {documents.p99:,.0f}, "
            f"longest {documents.longest:,}",
        ),
        ("not UTF-8", _counted(documents.not_utf8, "document")),
        ("duplicates", f"{_counted(documents.duplicates, 'document')}, {again}"),
        ("entropy", _entropy(found.entropies) + sampled),
        ("commonest", ", ".join(shares)),
    ]


def _told(documents: "Documents", corpus: "ByteCorpus") -> str:
    separator = 0 if corpus.separator is None else corpus.separator
    return _TOLD_BY[documents.told_by].format(separator=f"0x{separator:02x}")


def _entropy(entropies: Sequence[float]) -> str:
    """Bits per byte, given none and more of the bytes before."""
    words = [f"{bits:.3f} after {order}" for order, bits in enumerate(entropies)]
    return "bits per byte " + ", ".join(words) + " bytes known"


def _named(byte: int) -> str:
    return repr(chr(byte)) if 0x20 <= byte < 0x7F else f"0x{byte:02x}"


def _counted(count: int, noun: str) -> str:
    return f"{count:,} {noun}" + ("" if count == 1 else "s")
