"""The figures of `bbyte eval-bpb` as rows of a table."""

import os
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bbyte.checkpoint.meta import MODEL
from bbyte.errors import BbyteError
from bbyte.figures import scaled
from bbyte.terminal.screen import Screen

if TYPE_CHECKING:
    from bbyte.anchors import Anchor
    from bbyte.checkpoint.find import Found
    from bbyte.evaluation import Score

COLUMNS = (
    "checkpoint", "family", "steps", "size", "context", "stride", "bits per byte", "bytes/s",
)  # fmt: skip
Scored = Sequence[tuple["Found", "Score"]]


def rows(scored: Scored) -> list[tuple[object, ...]]:
    """A row a checkpoint; the size is that of its weights as stored."""
    return [
        (
            label(one.path),
            one.meta.family,
            one.meta.step,
            f"{scaled(one.meta.files[MODEL]['bytes'])}B",
            score.context,
            score.stride,
            figure(score),
            f"{score.bytes_per_second:,.0f}",
        )
        for one, score in scored
    ]


def row(found: "Found", score: "Score", draws: int, seed: int) -> dict[str, Any]:
    """A checkpoint's figures for programs."""
    estimated = {"standard_error": score.standard_error, "draws": draws, "seed": seed}
    return {
        "checkpoint": str(found.path),
        "family": found.meta.family,
        "variant": found.meta.variant,
        "size": found.meta.files[MODEL]["bytes"],
        "step": found.meta.step,
        "bits_per_byte": score.bits_per_byte,
        "bytes_per_second": score.bytes_per_second,
        **asdict(score),
        **(estimated if score.is_bound else {}),
    }


def label(path: Path) -> str:
    """A checkpoint's name and that of the folder it lies in, also where `path` is relative to it."""
    path = Path(os.path.realpath(path))
    return f"{path.parent.name}/{path.name}"


def rate_table(
    path: Path, curve: Sequence[tuple[float, float]], of: object
) -> tuple[str, tuple[str, str], list[tuple[str, str]]]:
    """Title, columns and rows of what a hidden byte costs by the share that is hidden."""
    title = f"{label(path)} on {of}; no code length, so no bits per byte"
    return title, ("hidden", "bits per hidden byte"), [(f"{rate:.0%}", f"{bits:.4f}") for rate, bits in curve]


def figure(score: "Score") -> str:
    """Bits per byte; where it is an upper bound, with the sign that says so and its standard error."""
    shown = f"{score.bits_per_byte:.4f}"
    return f"<= {shown} ± {score.standard_error:.4f}" if score.is_bound else shown


def notes(scored: Scored, draws: int, seed: int) -> list[str]:
    """What stands below the table."""
    said = []
    if any(score.is_bound for _, score in scored):
        said.append(
            f"<= an upper bound ± its standard error (MC {draws} masks a window, L = context, seed {seed})"
        )
    return [*said, f"blake3 of the bytes scored: {scored[0][1].digest}"]


def anchor_table(anchors: "Sequence[Anchor]", primed_with: str) -> tuple[str, list[str], list[list[str]]]:
    """Title, columns and rows of the classical compressors' figures."""
    primed = {anchor.name: f"{anchor.bits_per_byte:.4f}" for anchor in anchors if anchor.primed}
    alone = {anchor.name: f"{anchor.bits_per_byte:.4f}" for anchor in anchors if not anchor.primed}
    title = "classical compressors on the same bytes"
    columns = ["compressor", "bits per byte"]
    rows = [[name, figure] for name, figure in alone.items()]
    if primed:
        title += f"; primed: after {primed_with}"
        columns.append("primed")
        rows = [[*row, primed.get(row[0], "")] for row in rows]
    return title, columns, rows


def show_rates(
    screen: Screen,
    chosen: object,
    curves: "list[tuple[Found, list[tuple[float, float]]]]",
    seed: int,
    failed: list[BbyteError],
    markdown: bool,
) -> None:
    """Show the cost of a hidden byte by how much is hidden, a curve each; ends as `several.end` says."""
    from bbyte.terminal import several

    if screen.json:
        rows = [
            {
                "checkpoint": str(one.path),
                "rates": [{"rate": rate, "bits_per_hidden_byte": bits} for rate, bits in curve],
            }
            for one, curve in curves
        ]
        damaged = [problem.message for problem in failed]
        screen.emit_json({"data": str(chosen), "seed": seed, "rates": rows, "damaged": damaged})
    else:
        show = screen.markdown if markdown else screen.table
        for one, curve in curves:
            show(*rate_table(one.path, curve, chosen))
    several.end(screen, failed)
