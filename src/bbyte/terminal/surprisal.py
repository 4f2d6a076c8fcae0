"""A text coloured by what its characters cost, for a terminal."""

from collections.abc import Iterable
from itertools import groupby
from typing import TYPE_CHECKING

from rich.text import Text

if TYPE_CHECKING:
    from bbyte.analysis.characters import Character

STYLES = (
    "", "#101010 on #b8b09a", "#101010 on #cfa85a", "#101010 on #e08a3c", "bold #ffffff on #c8452d",
    "bold underline #ffffff on #b01657",
)  # fmt: skip
"""How each level looks; the backgrounds are of middle lightness, so that they stand out in either theme.

Without colours the costliest two remain bold and underlined.
"""


def coloured(text: "Iterable[Character]") -> Text:
    """The characters, each on the colour of its level."""
    from bbyte.analysis.characters import PLAIN

    drawn = Text()
    for level, some in groupby(text, key=lambda one: one.level):
        for one in some:
            shown = PLAIN.get(one.shown, one.shown) if level == 0 else one.shown
            # A line's end is not coloured, or the colour would run to the edge of the screen.
            drawn.append(shown.rstrip("\n"), STYLES[level])
            drawn.append("\n" if shown.endswith("\n") else "")
    return drawn


def legend() -> Text:
    """What the colours mean."""
    from bbyte.analysis.characters import level_names

    drawn = Text.assemble(("bits of a character: ", "dim"))
    for style, words in zip(STYLES, level_names(), strict=True):
        drawn.append(f" {words} ", style)
        drawn.append(" ")
    return drawn
