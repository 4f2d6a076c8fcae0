"""Commands that take several checkpoints: one that is damaged or fails does not cost the others' results."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import typer

from bbyte.errors import BbyteError, DataError, UsageError
from bbyte.terminal.loading import taken
from bbyte.terminal.screen import Screen

if TYPE_CHECKING:
    from bbyte.checkpoint.find import Found

T = TypeVar("T")


def find_all(
    screen: Screen, paths: list[Path] | None, all_steps: bool
) -> "tuple[list[Found], list[BbyteError]]":
    """The checkpoints asked for, each once, or the default one, and what was found damaged of several."""
    from bbyte.checkpoint.find import find
    from bbyte.scoring import expand
    from bbyte.starter import default_checkpoint

    if not paths:
        paths = [default_checkpoint()]
        screen.say(taken(paths[0], "run"))
    met: dict[str, Found] = {}
    damaged: list[BbyteError] = []
    others: list[UsageError] = []
    for path in expand(paths, all_steps=all_steps):
        try:
            one = find(path)
        except DataError as error:
            damaged.append(error)
        except UsageError as error:
            if not path.exists():
                raise
            others.append(error)  # of a pattern such as runs/*, what is no checkpoint
        else:
            met.setdefault(os.path.realpath(one.path), one)
    if not met:
        raise (*damaged, *others)[0]
    for other in others:
        screen.warn(f"skipped: {other.message}")
    found = list(met.values())
    for one in found:
        for skipped, why in one.skipped:
            screen.warn(f"skipped {skipped.name}: {why}")
    for problem in damaged:
        screen.warn(f"left out: {problem.message}")
    return found, damaged


def each(
    screen: Screen, found: "list[Found]", failed: list[BbyteError], compute: "Callable[[Found], T]"
) -> "list[tuple[Found, T]]":
    """What `compute` gives for each checkpoint; where it fails for one of several, `failed` says why.

    Raises the first failure where there is nothing else, and at once what is not the checkpoint's.
    """
    done = []
    for one in found:
        try:
            done.append((one, compute(one)))
        except UsageError:
            raise
        except BbyteError as error:
            is_named = str(one.path) in error.message
            if isinstance(error, DataError) and not is_named:  # the data is damaged
                raise
            message = error.message if is_named else f"{one.path}: {error.message}"
            failed.append(type(error)(message, error.hint))
            if len(found) > 1:
                screen.warn(f"left out: {message}")
    if not done:
        raise failed[-1]
    return done


def end(screen: Screen, failed: list[BbyteError]) -> None:
    """Raise what the failed checkpoints come to: damage before all else."""
    if not failed:
        return
    worst = next((problem for problem in failed if isinstance(problem, DataError)), failed[0])
    if screen.json:
        raise typer.Exit(worst.exit_code)
    raise type(worst)(f"{len(failed)} of the checkpoints could not be scored", "the warnings above say why")
