"""Pictures of several runs."""

import sys
import warnings
from xml.etree import ElementTree

import pytest

from bbyte.analysis.picture import DASHES, INK, MOST, PALETTE, Curve, draw
from bbyte.errors import UsageError


def curve(name="first", level=2.0):
    train = [(float(n), level + 3 / n) for n in range(1, 60)]
    return Curve(name, train, [(float(n), level + 0.1 + 3 / n) for n in range(10, 60, 10)])


def luminance(colour):
    channels = [int(colour[place : place + 2], 16) / 255 for place in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


@pytest.mark.parametrize(("colour", "least"), [*((colour, 2.99) for colour in PALETTE), (INK, 4.1)])
def test_every_colour_is_legible_on_white_and_on_near_black(colour, least):
    for paper in ("#ffffff", "#0d1117"):
        lighter, darker = sorted((luminance(colour), luminance(paper)), reverse=True)
        assert (lighter + 0.05) / (darker + 0.05) >= least


def test_a_png_is_transparent(tmp_path):
    pytest.importorskip("matplotlib")
    from matplotlib.image import imread

    draw([curve(), curve("second", 3.0)], tmp_path / "deep" / "x.png", across="steps")
    pixels = imread(tmp_path / "deep" / "x.png")
    assert pixels.shape[2] == 4 and pixels[0, 0, 3] == 0
    assert 0.01 < (pixels[..., 3] > 0.5).mean() < 0.2


def test_an_svg_names_each_run_and_is_the_same_each_time(tmp_path):
    pytest.importorskip("matplotlib")
    for name in ("a.svg", "b.svg"):
        draw([curve("o<n>e & $x$"), curve("two")], tmp_path / name, across="bytes read")
    text = (tmp_path / "a.svg").read_text("utf-8")
    words = [element.text for element in ElementTree.fromstring(text).iter() if element.text]  # noqa: S314
    joined = " ".join(" ".join(words).split())
    assert "o<n>e & $x$ 2.160" in joined and "two 2.160" in joined and "bytes read" in joined
    assert (tmp_path / "b.svg").read_text("utf-8") == text


def test_odd_names_and_short_curves_are_drawn_without_a_word(tmp_path):
    pytest.importorskip("matplotlib")
    odd = [Curve("漢字 \U0001f600", [(1.0, 2.0)], []), Curve("", [], [(5.0, 2.0)])]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        draw(odd, tmp_path / "x.png", across="steps")


def test_as_many_as_can_be_told_apart(tmp_path):
    assert len(set(PALETTE)) * len(DASHES) == MOST
    with pytest.raises(UsageError, match="too many"):
        draw([curve()] * (MOST + 1), tmp_path / "x.png", across="steps")


def test_another_ending_is_refused(tmp_path):
    with pytest.raises(UsageError) as refused:
        draw([curve()], tmp_path / "notes.txt", across="steps")
    assert "notes.png" in refused.value.hint


def test_without_matplotlib_the_extra_is_named(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(UsageError) as refused:
        draw([curve()], tmp_path / "x.png", across="steps")
    assert refused.value.hint == "pip install 'bbyte[plot]'"
