"""`bbyte ckpt`: what checkpoints hold, which there are, and in what two of them differ."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from bbyte.errors import UsageError
from bbyte.terminal.flags import new_group, register
from bbyte.terminal.screen import Screen

if TYPE_CHECKING:
    from bbyte.checkpoint.contents import Contents

CKPT_HELP = "A checkpoint, a file in it, or the folder of a run, whose newest is taken."
EXAMPLES = (
    "bbyte ckpt ls",
    "bbyte ckpt show artifacts/checkpoints/20250101-120000-ar-tiny",
    "bbyte ckpt diff step-0001000 step-0002000",
)


def group() -> typer.Typer:
    """The `ckpt` word and the commands under it."""
    words = new_group("Look at checkpoints: what they hold, which there are, in what they differ.", EXAMPLES)
    for name, function, examples in (
        ("ls", ls, ("bbyte ckpt ls", "bbyte ckpt ls --root elsewhere --json")),
        (
            "show",
            show,
            (
                "bbyte ckpt show artifacts/checkpoints/20250101-120000-ar-tiny",
                "bbyte ckpt show step-0002000/model.safetensors --json",
            ),
        ),
        ("diff", diff, ("bbyte ckpt diff step-0001000 step-0002000", "bbyte ckpt diff one-run other-run")),
    ):
        register(words, name, function, panel="Checkpoints", examples=examples)
    return words


def ls(
    screen: Screen,
    root: Annotated[
        Path | None, typer.Option("--root", help="Folder to look in (default: artifacts/checkpoints).")
    ] = None,
) -> None:
    """List the checkpoints under a folder, the last saved first; the best on its data is marked.

    Only checkpoint.json is read, and sizes of files are compared with it. One that is damaged is listed as
    such with a warning that says why; it is `bbyte verify` that fails.
    """
    from bbyte.checkpoint import find
    from bbyte.checkpoint.listing import best, listing
    from bbyte.terminal import checkpoints as shown
    from bbyte.terminal.runs import width

    place = root or find.ROOT
    if root is not None and not root.is_dir():
        raise UsageError(f"there is no folder {root}")
    found = listing(place) if place.is_dir() else None
    checkpoints = found.checkpoints if found else ()
    marked = best(checkpoints)
    if screen.json:
        legacy = found.legacy if found else ()
        rows = [shown.listed_document(one, place, one.path in marked) for one in checkpoints]
        screen.emit_json({"checkpoints": rows, "legacy": list(legacy)})
    elif not checkpoints:
        screen.say(f"there are no checkpoints under {place} yet; bbyte train makes them")
    else:
        title = f"checkpoints under {place}" + ("; * best on its data" if marked else "")
        screen.table(title, *shown.table(checkpoints, place, marked, width()))
    for problem in (*(one.problem for one in checkpoints), *(found.problems if found else ())):
        if problem:
            screen.warn(problem)
    if found and found.legacy:
        screen.say(shown.legacy_line(found.legacy))


def show(
    screen: Screen,
    checkpoint: Annotated[Path, typer.Argument(metavar="CKPT", help=CKPT_HELP)],
) -> None:
    """Show one checkpoint: model, figures, settings, sizes by part, and what its ternary weights are like.

    The weights themselves are not read: sizes are checked, digests are not (`bbyte verify` does).
    """
    from bbyte.checkpoint import contents
    from bbyte.terminal import checkpoints as shown

    found = contents.read(checkpoint)
    _warn_of_skipped(screen, found)
    if screen.json:
        screen.emit_json(shown.document(found))
        return
    shown.show(screen, found)
    screen.say(f"digests not checked: bbyte verify {found.path}")


def diff(
    screen: Screen,
    first: Annotated[Path, typer.Argument(metavar="CKPT", help=CKPT_HELP)],
    second: Annotated[Path, typer.Argument(metavar="OTHER", help="The checkpoint to compare it with.")],
) -> None:
    """Compare two checkpoints: settings that differ, tensors that differ, and how far the weights have moved.

    The exit code is 0 whether they differ or not.
    """
    from bbyte.checkpoint import contents
    from bbyte.checkpoint.differences import differences, to_compare
    from bbyte.terminal import checkpoint_differences as shown

    left, right = contents.read(first), contents.read(second)
    for found in (left, right):
        _warn_of_skipped(screen, found)
    total = to_compare(left, right)
    if total:
        with screen.progress("comparing", total) as bar:
            compared = differences(left, right, bar.update)
    else:
        compared = differences(left, right)
    if screen.json:
        screen.emit_json(shown.document(left, right, compared))
        return
    shown.show(screen, left, right, compared)


def _warn_of_skipped(screen: Screen, found: "Contents") -> None:
    for path, why in found.skipped:
        screen.warn(f"skipped {path.name}: {why}")
