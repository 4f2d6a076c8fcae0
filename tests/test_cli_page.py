"""docs/cli.md is the reference of the program as it is, and the program can be found in it."""

import re
from pathlib import Path

import typer

from bbyte import cli
from bbyte.terminal.command import Command, Group
from bbyte.terminal.reference import EXIT_CODES, reference

PAGE = Path(__file__).parents[1] / "docs" / "cli.md"
PROGRAM = typer.main.get_command(cli.app)
TEXT = reference(PROGRAM)


def commands(node, words="bbyte"):
    """Every command there is, and the words it is called by."""
    if isinstance(node, Group):
        for name, sub in node.commands.items():
            yield from commands(sub, f"{words} {name}")
    elif isinstance(node, Command) and not node.hidden:
        yield words, node


def test_up_to_date():
    assert PAGE.read_text("utf-8") == TEXT, "run: make completions"


def test_every_command_has_its_part_with_usage_and_examples():
    for words, command in commands(PROGRAM):
        part = re.split(r"^##", TEXT.partition(f"# {words}\n")[2], maxsplit=1, flags=re.MULTILINE)[0]
        assert f"```text\n{words} " in part, words
        assert all(f"$ {example}\n" in part for example in command.examples), words


def test_every_flag_stands_in_the_part_of_its_command_or_in_the_one_it_refers_to():
    tables = dict(re.findall(r"^#+ (bbyte .*?)\n(.*?)(?=^#)", TEXT + "#", flags=re.MULTILINE | re.DOTALL))
    for words, command in commands(PROGRAM):
        seen = [words, *re.findall(r"as of \[(.*?)\]", tables[words])]
        rows = "".join(tables[place] for place in seen) + TEXT.partition("## Every command")[2][:700]
        for option in command.options:
            for flag in option.flags if not option.hidden else ():
                assert f"`{flag}`" in rows, f"{words} {flag}"


def test_every_flag_is_set_by_the_variable_of_its_name():
    for words, command in commands(PROGRAM):
        for option in command.options:
            names = {"BBYTE_" + flag[2:].replace("-", "_").upper() for flag in option.flags}
            assert not names or option.variable in names, f"{words} {option.flags}: {option.variable}"


def test_its_links_lead_to_headings_of_their_own():
    headings = re.findall(r"^#+ (.*)$", re.sub(r"```.*?```", "", TEXT, flags=re.DOTALL), flags=re.MULTILINE)
    anchors = [re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings]
    assert len(set(anchors)) == len(anchors)
    assert set(re.findall(r"\]\(#(.*?)\)", TEXT)) <= set(anchors)


def test_tables_are_tables():
    for line in TEXT.splitlines():
        if line.startswith("|"):
            cells = len(re.findall(r"(?<!\\)\|", line)) - 1
            assert cells in (2, 3), line


def test_the_exit_codes_are_those_the_program_promises():
    promised = re.findall(r"\d+", (cli.__doc__ or "").partition("Exit codes:")[2].partition(".")[0])
    assert re.findall(r"\d+", " ".join(codes for codes, _ in EXIT_CODES)) == promised


def test_it_does_not_depend_on_where_it_is_made(monkeypatch):
    monkeypatch.setenv("COLUMNS", "40")
    assert reference(PROGRAM) == TEXT
    assert str(Path.home()) not in TEXT and str(Path.cwd()) not in TEXT
