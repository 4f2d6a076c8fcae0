"""Drawings as SVG and PNG, their colours, and where they are written."""

import re
import sys
from itertools import pairwise
from xml.etree import ElementTree

import pytest

from bbyte.analysis import picture_file, raster, themed_svg
from bbyte.analysis.drawing import Boxes, Dot, Drawing, Label, Line, clipped
from bbyte.analysis.theme import LEVELS, PAPER, ROLES, picture_style
from bbyte.errors import UsageError

HOSTILE = 'a\x1b[31m\u202e<b>&"\x00\ufffe\ud800'


def drawn():
    picture = Drawing(200, 100, HOSTILE)
    picture.title(HOSTILE, "below")
    picture.add(
        Boxes([(10, 50, 20.5, 10), (40, 50, 5, 5)], "blue", 0.5, HOSTILE), Dot(100, 50, 3, "red", "a dot"),
        Line([(0, 0), (10.123456, 20)], "rule"), Label(5, 90, HOSTILE, anchor="end", is_mono=True),
    )  # fmt: skip
    return picture


def test_hostile_words_are_well_formed_and_tame():
    text = themed_svg.document(drawn())
    root = ElementTree.fromstring(text.encode())  # noqa: S314 - our own
    assert root.get("width") == "200"
    assert not re.search(r"[\x00-\x08\x0b-\x1f\u202e\ufffe]|<b>|<script|http(?!://www.w3.org/2000/svg)", text)
    assert "h20.5v10h-20.5z" in text and "10.12,20" in text and 'fill-opacity="0.5"' in text


def test_it_has_two_themes_and_every_role_in_both():
    text = themed_svg.document(drawn())
    light, _, dark = text.partition("@media(prefers-color-scheme:dark)")
    for role, colour in ROLES.items():
        assert f"svg .{role}{{fill:{colour.light}}}" in light
        assert f"svg .{role}{{fill:{colour.dark}}}" in dark
    assert PAPER.light in light and PAPER.dark in dark
    assert "@media" in picture_style()


def contrast(one, other):
    def luminance(colour):
        parts = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
        linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
        return sum(weight * part for weight, part in zip((0.2126, 0.7152, 0.0722), linear, strict=True))

    high, low = sorted((luminance(one), luminance(other)), reverse=True)
    return (high + 0.05) / (low + 0.05)


def test_colours_are_legible_on_their_page():
    for role, colour in ROLES.items():
        if role != "rule":
            assert contrast(colour.light, PAPER.light) >= 3 and contrast(colour.dark, PAPER.dark) >= 3, role
            assert contrast(colour.either, "#ffffff") >= 3 and contrast(colour.either, "#0d1117") >= 3, role


def test_text_is_legible_on_every_level_and_levels_differ():
    for level in LEVELS:
        assert contrast(ROLES["ink"].light, level.light) >= 4
        assert contrast(ROLES["ink"].dark, level.dark) >= 3.5
    for low, high in pairwise(LEVELS):
        assert contrast(low.light, PAPER.light) < contrast(high.light, PAPER.light)
        assert contrast(low.dark, PAPER.dark) < contrast(high.dark, PAPER.dark)


def test_png():
    pytest.importorskip("matplotlib")
    data = raster.png(drawn())
    assert data.startswith(b"\x89PNG")
    assert [int.from_bytes(data[at : at + 4]) for at in (16, 20)] == [400, 200]


def test_nothing_is_overwritten_unasked(tmp_path):
    path = tmp_path / "deep" / "x.svg"
    picture_file.write(drawn(), path, force=False)
    before = path.read_bytes()
    with pytest.raises(UsageError, match="is there already"):
        picture_file.write(Drawing(1, 1, "other"), path, force=False)
    assert path.read_bytes() == before
    picture_file.write(Drawing(1, 1, "other"), path, force=True)
    assert path.read_bytes() != before


def test_endings(tmp_path):
    with pytest.raises(UsageError, match=r"does not end in \.svg or \.png"):
        picture_file.check(tmp_path / "x.pdf", picture_file.DRAWN, force=True)
    with pytest.raises(UsageError, match="is there already"):
        (tmp_path / "folder.svg").mkdir()
        picture_file.check(tmp_path / "folder.svg", picture_file.DRAWN, force=True)


def test_without_matplotlib_the_extra_is_named_before_anything_is_computed(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(UsageError) as refused:
        picture_file.check(tmp_path / "x.png", picture_file.DRAWN, force=False)
    assert "bbyte[plot]" in refused.value.hint
    picture_file.write(drawn(), tmp_path / "x.svg", force=False)


def test_clipped():
    assert clipped("abcdef", 6) == "abcdef" and clipped("abcdefg", 6) == "abcde…"
