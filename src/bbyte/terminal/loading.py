"""The checkpoint a command was asked for, and what is said of it."""

from pathlib import Path
from typing import TYPE_CHECKING

from bbyte.terminal.screen import Screen

if TYPE_CHECKING:
    from bbyte.checkpoint.find import Found
    from bbyte.checkpoint.store import Loaded


def load(screen: Screen, ckpt: Path | None, device: str) -> "Loaded":
    """The model of a checkpoint, or of the default one, on a device; says which and what computes it."""
    from bbyte.checkpoint import store
    from bbyte.device import Runtime, place

    placement = place(Runtime(device=device))
    loaded = store.load(chosen(screen, ckpt), placement.device)
    for sentence in loaded.family.computed_by(loaded.model.config, placement.device):
        screen.say(sentence)
    return loaded


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
