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
    "bbyte eval-bpb artifacts/checkpoints/* --data book.txt --markdown > table.md",
)


DRAWS = 4
EXACT = "exact"
"""What stands for the precision where the engine computes."""


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
    ] = DRAWS,
    seed: Annotated[int, typer.Option(min=0, max=2**20, help="Decides these masks.")] = 0,
    rates: Annotated[
        bool,
        typer.Option("--rates", help="Instead: the cost of a hidden byte by how much is hidden (diffusion)."),
    ] = False,
    exact: Annotated[
        bool,
        typer.Option(
            "--exact",
            help="Compute by the engine: the same figure everywhere (ternary models: packed).",
        ),
    ] = False,
    markdown: Annotated[
        bool, typer.Option("--markdown", help="Give the table as Markdown, for a README or a page.")
    ] = False,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda, cuda:N or mps.")] = "auto",
    precision: Annotated[str, typer.Option(help="auto, fp32, bf16 or fp16.")] = "auto",
    threads: Annotated[int, typer.Option(min=0, help="CPU threads; 0 takes all cores.")] = 0,
) -> None:
    """Score data in bits per byte: every byte counted once, with the context and stride printed.

    Of several checkpoints the best comes first.
    """
    from bbyte import anchors as classical
    from bbyte import scoring
    from bbyte.terminal import scores, several

    if markdown and screen.json:
        raise UsageError("--markdown and --json are two forms of one result", "give one of them")
    length = _length(context)
    if length == "full" and (stride is not None or batch_size is not None):
        raise UsageError(
            "with a full context there are no windows to place", "leave --stride and --batch-size out"
        )
    if rates:
        _check_rates_alone(length, anchors, stride, batch_size, draws)
    if exact:
        _check_exact(device, precision, rates)
    found, failed = several.find_all(screen, checkpoints, all_steps)
    for one in found:
        if length == "full":
            scoring.check_full(one.meta.family)
        if rates:
            scoring.check_rates(one.meta.family)
    chosen = _choose(screen, data, found, max_bytes)
    if anchors:
        classical.check_size(chosen.source.size)
    placement = _placed(device, precision, threads, exact)
    screen.say(f"scoring {chosen} on {placement.device} in {placement.precision}")
    if rates:
        windows = None if length == "full" else length

        def curve(one: "Found") -> list[tuple[float, float]]:
            return scoring.masked_curve(one, chosen.source, placement, context=windows, seed=seed)

        scores.show_rates(screen, chosen, several.each(screen, found, failed, curve), seed, failed, markdown)
        return
    window = {"stride": stride, "batch_size": batch_size, "draws": draws, "seed": seed}
    for sentence in dict.fromkeys(path for one in found for path in _computed_by(one, placement.device)):
        screen.say(sentence)

    def score(one: "Found") -> "Score":
        return _score(screen, one, chosen.source, placement, length, **window)

    scored = several.each(screen, found, failed, score)
    scored.sort(key=lambda pair: pair[1].bits_per_byte)
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
        rows = [scores.row(one, score, draws, seed) for one, score in scored]
        described = {
            "path": str(chosen.path),
            "part": chosen.part or "all",
            "bytes": chosen.source.size,
            "blake3": scored[0][1].digest,
        }
        screen.emit_json(
            {
                "data": described,
                "device": placement.device,
                "precision": placement.precision,
                "scores": rows,
                "anchors": [asdict(anchor) for anchor in compared],
                "primed_with": primed_with or None,
                "damaged": [problem.message for problem in failed],
            }
        )
    else:
        show = screen.markdown if markdown else screen.table
        sizes = f"{chosen.source.size:,} bytes, {placement.precision} on {placement.device}"
        show(f"{chosen}: {sizes}", scores.COLUMNS, scores.rows(scored))
        for note in scores.notes(scored, draws, seed):
            screen.print(note)
        if anchors:
            show(*scores.anchor_table(compared, primed_with))
    several.end(screen, failed)


def _check_rates_alone(
    length: "int | Literal['full'] | None",
    anchors: bool,
    stride: int | None,
    batch_size: int | None,
    draws: int,
) -> None:
    """Raise UsageError for an option that --rates has no use for."""
    if length == "full":
        raise UsageError("what is hidden lies in windows, so the context cannot be full", "--context 256")
    asked = {
        "--anchors": anchors,
        "--stride": stride is not None,
        "--batch-size": batch_size is not None,
        "--draws": draws != DRAWS,
    }
    for option, is_asked in asked.items():
        if is_asked:
            raise UsageError(f"{option} does not go with --rates", f"leave {option} out, or --rates")


def _choose(screen: Screen, data: Path | None, found: "list[Found]", max_bytes: int | None) -> Chosen:
    """The bytes to score: of a corpus, those the models have not been trained on."""
    from bbyte.data.corpus import ByteCorpus
    from bbyte.evaluation import Slice
    from bbyte.scoring import held_out
    from bbyte.starter import default_corpus
    from bbyte.terminal.scores import label

    if data is None:
        data, sentence = default_corpus()
        screen.say(sentence)
    corpus = ByteCorpus.open(data)
    source, part, is_new = held_out(corpus, [one.meta for one in found])
    if corpus.meta is not None and not corpus.is_checked:
        screen.say(f"digests of {data} unchecked: it is large; bbyte verify checks them")
    if unknown := [label(one.path) for one in found if not one.meta.corpus["fingerprint"]]:
        screen.warn(f"{', '.join(unknown)}: it is not known what was trained on; {data} may be part of it")
    if not is_new:
        screen.warn(f"{data} was trained on: this does not say how the model does on new text")
    if max_bytes is not None and max_bytes < source.size:
        source, part = Slice(source, 0, max_bytes), "the beginning" + (f" of {part}" if part else "")
    return Chosen(source, data, part)


def _computed_by(found: "Found", device: str) -> tuple[str, ...]:
    from bbyte.models.families import families

    return families()[found.meta.family].computed_by(found.meta.model_config(), device)


def _placed(device: str, precision: str, threads: int, exact: bool) -> "Placement":
    """Where is computed, and in what; the engine, which computes exactly, needs no torch."""
    from bbyte.config import from_dict
    from bbyte.device import Placement, Runtime, place

    if exact:
        return Placement("cpu", EXACT, threads, ())
    wanted = {"device": device, "precision": precision, "threads": threads}
    return place(from_dict(Runtime, wanted, where="settings"))


def _check_exact(device: str, precision: str, rates: bool) -> None:
    asked = {"--device": device not in ("auto", "cpu"), "--precision": precision != "auto", "--rates": rates}
    for option, is_asked in asked.items():
        if is_asked:
            raise UsageError(f"{option} does not go with --exact", f"leave {option} out, or --exact")


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
    from bbyte.exact_scoring import score_exactly
    from bbyte.scoring import longest_context, score_checkpoint
    from bbyte.terminal.scores import label

    if isinstance(context, int) and context > (longest := longest_context(found.meta, context)):
        screen.warn(
            f"{label(found.path)} was trained on windows of {longest} bytes, so the context is {longest}"
        )
    with screen.progress(label(found.path), source.size) as bar:
        if placement.precision == EXACT:
            length = context if context == "full" else longest_context(found.meta, context)
            stride, threads = window["stride"], placement.threads
            return score_exactly(
                found, source, context=length, stride=stride, threads=threads, on_progress=bar.update
            )
        return score_checkpoint(found, source, placement, context=context, on_progress=bar.update, **window)
