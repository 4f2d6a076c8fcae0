"""Checkpoints on the screen: a list of them, and all about one."""

import textwrap
import time
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Any

from bbyte.checkpoint import contents
from bbyte.checkpoint.contents import Contents
from bbyte.checkpoint.listing import Listed
from bbyte.checkpoint.matrices import Matrix, by_layer, spread
from bbyte.checkpoint.meta import FILE, MODEL, CheckpointMeta
from bbyte.figures import bound, scaled
from bbyte.terminal.runs import Rows, age, width
from bbyte.terminal.screen import Screen

_TOGETHER = "\xa0"
_WIDEST, _LABEL, _FINGERPRINT = 100, 12, 12


def table(
    found: Sequence[Listed], root: Path, marked: Collection[Path], width: int | None = None
) -> tuple[tuple[str, ...], Rows]:
    """Columns and rows of a list of checkpoints; those `marked` have an asterisk.

    `width`: how wide the terminal is, where there is one. What it has no room for is left out.
    """
    now = time.time()
    rows = [_row(one, root, one.path in marked, now) for one in found]
    columns = {name: [row[name] for row in rows] for name in rows[0]}
    for name in ("kind", "step", "variant", "size", "family"):
        if (
            width is not None
            and sum(3 + max(map(len, (head, *cells))) for head, cells in columns.items()) >= width
        ):
            del columns[name]
    return tuple(columns), list(zip(*columns.values(), strict=True))


def _row(one: Listed, root: Path, is_best: bool, now: float) -> dict[str, str]:
    found = one.meta
    bpb = figure(found) + (" *" if is_best else "") if found else ""
    return {
        "checkpoint": _name(one.path, root),
        "kind": found.kind if found else "",
        "family": found.family if found else "",
        "variant": _variant(found) if found else "",
        "step": f"{found.step:,}" if found else "",
        "size": f"{scaled(one.bytes)}B" if found else "",
        "val bpb": bpb if found else one.state,
        "age": age(now - one.changed) if one.changed else "",
    }


def listed_document(one: Listed, root: Path, is_best: bool) -> dict[str, Any]:
    """A row of the list, for programs."""
    found = one.meta
    return {
        "path": one.path,
        "name": _name(one.path, root),
        "state": one.state,
        "problem": one.problem or None,
        "kind": found.kind if found else None,
        "family": found.family if found else None,
        "variant": found.variant if found else None,
        "step": found.step if found else None,
        "bytes": one.bytes if found else None,
        "val_bpb": contents.validation(found) if found else None,
        "is_bound": contents.is_bound(found) if found else None,
        "is_best": is_best,
        "saved": one.changed,
    }


def legacy_line(found: Sequence[Path]) -> str:
    """A line about files that are no checkpoints yet."""
    files = f"{len(found):,} legacy files" if len(found) > 1 else f"1 legacy file, {found[0]}"
    return f"{files}; bbyte tag-ckpt PATH converts one"


def figure(found: CheckpointMeta) -> str:
    """The validation figure of the checkpoint's own step; empty where it has none."""
    bpb = contents.validation(found)
    return bound(bpb, contents.is_bound(found)) if bpb is not None else ""


def show(screen: Screen, found: Contents) -> None:
    """All about one checkpoint, on stdout."""
    screen.print(f"{found.path}")
    for label, text in _facts(found):
        screen.print(_filled(label, text))
    sizes = [(part.name, f"{part.parameters:,}", part.bytes) for part in found.parts]
    others = {name: size for name, size in found.files.items() if name not in (MODEL, FILE)}
    sizes += [(Path(name).stem, "", size) for name, size in others.items()]
    whole = sum(size for *_, size in sizes) or 1
    rows = [(name, count, f"{scaled(size)}B", f"{size / whole:.1%}") for name, count, size in sizes]
    screen.table("", ("part", "parameters", "size", "share"), rows)
    if found.matrices:
        _show_matrices(screen, found.matrices)


def _filled(label: str, text: str) -> str:
    """A label and lines of text beside it; a setting stays on the line of its name."""
    filled = textwrap.fill(
        text,
        min(width() or 80, _WIDEST),
        initial_indent=f"{label:<{_LABEL}}",
        subsequent_indent=" " * _LABEL,
        break_on_hyphens=False,
    )
    return filled.replace(_TOGETHER, " ")


def _facts(found: Contents) -> list[tuple[str, str]]:
    about = found.meta
    types = ", ".join(
        name if len(found.dtypes) == 1 else f"{name} {count:,}" for name, count in found.dtypes.items()
    )
    unknown = about.tags.get("bytes_seen") == "unknown"
    seen = "bytes seen unknown" if unknown else f"{scaled(about.bytes_seen)}B seen"
    facts = [
        ("model", f"{about.family} {about.variant}".strip() + f", {about.kind}"),
        ("weights", "still in the full-precision start" if contents.is_unfinished(about) else ""),
        (
            "parameters",
            f"{found.parameters:,}, {found.inner_parameters:,} without embedding and head; {types}",
        ),
        ("trained", f"{about.step:,} steps, {seen}, context {about.context:,} bytes"),
        ("validation", _validation(about)),
        ("files", ", ".join(f"{name} {scaled(size)}B" for name, size in found.files.items())),
        ("packed", _packed(found)),
        ("config", _listing(about.config)),
        ("corpus", _corpus(about.corpus)),
        ("made with", _listing(about.environment)),
        ("tags", _listing(about.tags)),
    ]
    return [(label, text) for label, text in facts if text]


def _variant(found: CheckpointMeta) -> str:
    return f"{found.variant} later" if contents.is_unfinished(found) else found.variant


def _packed(found: Contents) -> str:
    if found.packed_bytes is None:
        return ""
    return f"about {scaled(found.packed_bytes)}B, with 2 bits a ternary weight and 16 any other"


def _validation(found: CheckpointMeta) -> str:
    is_bound = contents.is_bound(found)
    bpb, best = found.metrics.get("val_bpb"), found.metrics.get("best_bpb")
    words = []
    if bpb is not None:
        step = found.metrics.get("val_step", found.step)
        words.append(
            f"{bound(bpb, is_bound)} bits per byte" + (f" at step {step}" if step is not None else "")
        )
    if best is not None and best != bpb:
        words.append(f"best of the run {bound(best, is_bound)}")
    return ", ".join(words)


def _corpus(corpus: dict[str, Any]) -> str:
    if not corpus["fingerprint"]:
        return f"{corpus['path']}, of which nothing else was recorded"
    words = [
        corpus["path"],
        f"{scaled(corpus['size'])}B",
        f"fingerprint {corpus['fingerprint'][:_FINGERPRINT]}",
    ]
    if corpus.get("val_fraction"):
        words.append(f"{corpus['val_fraction']:.1%} held out")
    return ", ".join(words)


def _listing(values: dict[str, Any]) -> str:
    words = []
    for key, value in values.items():
        words.append(_listing(value) if isinstance(value, dict) else f"{key}{_TOGETHER}{value}")
    return ", ".join(words)


def _show_matrices(screen: Screen, found: Sequence[Matrix]) -> None:
    whole = spread(found)
    columns, layers = by_layer(found)
    rows: Rows = []
    for layer, row in layers:
        scales = [matrix.scale for matrix in row if matrix]
        zeros = (f"{100 * matrix.zeros:.1f}" if matrix else "" for matrix in row)
        rows.append((layer, *zeros, _range(min(scales), max(scales), "{:.3g}")))
    heads = ("layer", *columns, "scales")
    if (width() or 80) <= sum(3 + max(len(line[n]) for line in (heads, *rows)) for n in range(len(heads))):
        heads = ("layer", "zeros", "scales")
        rows = [
            (name, _range(*_extremes([100 * matrix.zeros for matrix in row if matrix]), "{:.1f}"), shown[-1])
            for (name, row), shown in zip(layers, rows, strict=True)
        ]
    of_each = f"{whole.fewest_zeros:.1%} to {whole.most_zeros:.1%} of a matrix"
    screen.print(f"zeros: {whole.zeros:.1%} of all ternary weights, {of_each}")
    median = f"median {whole.median_scale:.3g}"
    screen.print(f"scales: {whole.smallest_scale:.3g} to {whole.largest_scale:.3g}, {median}")
    screen.table("zeros in % of each ternary matrix", heads, rows)


def _range(low: float, high: float, form: str) -> str:
    return f"{form.format(low)}-{form.format(high)}"


def _extremes(values: Sequence[float]) -> tuple[float, float]:
    return min(values), max(values)


def _name(path: Path, root: Path) -> str:
    return str(path.relative_to(root)) if path != root else path.resolve().name


def document(found: Contents) -> dict[str, Any]:
    """All about one checkpoint, for programs."""
    about, matrices = found.meta, found.matrices
    return {
        "path": found.path,
        "kind": about.kind,
        "family": about.family,
        "variant": about.variant,
        "step": about.step,
        "bytes_seen": about.bytes_seen,
        "context": about.context,
        "quantized": about.quantized,
        "parameters": found.parameters,
        "inner_parameters": found.inner_parameters,
        "dtypes": found.dtypes,
        "files": found.files,
        "parts": {part.name: {"parameters": part.parameters, "bytes": part.bytes} for part in found.parts},
        "packed_bytes": found.packed_bytes,
        "config": about.config,
        "metrics": {**about.metrics, "is_bound": contents.is_bound(about)},
        "corpus": about.corpus,
        "environment": about.environment,
        "tags": about.tags,
        "ternary": {**vars(spread(matrices)), "matrices": list(map(vars, matrices))} if matrices else None,
        "skipped": [{"path": path, "problem": why} for path, why in found.skipped],
    }
