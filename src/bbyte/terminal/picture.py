"""The picture of a run: one panel that fits 80 by 24, made from its history. Readable on dark and light."""

import io
import re

from rich import box
from rich.console import Console, ConsoleOptions, RenderableType, RenderResult
from rich.console import Group as Stack
from rich.panel import Panel
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from bbyte.analysis.series import smoothed
from bbyte.figures import bound, duration, scaled
from bbyte.sanitize import sanitize
from bbyte.terminal.curve import BEST, MARK, SMOOTH, SWITCH, curve
from bbyte.terminal.history import History

_WIDEST = 100
_TALLEST = 24
_AROUND_CHART = 13
"""Lines that are not chart: the frame, the bar, the figures, blank lines, legend, labels and news."""


class Picture:
    """Draws a History in the space the terminal has, each time it is printed. Rich resizes it by itself."""

    def __init__(self, history: History) -> None:
        self.history = history

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        width = min(options.max_width, _WIDEST)
        height = min(console.height - 1, _TALLEST)
        yield render(self.history, width, height)


def svg(history: History, title: str) -> str:
    """The picture as an SVG document of 80 by 24 cells, for a README; no font is fetched from anywhere."""
    console = Console(record=True, width=80, height=_TALLEST, file=io.StringIO(), legacy_windows=False)
    console.print(Picture(history))
    # Rich asks for a font from the network.
    return re.sub(r"@font-face \{.*?\}\s*", "", console.export_svg(title=title), flags=re.DOTALL)


def render(history: History, width: int = 80, height: int = 23) -> Panel:
    """The panel for one moment of a run, `width` cells by at most `height` lines."""
    inner = width - 6
    parts: list[RenderableType] = [Text(""), _bar(history, inner), Text(""), _figures(history, inner)]
    chart = min(height - _AROUND_CHART, 16)
    if chart >= 3:
        parts += [Text(""), _legend(history), *_chart(history, inner, chart)]
    parts += [Text(""), _news(history, inner)]
    return Panel(
        Stack(*parts),
        title=_title(history),
        title_align="left",
        subtitle=_subtitle(history),
        subtitle_align="right",
        box=box.ROUNDED,
        border_style="dim",
        padding=(0, 2),
        width=width,
    )


def _title(history: History) -> Text:
    title = Text.assemble(" ", ("bbyte", "bold cyan not dim"))
    if history.started is not None:
        title.append(" ")
        title.append(f"train {sanitize(history.started.family)}", "bold not dim")
        title.append("  ")
        title.append(sanitize(history.started.run), "not dim")
        title.append(" ")
    return title


def _subtitle(history: History) -> Text:
    if history.started is None:
        return Text("")
    parameters = scaled(history.started.parameters).replace(" ", "\N{NO-BREAK SPACE}")
    return Text.assemble(" ", (f"{parameters} parameters, {duration(history.seconds)}", "dim"), " ")


def _bar(history: History, width: int) -> Table:
    last = history.last
    steps = last.steps if last else (history.started.steps if history.started else 1)
    step = last.step if last else (history.started.first_step if history.started else 0)
    left = "done" if history.finished else f"{duration(last.seconds_left)} left" if last else "starting"
    row = Table.grid(padding=(0, 2), expand=True)
    row.add_column(no_wrap=True)
    row.add_column(ratio=1)
    row.add_column(no_wrap=True, justify="right")
    row.add_column(no_wrap=True, justify="right")
    row.add_row(
        Text.assemble(("step", "dim"), " ", (f"{step:,}", "bold"), " ", (f"/ {steps:,}", "dim")),
        ProgressBar(total=steps, completed=step, complete_style="cyan", finished_style="green", style="dim"),
        Text(f"{step / max(steps, 1):4.0%}", style="bold"),
        Text(left, style="green" if history.finished else ""),
    )
    row.width = width
    return row


def _figures(history: History, width: int) -> Table:
    last, scored = history.last, history.evaluations[-1] if history.evaluations else None
    columns = (
        (
            ("train", f"{history.train_bpb:.3f}" if history.train_bpb is not None else "", SMOOTH),
            ("val", bound(scored.bpb, scored.is_bound) if scored else "", MARK),
            ("best", bound(scored.best, scored.is_bound) if scored else "", BEST),
        ),
        (
            ("speed", f"{scaled(last.bytes_per_second)}B/s" if last else "", ""),
            ("read", f"{scaled(last.bytes_seen)}B" if last else "", ""),
            ("memory", f"{scaled(last.memory)}B" if last else "", ""),
        ),
        (
            ("rate", f"{last.learning_rate:.2e}" if last else "", ""),
            ("window", f"{last.seq_len:,} bytes" if last else "", ""),
            ("weights", ("ternary" if last.quantized else "full precision") if last else "", "bold"),
        ),
    )
    table = Table.grid(padding=(0, 1), expand=True)
    table.width = width
    for _ in columns:
        table.add_column(no_wrap=True)
        table.add_column(no_wrap=True, ratio=1)
    for row in zip(*columns, strict=True):
        cells = [
            (Text(name, "dim"), Text(figure or "-", style if figure else "dim"))
            for name, figure, style in row
        ]
        table.add_row(*(cell for pair in cells for cell in pair))
    return table


def _legend(history: History) -> Text:
    entries = [("⠒⠒", SMOOTH, "train")]
    if history.evaluations:
        entries += [("◆", MARK, "val"), ("◆", BEST, "best")]
    if history.quantized_from is not None:
        entries.append(("┊", SWITCH, f"ternary from step {history.quantized_from:,}"))
    text = Text.assemble(("bits per byte", "bold"), no_wrap=True, overflow="ellipsis")
    for sign, style, meaning in entries:
        text.append("   ")
        text.append(sign, style)
        text.append(" ")
        text.append(meaning, "dim")
    return text


def _chart(history: History, width: int, height: int) -> list[Text]:
    marks = [(evaluated.step, evaluated.bpb) for evaluated in history.evaluations]
    return curve(width, height, history.raw, smoothed(history.raw), marks, history.quantized_from)


def _news(history: History, width: int) -> Text:
    if history.saved is None:
        return Text("")
    text = Text(f"saved {sanitize(history.saved.path)}", style="dim", no_wrap=True)
    text.truncate(width, overflow="ellipsis")
    return text
