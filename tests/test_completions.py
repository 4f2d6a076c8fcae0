"""The completion files are those of the program as it is, and they complete."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest
import typer

from bbyte.cli import app
from bbyte.terminal.completions import scripts

FOLDER = Path(__file__).parent.parent / "completions"
SCRIPTS = scripts(typer.main.get_command(app))


@pytest.mark.parametrize("name", SCRIPTS)
def test_up_to_date(name):
    assert (FOLDER / name).read_text("utf-8") == SCRIPTS[name], "run: make completions"


def bash(line: list[str]) -> list[str]:
    script = (
        f"source '{FOLDER / 'bbyte.bash'}'\n"
        'COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _bbyte; printf "%s\\n" "${COMPREPLY[@]}"'
    )
    done = subprocess.run(["bash", "-c", script, "-", *line], capture_output=True, text=True, check=True)
    return done.stdout.split()


@pytest.mark.skipif(os.name == "nt" or shutil.which("bash") is None, reason="needs bash")
@pytest.mark.parametrize(
    ("line", "expected"),
    [
        (["bbyte", "gen"], {"generate"}),
        (["bbyte", "tr"], {"train"}),
        (["bbyte", "--ver"], {"--version"}),
        (["bbyte", "generate", "--temp"], {"--temperature"}),
        (["bbyte", "generate", "--quiet", "--top"], {"--top-k", "--top-p"}),
        (["bbyte", "generate", "--prompt", "x"], set()),
    ],
)
def test_bash_completes(line, expected):
    assert set(bash(line)) == expected


@pytest.mark.skipif(shutil.which("fish") is None, reason="needs fish")
def test_fish_completes():
    script = f"source '{FOLDER / 'bbyte.fish'}'; complete -C 'bbyte gen'; complete -C 'bbyte generate --temp'"
    done = subprocess.run(["fish", "-c", script], capture_output=True, text=True, check=True)
    assert [line.split("\t")[0] for line in done.stdout.splitlines()] == ["generate", "--temperature"]


@pytest.mark.skipif(shutil.which("zsh") is None, reason="needs zsh")
def test_zsh_can_read_it():
    subprocess.run(["zsh", "-n", str(FOLDER / "_bbyte")], check=True)
