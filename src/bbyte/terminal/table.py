"""Tables on stdout: drawn by Rich on a terminal, aligned plain text in a pipe, Markdown on demand."""

from collections.abc import Sequence


def aligned(title: str, columns: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """The table as lines of text; columns of numbers stand to the right."""
    lines = [list(columns), *(list(row) for row in rows)]
    widths = [max(len(line[place]) for line in lines) for place in range(len(columns))]
    right = _numeric(len(columns), rows)
    text = [title] if title else []
    for line in lines:
        cells = (
            cell.rjust(width) if to_right else cell.ljust(width)
            for cell, width, to_right in zip(line, widths, right, strict=True)
        )
        text.append("  ".join(cells).rstrip())
    return "\n".join(text) + "\n"


def markdown(title: str, columns: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """The table in GitHub's Markdown, the title in bold before it; columns of numbers stand to the right."""
    rules = ["---:" if to_right else "---" for to_right in _numeric(len(columns), rows)]
    lines = [
        "| " + " | ".join(cell.replace("|", r"\|") for cell in line) + " |"
        for line in (columns, rules, *rows)
    ]
    return "\n".join([f"**{title}**", "", *lines] if title else lines) + "\n\n"


def drawn(title: str, columns: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """The table drawn on the terminal."""
    from rich import box
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(title=Text(title) if title else None, title_justify="left", box=box.SIMPLE_HEAD)
    for column, to_right in zip(columns, _numeric(len(columns), rows), strict=True):
        table.add_column(Text(column), justify="right" if to_right else "left", overflow="fold")
    for row in rows:
        table.add_row(*(Text(cell) for cell in row))
    Console(markup=False, emoji=False, highlight=False).print(table)


def _numeric(columns: int, rows: Sequence[Sequence[str]]) -> list[bool]:
    return [bool(rows) and all(_is_number(row[place]) for row in rows) for place in range(columns)]


def _is_number(cell: str) -> bool:
    words = cell.replace("<=", " ").replace(",", "").split()
    if not words:
        return True
    try:
        float(words[0].rstrip("%x"))
    except ValueError:
        return False
    return True
