"""The holes of a text while they are filled, drawn in place."""

import time
from typing import TYPE_CHECKING

from rich.live import Live
from rich.text import Text

from bbyte.sanitize import sanitize_bytes
from bbyte.terminal.screen import Screen

if TYPE_CHECKING:
    from collections.abc import Sequence

    from bbyte.generation.infill import Infill

BLOCK = "█"
HIDDEN, NEW, FILLED, VISIBLE = "dim", "bold black on green", "green", ""
_LONGEST = 6.0  # seconds that the drawing may add in all
_FRAME = 0.06


def watch(run: "Infill", screen: Screen) -> None:
    """Take every step of `run` and draw its first sample after each; the drawing is gone in the end."""
    pause = min(_FRAME, _LONGEST / run.step_count)
    picture = _Picture(run, screen)
    with Live(console=screen.console, auto_refresh=False, transient=True, vertical_overflow="crop") as live:
        live.update(picture.after([], 0), refresh=True)
        for revealed in run.steps():
            time.sleep(pause)
            new = revealed.places[revealed.lanes == 0].tolist()
            live.update(picture.after(new, revealed.done), refresh=True)
        time.sleep(pause)


class _Picture:
    """The first sample of a run as it stands, as much of it as the screen has room for."""

    def __init__(self, run: "Infill", screen: Screen) -> None:
        self._run, self._console = run, screen.console
        self._block = BLOCK if screen.console.encoding.lower().startswith("utf") else "#"
        self._hole = (run.tokens[0] > 255).tolist()
        self._middle = self._hole.index(True)

    def after(self, new: "Sequence[int]", done: int) -> Text:
        self._middle = new[len(new) // 2] if new else self._middle
        room = self._console.width * max(self._console.height - 4, 1)
        begin = max(0, min(self._middle - room // 2, len(self._hole) - room))
        styles = [FILLED if hole else VISIBLE for hole in self._hole[begin : begin + room]]
        for place in new:
            if begin <= place < begin + room:
                styles[place - begin] = NEW
        text = drawn(self._run.tokens[0, begin : begin + room].tolist(), styles, self._block)
        return text.append(f"\n\n{done} of {self._run.total} bytes", "dim")


def drawn(symbols: "Sequence[int]", styles: "Sequence[str]", block: str = BLOCK) -> Text:
    """Bytes as text, each character in the style of its last byte, and a block for each byte still hidden."""
    text, place = Text(), 0
    while place < len(symbols):
        if symbols[place] > 255:
            text.append(block, HIDDEN)
            place += 1
            continue
        size = _character(symbols[place : place + 4])
        text.append(sanitize_bytes(bytes(symbols[place : place + size])), styles[place + size - 1])
        place += size
    return text


def _character(symbols: "Sequence[int]") -> int:
    """How many bytes the character takes that begins here; 1 for a byte that begins none."""
    for size in range(1, len(symbols) + 1):
        if symbols[size - 1] > 255:
            break
        try:
            bytes(symbols[:size]).decode()
        except UnicodeDecodeError:
            continue
        return size
    return 1
