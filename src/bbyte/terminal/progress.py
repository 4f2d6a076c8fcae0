"""The bar drawn while something long runs: done, total, rate and time left."""

from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import (
    BarColumn,
    DownloadColumn,
    MofNCompleteColumn,
    ProgressColumn,
    Task,
    TaskID,
    TextColumn,
    TimeRemainingColumn,
)
from rich.progress import Progress as RichProgress
from rich.text import Text

from bbyte.figures import scaled


class Bar:
    """A bar on a terminal."""

    def __init__(self, progress: RichProgress, task: TaskID) -> None:
        self._progress = progress
        self._task = task

    def update(self, done: float, total: float | None = None, note: str = "") -> None:
        """Say how much is done, in all, the total where it has become known, and what else there is."""
        # Rich takes a total of None for "leave it as it is".
        self._progress.update(self._task, completed=done, total=total, note=note)


@contextmanager
def bar(console: Console, label: str, total: float | None, unit: str) -> Iterator[Bar]:
    """Draw a bar while the block runs; it stays, full or not, when the block ends."""
    counted = DownloadColumn() if unit == "B" else MofNCompleteColumn()
    # The label never goes through Rich's markup.
    columns = (
        TextColumn("{task.description}", markup=False),
        BarColumn(bar_width=None),
        counted,
        _Rate(unit),
        TextColumn("{task.fields[note]}", markup=False),
        TimeRemainingColumn(),
    )
    with RichProgress(*columns, console=console, expand=True, transient=False) as progress:
        yield Bar(progress, progress.add_task(label, total=total, note=""))


class _Rate(ProgressColumn):
    def __init__(self, unit: str) -> None:
        super().__init__()
        self._unit = unit

    def render(self, task: Task) -> Text:
        speed = task.finished_speed or task.speed
        if speed is None:
            return Text("")
        return Text(f"{scaled(speed)}{self._unit}/s", style="cyan")
