"""The charts of a run's page: bits per byte, and how learning rate, gradient and speed went."""

from functools import partial

from bbyte.analysis.series import Points, smoothed, thinned
from bbyte.analysis.svg import Line, Rule, chart
from bbyte.figures import scaled
from bbyte.runs.record import Record
from bbyte.sanitize import sanitize

_POINTS = 700
_RULES = 80


def bits_per_byte(run: Record) -> str:
    """The curve of training and validation, with what happened on the way, and its legend."""
    train, best = run.log.train(), run.log.best
    parts = [
        (Line(thinned(smoothed(train), _POINTS), "train"), "training, smoothed"),
        (Line(thinned(train, _POINTS), "raw", dots=True, fits=False), "single batches"),
        (Line(thinned(run.log.validation(), _POINTS), "val", dots=True), "validation"),
        (Line([(best.step, best.bpb)] if best else [], "best", dots=True), "best"),
    ]
    rules = _rules(run)
    words = {"ternary": "ternary weights set in", "skip": "update skipped", "back": "went back"}
    keys = [(line.style, name) for line, name in parts if line.points]
    keys += [(style, words[style]) for style in dict.fromkeys(rule.style for rule in rules)]
    drawn = chart([line for line, _ in parts], label="bits per byte over steps", rules=rules)
    legend = "".join(f'<span class="{style}">{name}</span>' for style, name in keys)
    return f'<div class="wide">{drawn}</div><p class="legend">{legend}</p>'


def course(run: Record) -> str:
    """Learning rate, norm of the gradient and speed, a small chart each."""
    steps = run.log.steps
    small = partial(chart, size=(270, 160))
    rate = [(step.step, step.learning_rate) for step in steps]
    norm = [(step.step, step.gradient_norm) for step in steps]
    speed = [(step.step, step.bytes_per_second) for step in steps]
    charts = {
        "learning rate": small(_line(rate), label="learning rate over steps", from_zero=True),
        "norm of the gradient": small(_line(norm), label="norm of the gradient over steps", logarithmic=True),
        "bytes a second": small(_line(speed), label="speed over steps", from_zero=True, words=scaled),
    }
    figures = (f"<figure><figcaption>{title}</figcaption>{drawn}</figure>" for title, drawn in charts.items())
    return f'<div class="three">{"".join(figures)}</div>'


def _line(points: Points) -> list[Line]:
    return [Line(thinned(points, _POINTS // 2), "train")]


def _rules(run: Record) -> list[Rule]:
    log = run.log
    rules = []
    if (first := log.quantized_from) is not None:
        rules.append(Rule(first, "ternary", f"ternary from step {first:,}"))
    rules += [Rule(s.step, "skip", f"step {s.step:,} skipped: {sanitize(s.reason)}") for s in log.skips]
    for back in log.returns:
        words = f"back from step {back.left:,} to {back.step:,}: {sanitize(back.reason)}"
        rules.append(Rule(back.step, "back", words))
    last = log.steps[-1].step if log.steps else 0
    return [rule for rule in rules if rule.x <= last][:_RULES]
