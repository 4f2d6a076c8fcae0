"""Help pages: summaries are first clauses, long examples can be copied as they stand."""

import shlex

import pytest

from bbyte.terminal.command import summary
from bbyte.terminal.help import show_command

EXAMPLE = (
    'prog generate --prompt "Once upon a time there was" --max-new-tokens 300 --temperature 0.9 --top-k 50'
)


@pytest.mark.parametrize("width", [40, 60, 80, 300])
def test_long_examples_can_be_copied(capsys, monkeypatch, width):
    monkeypatch.setenv("COLUMNS", str(width))
    show_command("prog generate", "Write on.", (), [EXAMPLE])
    out = capsys.readouterr().out
    shown = out[out.index("prog generate --prompt") :].split("\n\n")[0]
    shown = "\n".join(line.rstrip() for line in shown.splitlines()).split("\n Any flag")[0]
    assert shlex.split(shown.replace("\\\n", " ")) == shlex.split(EXAMPLE)


@pytest.mark.parametrize(
    ("help", "line"),
    [
        ("Pack files: shards and more.\n\nLong.", "Pack files"),
        ("Do it.", "Do it"),
        ("Write on; the same", "Write on"),
        ("Read .gz files", "Read .gz files"),
        (None, ""),
    ],
)
def test_summaries_are_first_clauses(help, line):
    assert summary(help) == line


def test_a_setting_that_takes_a_word_or_a_number_shows_both():
    from typing import Literal

    from bbyte.terminal.options import Option

    both = Option("micro_batch", Literal["auto"] | int, "auto", "", ("--micro-batch",))
    assert both.placeholder == "auto|INT"
    assert Option("kind", Literal["a", "b"] | None, None, "", ("--kind",)).placeholder == "a|b"
