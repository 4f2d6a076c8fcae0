"""report.html: a run on one page that stands alone, light and dark, made from the folder of the run only.

Whatever comes from a file is sanitised as for a terminal, and escaped.
"""

import dataclasses
import time
from collections.abc import Mapping, Sequence
from html import escape
from pathlib import Path
from typing import Any

from bbyte import durable
from bbyte.figures import bound, duration, scaled
from bbyte.report import curves, rivals, samples
from bbyte.report.style import STYLE
from bbyte.runs import record
from bbyte.runs.archive import REPORT
from bbyte.runs.record import Record
from bbyte.sanitize import sanitize, sanitize_bytes

_SAMPLES, _EVENTS, _SETTINGS = 10, 40, 60
_LONGEST_VALUE, _LONGEST_TEXT = 200, 600


def write(folder: Path, *, ended: bool = False) -> Path:
    """Write report.html of the run in `folder` anew, and return where it is.

    `ended`: its last step is done, although its lock is still held. Raises OSError where the page cannot be
    written.
    """
    run = record.read(folder)
    run = dataclasses.replace(run, is_training=False) if ended else run
    durable.replace_text(folder / REPORT, page(run, samples.read(folder), rivals.read(folder)))
    return folder / REPORT


def page(run: Record, written: Sequence[samples.Sample], compared: rivals.Rivals | None) -> str:
    """The page as text."""
    name = _text(run.name)
    sections = {
        "Bits per byte over steps": curves.bits_per_byte(run),
        "What happened": _events(run),
        "Beside classical compressors": _compared(run, compared),
        "Course": curves.course(run),
        "Samples over time": _samples(run, written),
        "Settings": _settings(run),
    }
    body = "".join(
        f"<section><h2>{title}</h2>{inner}</section>\n" for title, inner in sections.items() if inner
    )
    policy = "default-src 'none'; style-src 'unsafe-inline'"
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        f'<meta http-equiv="Content-Security-Policy" content="{policy}">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{name}</title><style>{STYLE}</style></head>\n"
        f"<body><main><header><h1>{name}</h1>{_summary(run)}</header>\n{body}</main></body></html>\n"
    )


def _summary(run: Record) -> str:
    steps = f"{run.step:,} of {run.steps:,}" if run.steps else f"{run.step:,}"
    when = time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime(min(run.changed, 1e10)))
    line = f'<p><span class="{run.state}">{run.state}</span> at step {steps}, {when}</p>'
    log, size = run.log, f"{scaled(run.parameters).strip()} parameters" if run.parameters else ""
    figures = {
        "best validation": _figure(log.best.bpb, log.best.is_bound) if log.best else "",
        "last validation": _figure(log.last.bpb, log.last.is_bound) if log.last else "",
        "training": _figure(log.train_bpb) if log.train_bpb is not None else "",
        "model": f"{run.family} {size}".strip(),
        "learned from": run.data,
        "read": f"{scaled(log.bytes_seen)}B in {duration(log.seconds)}" if log.steps else "",
    }
    pairs = (f"<div><dt>{key}</dt><dd>{_text(value)}</dd></div>" for key, value in figures.items() if value)
    problems = (f'<p class="problem">{_text(problem, 400)}</p>' for problem in run.problems[:_EVENTS])
    return f"{line}<dl>{''.join(pairs)}</dl>{''.join(problems)}"


def _figure(bpb: float, is_bound: bool = False) -> str:
    return f"{bound(bpb, is_bound)} bpb"


def _events(run: Record) -> str:
    rows = [
        (back.step, f"back from step {back.left:,} to {back.step:,}: {back.reason}")
        for back in run.log.returns
    ]
    for skip in run.log.skips:
        read = f" (samples {skip.samples[0]:,} to {skip.samples[1]:,})" if skip.samples else ""
        rows.append((skip.step, f"the update of step {skip.step:,} was skipped: {skip.reason}{read}"))
    if not rows:
        return ""
    shown = [_text(words, 400) for _, words in sorted(rows)]
    if len(shown) > _EVENTS:
        shown = [f"{len(shown) - _EVENTS:,} earlier ones, and", *shown[-_EVENTS:]]
    return f"<ul>{''.join(f'<li>{words}</li>' for words in shown)}</ul>"


def _compared(run: Record, compared: rivals.Rivals | None) -> str:
    last = run.log.last
    if compared is None or last is None:
        return ""
    ours = f"this model at step {last.step:,}, context {last.context:,}"
    rows = [(last.bpb, ours, bound(last.bpb, last.is_bound), ' class="ours"')]
    for anchor in compared.anchors:
        name = f"{anchor.name}, primed" if anchor.primed else anchor.name
        rows.append((anchor.bits_per_byte, name, bound(anchor.bits_per_byte, False), ""))
    widest = max(bpb for bpb, *_ in rows) or 1.0
    bars = "".join(
        f"<tr{style}><th>{_text(name)}</th><td>{escape(figure)}</td>"
        f'<td class="bar"><i style="width:{bpb / widest:.1%}"></i></td></tr>'
        for bpb, name, figure, style in sorted(rows)
    )
    note = f"Bits per byte of the same {compared.bytes:,} validation bytes."
    if compared.primed_with:
        note += f" Primed: after the last {compared.primed_with:,} bytes of the training text."
    return f'<table class="bars">{bars}</table><p>{note}</p>'


def _samples(run: Record, written: Sequence[samples.Sample]) -> str:
    """The newest first: as many as fit, evenly spaced."""
    spacing = -(-len(written) // _SAMPLES) or 1
    scored = {evaluation.step: evaluation for evaluation in run.log.evaluations}
    articles = []
    for sample in written[::-1][::spacing]:
        title, score = f"step {sample.step:,}", scored.get(sample.step)
        title += f", {_figure(score.bpb, score.is_bound)}" if score else ""
        text = f"<b>{_bytes(sample.prompt)}</b>{_bytes(sample.text)}"
        articles.append(f"<article><h3>{escape(title)}</h3><pre>{text}</pre></article>")
    return "".join(articles)


def _settings(run: Record) -> str:
    groups: dict[str, dict[str, Any]] = {}
    for key, value in run.settings.items():
        group, _, name = key.rpartition(".")
        groups.setdefault(group or "run", {})[name] = value
    versions = run.environment.get("versions")
    rest = {key: value for key, value in run.environment.items() if not isinstance(value, dict | list)}
    groups["environment"] = {**rest, **(versions if isinstance(versions, dict) else {})}
    tables = (_table(title, values) for title, values in list(groups.items())[:_SETTINGS])
    return f'<div class="settings">{"".join(tables)}</div>'


def _table(title: str, values: Mapping[str, Any]) -> str:
    shown = list(values.items())[:_SETTINGS]
    rows = "".join(f"<tr><th>{_text(key)}</th><td>{_text(value)}</td></tr>" for key, value in shown)
    return f"<table><caption>{_text(title)}</caption>{rows}</table>" if rows else ""


def _text(value: object, most: int = _LONGEST_VALUE) -> str:
    text = str(value)
    return escape(sanitize(text[:most] + ("…" if len(text) > most else "")))


def _bytes(data: bytes) -> str:
    return escape(sanitize_bytes(data[:_LONGEST_TEXT]))
