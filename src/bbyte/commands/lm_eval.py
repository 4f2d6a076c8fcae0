"""`bbyte lm-eval`: a checkpoint runs tasks of lm-evaluation-harness."""

import contextlib
import io
import json
import logging
import os
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from bbyte.errors import UsageError
from bbyte.terminal.loading import chosen
from bbyte.terminal.screen import Screen

if TYPE_CHECKING:
    from bbyte.harness.model import ByteLM
    from bbyte.harness.tasks import Figure

EXAMPLES = (
    "bbyte lm-eval --tasks wikitext --limit 10",
    "bbyte lm-eval --ckpt artifacts/checkpoints/my-run --tasks arc_easy,blimp_anaphor_number_agreement",
    "bbyte lm-eval --tasks my_task --include-path tasks/ --output figures.json",
)
COLUMNS = ("task", "shots", "documents", "metric", "filter", "value", "±")
ALONE = {
    "HF_HUB_DISABLE_TELEMETRY": "1",
    "HF_UPDATE_DOWNLOAD_COUNTS": "0",  # else reading a local file is counted at the Hub
    "TQDM_DISABLE": "1",
}
"""Read by what the harness is made of as it is imported: nothing is sent, and no bars are drawn."""


def lm_eval(
    screen: Screen,
    tasks: Annotated[
        str, typer.Option(metavar="TASK[,TASK]", help="Names of tasks or groups, or patterns: blimp_*.")
    ],
    ckpt: Annotated[
        Path | None,
        typer.Option(help="Checkpoint, or folder of a run (default: the newest, else the starter model)."),
    ] = None,
    include_path: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Folder of your own task files (YAML).")
    ] = None,
    limit: Annotated[
        int | None, typer.Option(min=1, help="Only the first so many documents of each task, for a try.")
    ] = None,
    num_fewshot: Annotated[
        int | None, typer.Option(min=0, help="Examples before each question (default: as the task says).")
    ] = None,
    batch_size: Annotated[int | None, typer.Option(min=1, help="Windows computed at once.")] = None,
    seed: Annotated[int, typer.Option(min=0, max=2**32, help="Decides what is drawn in writing.")] = 0,
    output: Annotated[Path | None, typer.Option(help="Write the figures to a JSON file.")] = None,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda, cuda:N or mps.")] = "auto",
    precision: Annotated[str, typer.Option(help="auto, fp32, bf16 or fp16.")] = "auto",
    threads: Annotated[int, typer.Option(min=0, help="CPU threads; 0 takes all cores.")] = 0,
) -> None:
    """Run tasks of lm-evaluation-harness on a checkpoint.

    Its bits_per_byte is that of `bbyte eval-bpb` on the same bytes. Models whose likelihoods are bounds
    (diffusion) are refused. The code beside a task's file is run; data that is not here is fetched.
    """
    names = [name.strip() for name in tasks.split(",") if name.strip()]
    if not names:
        raise UsageError("no task is named", "--tasks wikitext")
    if output is not None and (output.is_dir() or not output.absolute().parent.is_dir()):
        raise UsageError(f"{output} cannot be written", "--output takes a file in a folder that exists")
    found = chosen(screen, ckpt)
    os.environ.update(ALONE)
    runtime: dict[str, Any] = {"device": device, "precision": precision, "threads": threads}
    with _talking(screen), screen.progress("lm-eval", None) as bar:
        model_class, harness = _harness()
        model = model_class(found, **runtime, batch_size=batch_size, seed=seed, on_progress=bar.update)
        where = f"on {model.placement.device} in {model.placement.precision}"
        screen.say(f"running {', '.join(names)} {where}")
        for sentence in model.loaded.family.computed_by(
            model.loaded.meta.model_config(), model.placement.device
        ):
            screen.say(sentence)
        figures = harness.measure(model, harness.load(names, include_path, num_fewshot), limit)
    document = _document(model, figures, limit, seed)
    if output is not None:
        output.write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")
    if screen.json:
        screen.emit_json(document)
        return
    path = model.loaded.found.path
    screen.table(f"{path.parent.name}/{path.name} {where}", COLUMNS, [_row(figure) for figure in figures])
    if limit is not None:
        screen.print(f"only the first {limit} documents of each task, so not comparable")


def _harness() -> "tuple[type[ByteLM], Any]":
    try:
        from bbyte.harness import tasks
        from bbyte.harness.model import ByteLM
    except ModuleNotFoundError as error:
        if str(error.name).startswith("bbyte"):
            raise
        raise UsageError(
            f"lm-eval needs lm-evaluation-harness: {error}", "pip install 'bbyte[eval]'"
        ) from None
    return ByteLM, tasks


@contextlib.contextmanager
def _talking(screen: Screen) -> Iterator[None]:
    """What the harness prints and logs meanwhile is talk, not the product."""
    log = logging.getLogger("lm_eval")
    before, handler = (log.level, log.propagate), _Log(screen)
    log.addHandler(handler)
    log.setLevel(logging.WARNING)
    log.propagate = False
    try:
        with contextlib.redirect_stdout(_Talk(screen)):
            yield
    finally:
        log.removeHandler(handler)
        log.setLevel(before[0])
        log.propagate = before[1]


class _Log(logging.Handler):
    def __init__(self, screen: Screen) -> None:
        super().__init__()
        self._screen = screen

    def emit(self, record: logging.LogRecord) -> None:
        message = " ".join(record.getMessage().split())
        if record.levelno >= logging.ERROR:
            self._screen.warn(message)
        elif "using default" not in message:  # said of nearly every metric of every task
            self._screen.say(f"lm_eval: {message}")


class _Talk(io.TextIOBase):
    def __init__(self, screen: Screen) -> None:
        self._screen = screen

    def write(self, text: str) -> int:
        if text.strip():
            self._screen.say(text.strip())
        return len(text)


def _document(model: "ByteLM", figures: "list[Figure]", limit: int | None, seed: int) -> dict[str, Any]:
    from importlib.metadata import version

    return {
        "checkpoint": str(model.loaded.found.path),
        "family": model.loaded.family.name,
        "step": model.loaded.meta.step,
        "context": model.likelihoods.context,
        "stride": model.likelihoods.stride,
        "device": model.placement.device,
        "precision": model.placement.precision,
        "lm_eval": version("lm_eval"),
        "limit": limit,
        "seed": seed,
        "figures": [asdict(figure) for figure in figures],
    }


def _row(figure: "Figure") -> tuple[str, ...]:
    value = f"{figure.value:.4f}" if isinstance(figure.value, float) else figure.value
    error = "" if figure.error is None else f"{figure.error:.4f}"
    counts = ("" if count is None else str(count) for count in (figure.shots, figure.documents))
    return (figure.task, *counts, figure.name, "" if figure.filter == "none" else figure.filter, value, error)
