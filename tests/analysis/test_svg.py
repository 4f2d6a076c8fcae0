"""The charts of a page."""

import math
import random
import re
from xml.etree import ElementTree

from bbyte.analysis.svg import Line, Rule, chart

LINE = Line([(float(n), 3 - n / 100) for n in range(101)], "train")


def drawn(*lines, **options):
    text = chart(lines, label="x", **options)
    return text, ElementTree.fromstring(text)  # noqa: S314 - our own


def path(root, style):
    (found,) = (element for element in root.iter("path") if element.get("class") == style)
    numbers = [float(number) for number in re.findall(r"-?[\d.]+", found.get("d"))]
    return numbers[::2], numbers[1::2]


def test_a_falling_line_falls_from_left_to_right_and_stays_inside():
    _, root = drawn(LINE, size=(760, 260))
    xs, ys = path(root, "train")
    assert len(xs) == 101
    assert xs == sorted(xs) and ys == sorted(ys)
    assert min(xs) >= 50 and max(xs) <= 760 and min(ys) >= 0 and max(ys) <= 260


def test_a_line_that_comes_from_above_enters_at_the_top_and_has_no_ceiling():
    steep = Line([(float(n), 40.0 - 10 * n if n < 4 else 2.0) for n in range(200)], "train")
    _, root = drawn(steep, size=(760, 260))
    xs, ys = path(root, "train")
    assert ys[0] == 10 and ys[1] > 10 and xs[0] > 52


def test_numbers_stand_beside_the_axes():
    text, _ = drawn(LINE)
    for number in (">2.5</text>", ">100</text>", ">0</text>"):
        assert number in text


def test_dots_rules_and_words():
    rule = Rule(50, "skip", 'step 50 <b>"&</b>')
    text, root = drawn(
        LINE, Line([(10.0, 2.5)], "val", dots=True), rules=[rule, Rule(500, "skip", "outside")]
    )
    assert [title.text for title in root.iter("title")] == ['step 50 <b>"&</b>']
    assert "h0" in text and "<b>" not in text


def test_a_label_is_escaped():
    assert '"&<' not in chart([LINE], label='"&<')


def test_powers_of_ten():
    text, root = drawn(Line([(1.0, 0.01), (2.0, 1.0), (3.0, 100.0), (4.0, 0.0)], "train"), logarithmic=True)
    _, ys = path(root, "train")
    assert len(ys) == 3 and ys[0] - ys[1] == ys[1] - ys[2]
    for number in (">0.01<", ">1<", ">100<"):
        assert number in text


def test_from_zero():
    assert ">0</text>" in chart([Line([(1.0, 50.0), (2.0, 60.0)], "train")], label="", from_zero=True)


def test_nothing_to_draw():
    assert chart([], label="") == chart([Line([(1.0, math.nan)], "train")], label="")
    assert "<svg" not in chart([], label="")


def test_any_numbers_give_a_sound_picture():
    dice = random.Random(0)
    odd = (0.0, -1.0, 1e-300, 1e300, math.inf, -math.inf, math.nan, 5.0)
    for _ in range(500):
        points = sorted(
            (dice.choice((0.0, 1.0, 7.0, 1e11)), dice.choice(odd)) for _ in range(dice.randint(1, 6))
        )
        for logarithmic in (False, True):
            text = chart([Line(points, "train")], label="x", logarithmic=logarithmic)
            ElementTree.fromstring(text)  # noqa: S314
            assert "nan" not in text and "inf" not in text
