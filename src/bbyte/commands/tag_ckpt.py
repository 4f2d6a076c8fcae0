"""`bbyte tag-ckpt`: what checkpoints are, and old ones converted into new ones beside them."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from bbyte.errors import BbyteError, DataError, UsageError
from bbyte.terminal.screen import Screen

if TYPE_CHECKING:
    from bbyte.checkpoint.tagging import Plan

EXAMPLES = (
    "bbyte tag-ckpt artifacts/checkpoints/ckpt.pt",
    "bbyte tag-ckpt artifacts/checkpoints/ckpt.pt --apply --variant ar --model-family bitbyte",
    "bbyte tag-ckpt --all --apply",
)
WORDS = "ar, mamba, diffusion, or bitbyte, which is ar"


def tag_ckpt(
    screen: Screen,
    paths: Annotated[
        list[Path] | None,
        typer.Argument(metavar="PATH", help="Checkpoint folders, folders of runs, and .pt files."),
    ] = None,
    all_: Annotated[bool, typer.Option("--all", help="Take all there are under --root.")] = False,
    root: Annotated[
        Path | None, typer.Option(help="Folder that --all looks through (default: artifacts/checkpoints).")
    ] = None,
    apply: Annotated[
        bool, typer.Option("--apply", help="Write the new checkpoints; without it nothing is written.")
    ] = False,
    family: Annotated[str | None, typer.Option(help=f"What the family is: {WORDS}.")] = None,
    model_family: Annotated[str | None, typer.Option(help="The same, in the old scripts' word.")] = None,
    variant: Annotated[
        str | None, typer.Option(help="What the variant is: ar or diffusion; of new ones ternary or full.")
    ] = None,
    force: Annotated[
        bool,
        typer.Option("--force", help="Where words contradict: what is asked for, else what is inferred."),
    ] = False,
) -> None:
    """Say what checkpoints are, and convert legacy .pt files.

    Each becomes a checkpoint folder beside it, and the file itself is never changed: it is read in a process
    of its own, which unpickles nothing but plain values and tensors.
    """
    from bbyte.checkpoint import find, tagging

    if family and model_family and family != model_family:
        raise UsageError(f"--family {family} and --model-family {model_family} differ", "give one of them")
    if bool(paths) == all_:
        raise UsageError(
            "--all takes no paths" if all_ else "there is nothing to tag",
            "bbyte tag-ckpt --all looks under artifacts/checkpoints; or name checkpoints",
        )
    if root is not None and not all_:
        raise UsageError("--root is for --all", "bbyte tag-ckpt --all --root FOLDER")
    for path in paths or ():
        tagging.check_there(path)
    chosen = list(paths or tagging.candidates(root or find.ROOT))
    rows: list[dict[str, Any]] = []
    problems: list[BbyteError] = []
    with screen.progress("reading", len(chosen), "") as bar:
        for number, path in enumerate(chosen):
            planned = tagging.plan(path, family=family or model_family, variant=variant, force=force)
            written, problem = _apply(planned) if apply else (None, planned.problem)
            problems += [problem] if problem else []
            rows.append(_row(planned, written, problem))
            bar.update(number + 1)
    if screen.json:
        screen.emit_json(rows)
    elif not rows:
        screen.say(f"there are no checkpoints under {root or find.ROOT}")
    else:
        _show(screen, rows, root or find.ROOT if all_ else None, applied=apply)
    _raise_for(screen, problems, len(rows))


def _apply(planned: "Plan") -> tuple[Path | None, BbyteError | None]:
    from bbyte.checkpoint import tagging

    try:
        return tagging.apply(planned), planned.problem
    except BbyteError as problem:
        return None, problem


def _row(planned: "Plan", written: Path | None, problem: BbyteError | None) -> dict[str, Any]:
    done = written or planned.done
    return {
        "path": str(planned.path),
        "kind": planned.kind,
        "script": planned.script,
        "family": planned.family,
        "variant": planned.variant,
        "step": planned.step,
        "why": planned.why,
        "action": "refuse" if problem else "convert" if planned.target else "none",
        "target": None if problem else str(done or planned.target),
        "done": bool(done) and not problem,
        "problem": problem.message if problem else None,
        "hint": problem.hint if problem else None,
    }


def _show(screen: Screen, rows: list[dict[str, Any]], root: Path | None, *, applied: bool) -> None:
    columns = ("path", "kind", "family", "variant", "step", "why", "outcome")
    cells = [
        (
            Path(row["path"]).relative_to(root) if root else row["path"],
            row["script"] if row["kind"] == "legacy" and row["script"] else row["kind"],
            row["family"],
            row["variant"],
            "" if row["step"] is None else row["step"],
            row["why"],
            _outcome(row),
        )
        for row in rows
    ]
    screen.table(f"under {root}" if root else "", columns, cells)
    waiting = sum(row["action"] == "convert" for row in rows)
    if waiting and not applied:
        screen.say(f"nothing was written: --apply converts {waiting}")


def _outcome(row: dict[str, Any]) -> str:
    if row["action"] == "refuse":
        return "refused"
    if row["kind"] != "legacy":
        return "is a checkpoint"
    where = Path(row["target"]).relative_to(Path(row["path"]).parent)
    return f"{'is' if row['done'] else 'would be'} {where}"


def _raise_for(screen: Screen, problems: list[BbyteError], count: int) -> None:
    """One problem of one checkpoint is the error; several are warnings before it."""
    if not problems:
        return
    worst = max(problems, key=lambda problem: (isinstance(problem, DataError), -problem.exit_code))
    if screen.json:  # the document has said it all
        raise typer.Exit(worst.exit_code)
    if count == 1:
        raise worst
    for problem in problems:
        screen.warn(f"{problem.message}; {problem.hint}" if problem.hint else problem.message)
    damaged = sum(isinstance(problem, DataError) for problem in problems)
    said = f", {damaged} of them damaged or hostile" if damaged else ""
    kind = DataError if damaged else type(worst)
    raise kind(f"{len(problems)} of {count} checkpoints were refused{said}", "the warnings above say why")
