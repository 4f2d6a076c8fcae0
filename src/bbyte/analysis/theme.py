"""The colours of pictures: each role on white, on near-black, and where the page may be either.

Those for either have a contrast of at least 3 to both. After Okabe and Ito's palette, which the colour-blind
can tell apart; on dark its lighter hues.
"""

from typing import NamedTuple


class Colour(NamedTuple):
    """A colour on a light page, on a dark one, and on a page that is not known."""

    light: str
    dark: str
    either: str


PAPER = Colour("#ffffff", "#101418", "#ffffff00")
ROLES = {
    "ink": Colour("#1c2126", "#e6e9ec", "#767676"),
    "dim": Colour("#5b6570", "#9aa5b0", "#767676"),
    "rule": Colour("#dde2e7", "#2d353e", "#76767640"),
    "blue": Colour("#0072b2", "#56b4e9", "#1a7fbd"),
    "teal": Colour("#00808a", "#3cc8c8", "#008f99"),
    "orange": Colour("#d55e00", "#f0a030", "#d55e00"),
    "green": Colour("#2a7d2e", "#7bc96f", "#3a913e"),
    "purple": Colour("#a8528a", "#e0a3cb", "#b8619a"),
    "brown": Colour("#8a6a00", "#d9c05a", "#9a7a10"),
    "red": Colour("#c0274a", "#ff7d8d", "#d43d5c"),
    "grey": Colour("#808a94", "#7d8893", "#7f8892"),
}
LEVELS = (
    Colour("#fff3c9", "#3d3208", ""), Colour("#ffdf94", "#5e4408", ""), Colour("#ffb967", "#85500a", ""),
    Colour("#f98a5c", "#ad4a12", ""), Colour("#e35a5f", "#d13b3b", ""),
)  # fmt: skip
"""Behind text whose bytes cost more and more; the cheapest stand on the page itself."""


def picture_style() -> str:
    """The style sheet of a picture: a class for each role, which fills shapes and text and draws lines."""
    light = _rules({"paper": PAPER.light} | {role: colour.light for role, colour in ROLES.items()})
    dark = _rules({"paper": PAPER.dark} | {role: colour.dark for role, colour in ROLES.items()})
    return f"{light}@media(prefers-color-scheme:dark){{{dark}}}"


def _rules(colours: dict[str, str]) -> str:
    return "".join(
        f"svg .{role}{{fill:{colour}}}svg polyline.{role}{{fill:none;stroke:{colour}}}"
        for role, colour in colours.items()
    )
