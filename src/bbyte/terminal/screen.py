"""What a command writes to: product on stdout, talk on stderr, every byte to a terminal sanitised."""

import json
import math
import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, Self

from bbyte.sanitize import StreamSanitizer, sanitize

if TYPE_CHECKING:
    from rich.console import Console


_BREAKS = str.maketrans({"\n": r"\n", "\r": r"\r", "\t": r"\t"})


def one_line(text: str) -> str:
    r"""The text without line breaks and tabs, which show as \n, \r and \t: no file's name adds a line."""
    return text.translate(_BREAKS)


class Progress(Protocol):
    """A bar that is being drawn, or nothing where none is."""

    def update(self, done: float, total: float | None = None, note: str = "") -> None:
        """Say how much is done, in all, the total where it has become known, and what else there is."""


class Screen:
    """Where a command's words go. `quiet` keeps talk back, `json` asks for JSON instead of text.

    `animated` is true only where a person watches stderr: never in a pipe, under CI, or on a dumb terminal.
    """

    def __init__(self, *, quiet: bool = False, json: bool = False) -> None:
        self.quiet = quiet
        self.json = json
        watched = sys.stderr.isatty() and os.environ.get("TERM") != "dumb" and not os.environ.get("CI")
        self.animated = watched and not quiet and not json
        self._stream = StreamSanitizer()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        rest = self._stream.close()
        if rest:
            self._show(rest)

    @cached_property
    def console(self) -> "Console":
        """The Rich console on stderr. It obeys NO_COLOR and FORCE_COLOR. Give it Text, never markup."""
        from rich.console import Console

        return Console(stderr=True, markup=False, emoji=False, highlight=False)

    def say(self, text: str) -> None:
        """A line of talk on stderr, unless quiet."""
        if not self.quiet:
            self._talk(text)

    def warn(self, text: str) -> None:
        """A warning on stderr, also when quiet."""
        self._talk(f"warning: {text}")

    def print(self, text: str) -> None:
        """A line of the product on stdout."""
        self._show((sanitize(text) if sys.stdout.isatty() else text) + "\n")

    def table(self, title: str, columns: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
        """A table of the product on stdout; plain aligned text where it is not a terminal."""
        from bbyte.terminal.table import aligned, drawn

        cells = [[_cell(cell) for cell in row] for row in rows]
        if sys.stdout.isatty():
            drawn(_cell(title), [_cell(column) for column in columns], cells)
        else:
            self._show(aligned(_cell(title), [_cell(column) for column in columns], cells))

    def markdown(self, title: str, columns: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
        """The same table as Markdown."""
        from bbyte.terminal.table import markdown

        cells = [[_cell(cell) for cell in row] for row in rows]
        self._show(markdown(_cell(title), [_cell(column) for column in columns], cells))

    def write_bytes(self, data: bytes) -> None:
        """Bytes of the product, at once: raw to a pipe or file, sanitised to a terminal."""
        if sys.stdout.isatty():
            self._show(self._stream.feed(data))
            return
        sys.stdout.flush()
        sys.stdout.buffer.write(data)
        sys.stdout.buffer.flush()

    def emit_json(self, value: object) -> None:
        """One JSON document on one line of stdout; NaN and infinities become null."""
        line = json.dumps(_plain(value), allow_nan=False)
        self._show(line.replace("\x7f", "\\u007f") + "\n")

    @contextmanager
    def progress(self, label: str, total: float | None, unit: str = "B") -> Iterator[Progress]:
        """A bar with rate and time left while the block runs; silent where nobody watches."""
        if not self.animated:
            yield _Silent()
            return
        from bbyte.terminal.progress import bar

        with bar(self.console, sanitize(label), total, unit) as drawn:
            yield drawn

    def _talk(self, text: str) -> None:
        if not self.animated:
            sys.stderr.write(sanitize(text) + "\n")
            return
        from rich.text import Text

        # Through Rich, so that it comes to stand above a picture or a bar that is being drawn.
        self.console.print(Text(sanitize(text)), soft_wrap=True)

    def _show(self, text: str) -> None:
        sys.stdout.write(text)
        sys.stdout.flush()


class _Silent:
    def update(self, done: float, total: float | None = None, note: str = "") -> None:
        pass


def _cell(value: object) -> str:
    return sanitize(one_line(str(value)))


def _plain(value: Any) -> Any:
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    return str(value) if isinstance(value, Path) else value
