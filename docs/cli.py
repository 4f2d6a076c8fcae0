"""Writes cli.md beside this file, from the program as it is: `make completions`."""

from pathlib import Path

import typer

from bbyte.cli import app
from bbyte.terminal.reference import reference

page = reference(typer.main.get_command(app))
Path(__file__).with_suffix(".md").write_text(page, encoding="utf-8", newline="\n")
