"""`bbyte verify`: whether checkpoints, corpora and archives are what they were when written."""

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from bbyte.errors import BbyteError, DataError, UsageError
from bbyte.figures import scaled
from bbyte.terminal.screen import Progress, Screen, one_line

if TYPE_CHECKING:
    from bbyte.verification import Item, Verdict

EXAMPLES = (
    "bbyte verify artifacts",
    "bbyte verify artifacts/checkpoints/20250101-120000-ar-tiny",
    "bbyte verify artifacts/datasets/tales/shard_00000.bin letters.txt.bbz",
)

_NOTHING = "holds nothing that can be checked"


def verify(
    screen: Screen,
    paths: Annotated[
        list[Path],
        typer.Argument(
            metavar="PATH",
            help="A checkpoint, a run, a corpus, a file of one, an archive, or a folder above.",
        ),
    ],
) -> None:
    """Check what was written against its digests: checkpoints, corpora, archives.

    A line each: ok, damaged, unreadable, or unchecked where nothing tells what it should be. All is checked,
    also after the first that is damaged. Exit code 3 if something is damaged, 1 if something could not be
    read, 2 if a PATH holds nothing that can be checked.
    """
    from bbyte.verification import items

    found = {path: items(path) for path in paths}
    verdicts = _checked(screen, [item for several in found.values() for item in several])
    idle = [path for path, several in found.items() if all(item.unchecked for item in several)]
    failure = _failure(verdicts, idle)
    if screen.json:
        _emit(screen, verdicts, failure)
        return
    for verdict in verdicts:
        for line in _lines(verdict):
            screen.print(one_line(line))
    screen.say(_summary(verdicts))
    for path in idle if not isinstance(failure, UsageError) else idle[1:]:
        screen.warn(one_line(f"{path} {_NOTHING}"))
    if failure is not None:
        raise failure


def _checked(screen: Screen, items: "list[Item]") -> "list[Verdict]":
    """The verdict of each item; one that was reached in two ways is checked once."""
    from bbyte.verification import check

    # realpath, as Path.resolve fails for a link that leads in a circle
    once = list({(os.path.realpath(item.path), item.what, item.unchecked): item for item in items}.values())
    with screen.progress("verifying", sum(item.bytes for item in once)) as bar:
        done = _Done(bar)
        return [check(item, done.add) for item in once]


class _Done:
    def __init__(self, bar: Progress) -> None:
        self._bar, self._bytes = bar, 0

    def add(self, count: int) -> None:
        self._bytes += count
        self._bar.update(self._bytes)


def _failure(verdicts: "list[Verdict]", idle: list[Path]) -> BbyteError | None:
    """The error that the worst of the verdicts is; None where all that could be checked is as it was."""
    for state, kind in (("damaged", DataError), ("unreadable", BbyteError)):
        bad = [verdict for verdict in verdicts if verdict.state == state]
        if bad:
            sentence, hint = bad[0].problems[0]
            verb = "is" if len(bad) == 1 else "are"
            count = f"{len(bad):,} of {len(verdicts):,} {verb} {state}: " if len(verdicts) > 1 else ""
            return kind(one_line(count + sentence), hint)
    if idle:
        hint = "checkpoints (checkpoint.json), packed corpora (corpus.json) and archives (.bbz) carry digests"
        return UsageError(one_line(f"{idle[0]} {_NOTHING}"), hint)
    return None


def _lines(verdict: "Verdict") -> list[str]:
    if verdict.state == "ok":
        speed = f", {_rate(verdict.bytes, verdict.seconds)}" if verdict.bytes and verdict.seconds else ""
        return [f"{'ok':<10}  {verdict.path}  {verdict.what}, {scaled(verdict.bytes)}B{speed}"]
    if verdict.state == "unchecked":
        return [f"{'unchecked':<10}  {verdict.path}  {verdict.problems[0][0]}"]
    return [f"{verdict.state:<10}  {sentence}" for sentence, _ in verdict.problems]


def _summary(verdicts: "list[Verdict]") -> str:
    counts = dict.fromkeys(("ok", "damaged", "unreadable", "unchecked"), 0)
    for verdict in verdicts:
        counts[verdict.state] += 1
    size, seconds = sum(one.bytes for one in verdicts), sum(one.seconds for one in verdicts)
    words = ", ".join(f"{count:,} {state}" for state, count in counts.items() if count) or "nothing found"
    return f"{words}; {scaled(size)}B in {seconds:.1f} s" + (f", {_rate(size, seconds)}" if size else "")


def _rate(size: int, seconds: float) -> str:
    return f"{scaled(size / seconds)}B/s"


def _emit(screen: Screen, verdicts: "list[Verdict]", failure: BbyteError | None) -> None:
    rows = [
        {
            "path": one.path,
            "what": one.what,
            "state": one.state,
            "bytes": one.bytes,
            "seconds": one.seconds,
            "problems": [sentence for sentence, _ in one.problems],
        }
        for one in verdicts
    ]
    told = {"error": failure.message, "hint": failure.hint, "exit_code": failure.exit_code} if failure else {}
    screen.emit_json({"items": rows, **told})
    if failure is not None:
        raise typer.Exit(failure.exit_code)
