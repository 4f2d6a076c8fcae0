"""The checkpoint a command was asked for, and what is said of it."""

from pathlib import Path
from typing import TYPE_CHECKING

from bbyte.terminal.screen import Screen

if TYPE_CHECKING:
    from bbyte.checkpoint.store import Loaded


def load(screen: Screen, ckpt: Path | None, device: str) -> "Loaded":
    """The model of a checkpoint, or of the newest, on a device; says which was taken and what computes it."""
    from bbyte.checkpoint import store
    from bbyte.checkpoint.find import newest
    from bbyte.device import Runtime, place

    path = newest() if ckpt is None else ckpt
    placement = place(Runtime(device=device))
    loaded = store.load(path, placement.device)
    for sentence in loaded.family.computed_by(loaded.model.config, placement.device):
        screen.say(sentence)
    for skipped, why in loaded.found.skipped:
        screen.warn(f"skipped {skipped.name}: {why}")
    if ckpt is None:
        screen.say(f"taking the newest checkpoint, {loaded.found.path}")
    return loaded
