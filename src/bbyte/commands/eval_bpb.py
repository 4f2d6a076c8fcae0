"""`bbyte eval-bpb`: honest bits per byte of checkpoints, and of classical compressors on the same bytes."""

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from bbyte.errors import UsageError
from bbyte.terminal.screen import Screen

if TYPE_CHECKING:
    from bbyte.anchors import Anchor
    from bbyte.checkpoint.find import Found
    from bbyte.device import Placement
    from bbyte.evaluation import ByteSource, Score

EXAMPLES = (
    "bbyte eval-bpb --data book.txt --anchors",
    "bbyte eval-bpb artifacts/checkpoints/my-run --all-steps --data book.txt",
    "bbyte eval-bpb artifacts/checkpoints/my-mamba --data book.txt --context full",
    "bbyte eval-bpb step-0001000 step-0002000 --data artifacts/datasets/tales --stride 64 --json",
)


@dataclass(frozen=True)
class Chosen:
    """The bytes to score: all of `path`, or the part of it that `part` says in words."""

    source: "ByteSource"
    path: Path
    part: str = ""

    def __str__(self) -> str:
        return f"{self.part} of {self.path}" if self.part else str(self.path)


def eval_bpb(
    screen: Screen,
    checkpoints: Annotated[
        list[Path] | None,
        typer.Argument(metavar="CKPT", help="Checkpoints, or folders of runs, whose newest is taken."),
    ] = None,
    data: Annotated[
        Path | None,
        typer.Option(help="File or corpus to score; of a corpus the held-out part, if it has one."),
    ] = None,
    context: Annotated[
        str | None,
        typer.Option(
            metavar="N|full",
            help="Bytes a window holds (default: as many as were trained on); full: all before each byte.",
        ),
    ] = None,
    stride: Annotated[
        int | None, typer.Option(min=1, help="Bytes from window to window (default: half the context).")
    ] = None,
    batch_size: Annotated[int | None, typer.Option(min=1, help="Windows computed at once.")] = None,
    max_bytes: Annotated[int | None, typer.Option(min=1, help="Score only the first so many bytes.")] = None,
    all_steps: Annotated[
        bool, typer.Option("--all-steps", help="Score every checkpoint of a run, not only its newest.")
    ] = False,
    anchors: Annotated[
        bool, typer.Option("--anchors", help="Also show order-0, gzip, xz and PPMd on the same bytes.")
    ] = False,
    draws: Annotated[
        int,
        typer.Option(
            min=2, max=1024, help="Random masks of each window, where a figure is estimated from them."
        ),
    ] = 4,
    seed: Annotated[int, typer.Option(min=0, max=2**20, help="Decides these masks.")] = 0,
    rates: Annotated[
        bool,
        typer.Option("--rates", help="Instead: the cost of a hidden byte by how much is hidden (diffusion)."),
    ] = False,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda, cuda:N or mps.")] = "auto",
    precision: Annotated[str, typer.Option(help="auto, fp32, bf16 or fp16.")] = "auto",
    threads: Annotated[int, typer.Option(min=0, help="CPU threads; 0 takes all cores.")] = 0,
) -> None:
    """Score data in bits per byte: every byte counted once, with the context and stride printed."""
    from bbyte import anchors as classical
    from bbyte import scoring
    from bbyte.config import from_dict
    from bbyte.device import Runtime, place

    length = _length(context)
    if length == "full" and (stride is not None or batch_size is not None):
        raise UsageError(
            "with a full context there are no windows to place", "leave --stride and --batch-size out"
        )
    found = _find(screen, checkpoints, all_steps)
    if length == "full":
        for one in found:
            scoring.check_full(one.meta.family)
    chosen = _choose(screen, data, found, max_bytes)
    if anchors:
        classical.check_size(chosen.source.size)
    wanted = {"device": device, "precision": precision, "threads": threads}
    placement = place(from_dict(Runtime, wanted, where="settings"))
    screen.say(f"scoring {chosen} on {placement.device} in {placement.precision}")
    if rates:
        _show_rates(screen, chosen, placement, found, length, seed)
        return
    window = {"stride": stride, "batch_size": batch_size, "draws": draws, "seed": seed}
    for sentence in dict.fromkeys(path for one in found for path in _computed_by(one, placement.device)):
        screen.say(sentence)
    scores = [_score(screen, one, chosen.source, placement, length, **window) for one in found]
    compared: list[Anchor] = []
    primer, primed_with = None, ""
    if anchors:
        before = scoring.primer(found[0].meta)
        if before is None:
            screen.warn("the corpus of the training is gone, so the compressors are not primed with it")
        else:
            primer, primed_with = before
        screen.say("compressing the same bytes with gzip, xz and PPMd")
        compared = classical.anchors(chosen.source.read(0, chosen.source.size).tobytes(), primer)
    if screen.json:
        rows = [_row(one, score, draws, seed) for one, score in zip(found, scores, strict=True)]
        described = {
            "path": str(chosen.path),
            "part": chosen.part or "all",
            "bytes": chosen.source.size,
            "blake3": scores[0].digest,
        }
        screen.emit_json(
            {
                "data": described,
                "device": placement.device,
                "precision": placement.precision,
                "scores": rows,
                "anchors": [asdict(anchor) for anchor in compared],
                "primed_with": primed_with or None,
            }
        )
        return
    _show_scores(screen, str(chosen), placement, found, scores, draws, seed)
    if anchors:
        _show_anchors(screen, compared, primed_with)


def _find(screen: Screen, paths: list[Path] | None, all_steps: bool) -> "list[Found]":
    """The checkpoints asked for, or the newest one."""
    from bbyte.checkpoint.find import newest
    from bbyte.scoring import checkpoints

    if not paths:
        paths = [newest()]
        screen.say(f"taking the newest run, {paths[0]}")
    found = checkpoints(paths, all_steps=all_steps)
    for one in found:
        for skipped, why in one.skipped:
            screen.warn(f"skipped {skipped.name}: {why}")
    return found


def _choose(screen: Screen, data: Path | None, found: "list[Found]", max_bytes: int | None) -> Chosen:
    """The bytes to score: of a corpus, those the models have not been trained on."""
    from bbyte.data.corpus import ByteCorpus
    from bbyte.evaluation import Slice
    from bbyte.scoring import held_out
    from bbyte.starter import default_corpus

    if data is None:
        data, sentence = default_corpus()
        screen.say(sentence)
    source, part, is_new = held_out(ByteCorpus.open(data), [one.meta for one in found])
    if not is_new:
        screen.warn(f"{data} was trained on: this does not say how the model does on new text")
    if max_bytes is not None and max_bytes < source.size:
        source, part = Slice(source, 0, max_bytes), "the beginning" + (f" of {part}" if part else "")
    return Chosen(source, data, part)


def _computed_by(found: "Found", device: str) -> tuple[str, ...]:
    from bbyte.models.families import families

    return families()[found.meta.family].computed_by(found.meta.model_config(), device)


def _length(asked: str | None) -> "int | Literal['full'] | None":
    if asked is None:
        return None
    if asked == "full":
        return "full"
    if not asked.isdecimal() or int(asked) < 1:
        raise UsageError(f"context {asked!r} is neither a number of bytes nor full", "--context 256")
    return int(asked)


def _score(
    screen: Screen,
    found: "Found",
    source: "ByteSource",
    placement: "Placement",
    context: "int | Literal['full'] | None",
    **window: Any,
) -> "Score":
    from bbyte.scoring import longest_context, score_checkpoint

    if isinstance(context, int) and context > (longest := longest_context(found.meta, context)):
        screen.warn(
            f"{found.path.name} was trained on windows of {longest} bytes, so the context is {longest}"
        )
    with screen.progress(found.path.name, source.size) as bar:
        return score_checkpoint(found, source, placement, context=context, on_progress=bar.update, **window)


def _row(found: "Found", score: "Score", draws: int, seed: int) -> dict[str, Any]:
    estimated = {"standard_error": score.standard_error, "draws": draws, "seed": seed}
    return {
        "checkpoint": str(found.path),
        "family": found.meta.family,
        "step": found.meta.step,
        "bits_per_byte": score.bits_per_byte,
        "bytes_per_second": score.bytes_per_second,
        **asdict(score),
        **(estimated if score.is_bound else {}),
    }


def _show_scores(
    screen: Screen,
    label: str,
    placement: "Placement",
    found: "list[Found]",
    scores: "list[Score]",
    draws: int,
    seed: int,
) -> None:
    rows = [
        (
            f"{one.path.parent.name}/{one.path.name}",
            one.meta.step,
            score.context,
            score.stride,
            _figure(score),
            f"{score.bytes_per_second:,.0f}",
        )
        for one, score in zip(found, scores, strict=True)
    ]
    title = f"{label}: {scores[0].bytes:,} bytes, {placement.precision} on {placement.device}"
    screen.table(title, ("checkpoint", "step", "context", "stride", "bits per byte", "bytes/s"), rows)
    if any(score.is_bound for score in scores):
        screen.print(
            f"<= an upper bound ± its standard error (MC {draws} masks a window, L = context, seed {seed})"
        )
    screen.print(f"blake3 of the bytes scored: {scores[0].digest}")


def _figure(score: "Score") -> str:
    figure = f"{score.bits_per_byte:.4f}"
    return f"<= {figure} ± {score.standard_error:.4f}" if score.is_bound else figure


def _show_rates(
    screen: Screen,
    chosen: Chosen,
    placement: "Placement",
    found: "list[Found]",
    context: "int | Literal['full'] | None",
    seed: int,
) -> None:
    from bbyte.scoring import masked_curve

    if context == "full":
        raise UsageError("what is hidden lies in windows, so the context cannot be full", "--context 256")
    for one in found:
        curve = masked_curve(one, chosen.source, placement, context=context, seed=seed)
        if screen.json:
            rows = [{"rate": rate, "bits_per_hidden_byte": bits} for rate, bits in curve]
            screen.emit_json({"checkpoint": str(one.path), "data": str(chosen), "seed": seed, "rates": rows})
            continue
        title = f"{one.path.parent.name}/{one.path.name} on {chosen}; no code length, so no bits per byte"
        rows_shown = [(f"{rate:.0%}", f"{bits:.4f}") for rate, bits in curve]
        screen.table(title, ("hidden", "bits per hidden byte"), rows_shown)


def _show_anchors(screen: Screen, anchors: "list[Anchor]", primed_with: str) -> None:
    primed = {anchor.name: f"{anchor.bits_per_byte:.4f}" for anchor in anchors if anchor.primed}
    alone = {anchor.name: f"{anchor.bits_per_byte:.4f}" for anchor in anchors if not anchor.primed}
    title = "classical compressors on the same bytes"
    columns = ["compressor", "bits per byte"]
    rows = [[name, figure] for name, figure in alone.items()]
    if primed:
        title += f"; primed: after {primed_with}"
        columns.append("primed")
        rows = [[*row, primed.get(row[0], "")] for row in rows]
    screen.table(title, columns, rows)
