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
    block = BLOCK if screen.console.encoding.lower().startswith("utf") else "#"
    pause = min(_FRAME, _LONGEST / run.step_count)
    filled = run.tokens[0] > 255
    with Live(console=screen.console, auto_refresh=False, transient=True, vertical_overflow="crop") as live:
        for revealed in run.steps():
            new = revealed.places[revealed.lanes == 0]
            middle = int(new.mean()) if new.size else 0
            room = screen.console.width * max(screen.console.height - 4, 1)
            begin = max(0, min(middle - room // 2, len(filled) - room))
            shown = slice(begin, begin + room)
            styles = [FILLED if each else VISIBLE for each in filled[shown].tolist()]
            for place in new[(new >= begin) & (new < begin + room)].tolist():
                styles[place - begin] = NEW
            picture = drawn(run.tokens[0, shown].tolist(), styles, block)
            picture.append(f"\n\n{revealed.done} of {revealed.total} bytes", "dim")
            live.update(picture, refresh=True)
            time.sleep(pause)


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
