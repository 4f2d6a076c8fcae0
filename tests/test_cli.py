"""The program as a whole: its table of contents, its version, and what its words have in common."""

import os
import re
import subprocess
import sys

import pytest
import typer

from bbyte import __version__, cli
from bbyte.terminal.command import Command, Group


def commands(node=None, words=()):
    node = node or typer.main.get_command(cli.app)
    if isinstance(node, Group):
        for name, child in node.commands.items():
            yield from commands(child, (*words, name))
    else:
        yield words, node


ALL = dict(commands())


def test_version(capsys):
    assert cli.main(["--version"]) == 0
    assert re.fullmatch(
        rf"bbyte {re.escape(__version__)} \(Python \d+\.\d+\.\d+\)\n", capsys.readouterr().out
    )


def test_help_shows_examples_before_the_commands(capsys):
    assert cli.main(["--help"]) == 0
    out = capsys.readouterr().out
    assert out.index("bbyte quickstart") < out.index("─ Flags")
    for name in {words[0] for words in ALL}:
        assert re.search(rf"│ {name} +[A-Z]", out), f"{name} has no line in bbyte --help"
    assert not re.search(r"│  {8}", out), "one line a command: its first clause is too long"


def test_no_words_show_the_same(capsys):
    assert cli.main([]) == 2
    assert "Examples" in capsys.readouterr().out


def test_python_dash_m():
    done = subprocess.run(
        [sys.executable, "-m", "bbyte", "--version"], capture_output=True, text=True, check=True
    )
    assert done.stdout.startswith("bbyte ")


def test_a_mistyped_command(capsys):
    assert cli.main(["generat"]) == 2
    assert capsys.readouterr().err == "error: unknown command 'generat'\nhint: did you mean generate?\n"


@pytest.mark.parametrize("words", ALL, ids=" ".join)
def test_every_command_explains_itself(words, capsys):
    command = ALL[words]
    assert isinstance(command, Command)
    assert command.examples, "no examples"
    assert all(
        example.startswith(("bbyte ", "torchrun ", "cat ", "echo ")) or "bbyte" in example
        for example in command.examples
    )
    assert command.rich_help_panel
    undocumented = [option.name for option in command.options if not option.help]
    assert not undocumented
    assert cli.main([*words, "-h"]) == 0
    assert "Examples" in capsys.readouterr().out


@pytest.mark.parametrize("words", ALL, ids=" ".join)
def test_every_flag_may_be_spelled_with_underscores_and_is_suggested(words, capsys):
    for option in ALL[words].options:
        long = [flag for flag in option.flags if flag.startswith("--")]
        assert not [flag for flag in long if "_" in flag]
    assert cli.main([*words, "--jsno"]) == 2
    assert capsys.readouterr().err == "error: unknown flag --jsno\nhint: did you mean --json?\n"


@pytest.mark.parametrize("words", ALL, ids=" ".join)
def test_help_fits_narrow_and_wide_terminals(words):
    for columns in ("60", "200"):
        done = subprocess.run(
            [sys.executable, "-m", "bbyte", *words, "--help"],
            capture_output=True,
            encoding="utf-8",
            env={**os.environ, "COLUMNS": columns, "PYTHONIOENCODING": "utf-8"},
            check=True,
        )
        assert max(map(len, done.stdout.splitlines())) <= min(int(columns), 110)
