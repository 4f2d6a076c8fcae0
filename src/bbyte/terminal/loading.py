"""The checkpoint a command was asked for, and what is said of it."""

from pathlib import Path
from typing import TYPE_CHECKING

from bbyte import opening
from bbyte.opening import Engine as Engine  # commands take it from here
from bbyte.terminal.screen import Screen

if TYPE_CHECKING:
    from bbyte.checkpoint.find import Found
    from bbyte.checkpoint.store import Loaded
    from bbyte.generation.session import Opened
    from bbyte.models.contract import Predictor


def load(screen: Screen, ckpt: Path | None, device: str) -> "Loaded":
    """The model of a checkpoint, or of the default one, on a device; says which and what computes it."""
    return load_found(screen, chosen(screen, ckpt), device)


def load_found(screen: Screen, found: "Found", device: str, threads: int = 0) -> "Loaded":
    """The model of a verified checkpoint on a device; says what computes it."""
    return opening.load_found(found, device, threads, screen.say)


def predictor(
    screen: Screen, found: "Found", device: str, by: Engine = "auto", threads: int = 0, lanes: int = 1
) -> "Predictor":
    """The next-byte view of a checkpoint, by what was asked for or fits; says what computes it.

    Where that is left open, the engine computes packed checkpoints on a CPU, without torch.
    """
    return opening.next_byte_predictor(found, device, by, threads, lanes, screen.say)


def takes_engine(screen: Screen, found: "Found", device: str, by: Engine = "auto") -> bool:
    """Whether the engine computes, as was asked for or fits; says why where it does not but could."""
    return opening.takes_engine(found, device, by, screen.say)


def next_byte_view(loaded: "Loaded", lanes: int = 1) -> "Predictor":
    """The next-byte view of a loaded model; UsageError where its family has none."""
    return opening.next_byte_view(loaded, lanes)


def opened(screen: Screen, ckpt: Path | None, device: str, by: Engine = "auto", threads: int = 0) -> "Opened":
    """The checkpoint asked for, or the default one, ready to write and, where it can, to fill holes."""
    from bbyte.generation.session import Opened
    from bbyte.models.families import families

    found = chosen(screen, ckpt)
    about = str(found.path), found.meta.family, found.meta.context
    make = families()[found.meta.family].infiller
    if make is None or by in ("native", "numpy"):
        return Opened(*about, predictor(screen, found, device, by, threads))
    loaded = load_found(screen, found, device, threads)
    return Opened(*about, next_byte_view(loaded), make(loaded.model, found.meta.context))


def chosen(screen: Screen, ckpt: Path | None) -> "Found":
    """The checkpoint asked for, or the default one, verified; says which was taken and which were skipped."""
    from bbyte.checkpoint.find import find
    from bbyte.starter import default_checkpoint

    found = find(default_checkpoint() if ckpt is None else ckpt)
    for skipped, why in found.skipped:
        screen.warn(f"skipped {skipped.name}: {why}")
    if ckpt is None:
        screen.say(taken(found.path, "checkpoint"))
    return found


def taken(path: Path, kind: str) -> str:
    """One sentence that says which checkpoint, or run, was taken where none was named."""
    from bbyte.checkpoint.find import ROOT
    from bbyte.starter import MODEL

    if path == MODEL:
        return f"no checkpoint under {ROOT}, so taking the starter model that comes with bbyte, {path}"
    return f"taking the newest {kind}, {path}"
