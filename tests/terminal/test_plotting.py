"""Small charts in text, names of pictures, and colours of a text."""

import pytest

from bbyte.analysis.characters import EDGES, Character
from bbyte.errors import UsageError
from bbyte.terminal.plotting import bar, place, sparkline
from bbyte.terminal.screen import Screen
from bbyte.terminal.surprisal import STYLES, coloured, legend


@pytest.mark.parametrize(
    ("share", "expected"),
    [(0, ""), (1, "████"), (0.5, "██"), (1 / 32, "▏"), (0.65625, "██▋"), (2, "████"), (-1, "")],
)
def test_bars(share, expected):
    assert bar(share, 4) == expected


def test_sparklines():
    assert sparkline([0, 1, 2, 4, 8]) == "▁▂▃▅█"
    assert sparkline([]) == "" and sparkline([0, 0]) == "▁▁"


def test_names_of_pictures_are_plain(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    path = place(Screen(), None, ["../run/step-1", "next", "a/b\x1b é.."], (".svg",), force=False)
    assert str(path) == "artifacts/plots/run_step_1-next-a_b.svg"
    assert (
        place(Screen(), None, ["m", "\u65e5", "b" * 999], (".svg",), force=False).name == f"m-{'b' * 60}.svg"
    )
    assert place(Screen(json=True), None, ["x"], (".svg",), force=False) is None
    with pytest.raises(UsageError):
        place(Screen(), tmp_path / "x.gif", ["x"], (".svg",), force=False)


def test_each_level_has_a_look_and_ends_of_lines_have_none():
    assert len(STYLES) == len(EDGES) + 1
    drawn = coloured([Character("a", 0, 1, 0.5), Character("↵\n", 1, 2, 9.0), Character("↵\n", 2, 3, 0.1)])
    assert drawn.plain == "a↵\n\n"
    assert [(span.start, span.end, span.style) for span in drawn.spans] == [(1, 2, STYLES[5])]
    assert all(words in legend().plain for words in ("below 1", "8 and more"))
