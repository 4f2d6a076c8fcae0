"""Which model compresses, and which one an archive was compressed with."""

from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Literal

from bbyte.checkpoint.find import Found, find
from bbyte.checkpoint.listing import listing
from bbyte.compression.coder import Coding, Make, Opener, coding_of, shown
from bbyte.compression.model_coder import identity_of, make_coders
from bbyte.engine import core, weights
from bbyte.engine.streams import By
from bbyte.errors import BbyteError, DataError, UsageError

Hybrid = Literal["auto", "on", "off"]
"""Whether a model is mixed with what learns from the file itself: auto takes what makes a chunk smaller."""


def computable(roots: Iterable[Path]) -> list[Path]:
    """The checkpoints under these folders that the engine computes, last saved first."""
    listed = [one for root in roots if root.is_dir() for one in listing(root).checkpoints]
    listed.sort(key=lambda one: (-one.changed, one.path))
    return [one.path for one in listed if one.meta is not None and weights.refusal(one.meta) is None]


def at_hand() -> By:
    """What computes here: the native core, or where there is none numpy: the same bytes, slowly."""
    return "numpy" if core.missing() else "native"


def coder_of(
    found: Found, *, hybrid: Hybrid = "auto", adapt: bool = False, by: By = "native"
) -> tuple[Coding, Make]:
    """What `write_archive` takes to compress with the model of a verified checkpoint.

    Raises UsageError for one that the engine does not compute, and BbyteError where the native core is asked
    for and there is none.
    """
    if why := weights.refusal(found.meta):
        hint = why[1] or "a model of family ar or mamba is needed: bbyte ckpt ls lists what is here"
        raise UsageError(f"{found.path} does not compress: {why[0]}", hint)
    make = _maker(by)(found, hybrid=hybrid, adapt=adapt)
    return coding_of(make()), make


def opener_of(found: Found, by: By = "native") -> Opener:
    """Opens the model of this checkpoint, whatever an archive asks for: reading it then refuses another."""
    return lambda coding: _maker(by)(found, coding=coding)


def searching(
    paths: Callable[[], Iterable[Path]], name: str, tell: Callable[[Path], None], by: By = "native"
) -> Opener:
    """Opens the model that the archive `name` was compressed with, where one of the checkpoints is it.

    tell: told which one it is. Raises DataError, naming the model and the first that is another.
    """

    def open_(coding: Coding) -> Make:
        others = []
        for found in _intact(paths()):
            if (identity := identity_of(found)) == coding.identity:
                tell(found.path)
                return _maker(by)(found, coding=coding)
            others.append(f"{found.path} is {shown(identity)}")
        met = f"; {others[0]}" if others else ""
        more = f", and {len(others) - 1} more are others" if len(others) > 1 else ""
        raise DataError(
            f"{name} was compressed with the model {shown(coding.identity)}, which is not here{met}{more}",
            "name the checkpoint it was compressed with: --ckpt PATH",
        )

    return open_


def _maker(by: By) -> Callable[..., Make]:
    if by == "native":
        return make_coders
    from bbyte.compression.twin import make_twins

    return make_twins


def _intact(paths: Iterable[Path]) -> Iterator[Found]:
    for path in paths:
        try:
            found = find(path)
        except BbyteError:  # damaged, or gone meanwhile: it is not what is looked for
            continue
        if weights.refusal(found.meta) is None:
            yield found
