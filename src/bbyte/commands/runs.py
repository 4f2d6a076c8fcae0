"""`bbyte runs`: the runs there are, what became of them, how they differ, and removing them."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from bbyte.errors import UsageError
from bbyte.terminal.command import Group
from bbyte.terminal.flags import register
from bbyte.terminal.screen import Screen

if TYPE_CHECKING:
    from bbyte.runs.record import Record

Root = Annotated[
    Path | None, typer.Option("--root", help="Folder of the runs (default: artifacts/checkpoints).")
]
RUN_HELP = "A run: its folder, the folder's name, or a part that only its name has."
EXAMPLES = (
    "bbyte runs",
    "bbyte runs show tales",
    "bbyte runs diff ar-tiny ar-small",
    "bbyte runs rm 20250101-120000-ar-tiny",
)


class _Runs(Group):
    """Without a command of its own it is `bbyte runs list`."""

    examples = EXAMPLES

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        if not ctx.resilient_parsing and (
            not args or (args[0].startswith("-") and args[0] not in ("-h", "--help"))
        ):
            args = ["list", *args]
        return super().parse_args(ctx, args)


def group() -> typer.Typer:
    """The `runs` word and the commands under it."""
    words = typer.Typer(
        cls=_Runs,
        help="Look at the runs there are, compare and remove them. Alone, it lists them.",
        add_completion=False,
        pretty_exceptions_enable=False,
        context_settings={"help_option_names": ["-h", "--help"]},
    )
    for name, function, examples in (
        ("list", list_, ("bbyte runs", "bbyte runs list --root elsewhere/checkpoints --json")),
        (
            "show",
            show,
            ("bbyte runs show tales", "bbyte runs show artifacts/checkpoints/20250101-120000-ar-tiny"),
        ),
        ("diff", diff, ("bbyte runs diff ar-tiny ar-small",)),
        ("rm", rm, ("bbyte runs rm 20250101-120000-ar-tiny", "bbyte runs rm first-try second-try --yes")),
        ("report", report, ("bbyte runs report tales",)),
    ):
        register(words, name, function, panel="Runs", examples=examples)
    return words


def list_(screen: Screen, root: Root = None) -> None:
    """List all runs, the latest first: how far they came and the best validation of each."""
    from bbyte.checkpoint import find
    from bbyte.runs import archive
    from bbyte.terminal import runs as shown

    place = root or find.ROOT
    if root is not None and not root.is_dir():
        raise UsageError(f"there is no folder {root}")
    records = archive.records(place)
    if screen.json:
        screen.emit_json([_summary(record) for record in records])
    elif not records:
        screen.say(f"there are no runs under {place} yet; bbyte train makes one")
    else:
        screen.table(f"runs under {place}; * best on its data", *shown.table(records, shown.width()))
        for record in records:
            for problem in record.problems:
                screen.warn(f"{record.name}: {problem}")


def show(
    screen: Screen,
    run: Annotated[str, typer.Argument(metavar="RUN", help=RUN_HELP)],
    root: Root = None,
) -> None:
    """Show one run: its curve, its figures, its checkpoints, what happened, and its settings."""
    from bbyte.terminal import runs as shown

    record = _read(run, root)
    if screen.json:
        screen.emit_json(_details(record))
        return
    shown.show(screen, record)


def diff(
    screen: Screen,
    first: Annotated[str, typer.Argument(metavar="RUN", help=RUN_HELP)],
    second: Annotated[str, typer.Argument(metavar="OTHER", help="The run to compare it with.")],
    root: Root = None,
) -> None:
    """Compare two runs: the settings in which they differ, and what came of it."""
    from bbyte.runs.record import differences
    from bbyte.terminal import runs as shown

    left, right = _read(first, root), _read(second, root)
    settings = differences(left, right)
    if screen.json:
        changed = {name: [here, there] for name, here, there in settings}
        screen.emit_json({"settings": changed, "runs": [_summary(left), _summary(right)]})
        return
    rows = [tuple("" if cell is None else str(cell) for cell in row) for row in settings]
    names = shown.short_names(left, right)
    screen.table("settings that differ", ("setting", *names), rows or [("none", "", "")])
    screen.table("what came of it", ("figure", *names), shown.figures_of(left, right))


def rm(
    screen: Screen,
    runs: Annotated[list[str], typer.Argument(metavar="RUN", help=RUN_HELP)],
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    root: Root = None,
) -> None:
    """Delete runs with all their checkpoints, after asking. A run in training is left alone."""
    from bbyte.runs import archive, record
    from bbyte.terminal import runs as shown

    folders = [_folder(run, root) for run in dict.fromkeys(runs)]
    for folder in folders:
        archive.check_removable(folder)
    records = [record.read(folder) for folder in folders]
    if not yes:
        if not (sys.stdin.isatty() and sys.stderr.isatty()) or screen.json:
            raise UsageError(f"deleting {len(folders)} runs needs a yes", "--yes gives it")
        for one in records:
            screen.say(shown.line(one))
        if not typer.confirm("delete for good?", err=True):
            screen.say("nothing was deleted")
            return
    for folder in folders:
        archive.remove(folder)
        screen.say(f"deleted {folder}")
    if screen.json:
        screen.emit_json([str(folder) for folder in folders])


def report(
    screen: Screen,
    run: Annotated[str, typer.Argument(metavar="RUN", help=RUN_HELP)],
    root: Root = None,
) -> None:
    """Write the page about a run anew: report.html in its folder, from what the folder holds."""
    from bbyte.report import page

    path = page.write(_folder(run, root))
    if screen.json:
        screen.emit_json({"report": path})
    else:
        screen.print(str(path))


def _folder(word: str, root: Path | None) -> Path:
    from bbyte.checkpoint import find
    from bbyte.runs import archive

    return archive.named(word, root or find.ROOT)


def _read(word: str, root: Path | None) -> "Record":
    from bbyte.runs import record

    return record.read(_folder(word, root))


def _summary(record: "Record") -> dict[str, Any]:
    best = record.log.best
    return {
        "name": record.name,
        "folder": record.folder,
        "state": record.state,
        "family": record.family or None,
        "parameters": record.parameters,
        "data": record.data or None,
        "step": record.step,
        "steps": record.steps,
        "best": best._asdict() if best is not None else None,
        "changed": record.changed,
        "problems": record.problems,
    }


def _details(record: "Record") -> dict[str, Any]:
    log = record.log
    return {
        **_summary(record),
        "train_bpb": log.train_bpb,
        "bytes_seen": log.bytes_seen,
        "seconds": log.seconds,
        "quantized_from": log.quantized_from,
        "validations": [evaluation._asdict() for evaluation in log.evaluations],
        "skips": [skip._asdict() for skip in log.skips],
        "returns": [back._asdict() for back in log.returns],
        "checkpoints": [
            {"path": found.path, "bytes": found.bytes, "problem": found.problem or None}
            for found in record.checkpoints
        ],
        "settings": record.settings,
        "environment": record.environment,
    }
