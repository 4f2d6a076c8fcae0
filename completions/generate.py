"""Writes the completion scripts beside this file, from the program as it is: `make completions`."""

from pathlib import Path

import typer

from bbyte.cli import app
from bbyte.terminal.completions import scripts

for name, text in scripts(typer.main.get_command(app)).items():
    (Path(__file__).parent / name).write_text(text, encoding="utf-8", newline="\n")
