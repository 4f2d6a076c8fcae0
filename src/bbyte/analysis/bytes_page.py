"""A text coloured by surprisal on a page that stands alone, light and dark, without scripts.

Whatever comes from a file is sanitised as for a terminal, and escaped.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from html import escape
from itertools import groupby

from bbyte.analysis import themed_svg
from bbyte.analysis.characters import PLAIN, Character, characters, level_names
from bbyte.analysis.costliest import Span
from bbyte.analysis.drawing import Drawing
from bbyte.analysis.surprisal import Surprisal
from bbyte.analysis.theme import LEVELS, PAPER, ROLES, picture_style
from bbyte.sanitize import sanitize, sanitize_bytes

_LONGEST = 160


def page(name: str, facts: Mapping[str, str], found: Surprisal, spans: Sequence[Span], chart: Drawing) -> str:
    """The page as text: facts, the course of entropy, the costliest spans, and the whole text."""
    title = _text(name)
    policy = "default-src 'none'; style-src 'unsafe-inline'"
    pairs = "".join(
        f"<div><dt>{_text(key)}</dt><dd>{_text(value)}</dd></div>" for key, value in facts.items()
    )
    keys = "".join(f'<span class="key h{level}">{words}</span>' for level, words in enumerate(level_names()))
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        f'<meta http-equiv="Content-Security-Policy" content="{policy}">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{title}</title><style>{style()}</style></head>\n<body><main><h1>{title}</h1>"
        f"<dl>{pairs}</dl>\n<section>{themed_svg.inline(chart)}</section>\n"
        f"{_table(found, spans)}<section><h2>The text</h2><p>bits of a character: {keys}</p>\n"
        f"<pre>{''.join(marked(characters(found.data, found.bits)))}</pre></section></main></body></html>\n"
    )


def marked(text: Iterable[Character]) -> Iterator[str]:
    """The characters as HTML; those of a level above 0 have words that appear when they are pointed at."""
    for level, some in groupby(text, key=lambda one: one.level):
        if level == 0:
            yield escape("".join(PLAIN.get(one.shown, one.shown) for one in some))
            continue
        for one in some:
            more = f" to {one.stop - 1:,}" if one.stop > one.start + 1 else ""
            title = f"{one.bits:.2f} bits, byte {one.start:,}{more}"
            yield f'<i class="h{level}" title="{title}">{escape(one.shown)}</i>'


def style() -> str:
    """The style sheet of the page."""
    return f"{_colours(0)}@media(prefers-color-scheme:dark){{{_colours(1)}}}{_LOOK}" + (
        themed_svg.font_style() + picture_style()
    )


def _colours(theme: int) -> str:
    names = {"paper": PAPER, "ink": ROLES["ink"], "dim": ROLES["dim"], "rule": ROLES["rule"]}
    variables = "".join(f"--{name}:{colour[theme]};" for name, colour in names.items())
    levels = "".join(f".h{n}{{background:{colour[theme]}}}" for n, colour in enumerate(LEVELS, 1))
    return f":root{{color-scheme:light dark;{variables}}}{levels}"


_LOOK = """
*{box-sizing:border-box}
body{margin:0;background:var(--paper);color:var(--ink);font:15px/1.5 system-ui,sans-serif}
main{max-width:900px;margin:0 auto;padding:32px 20px 64px}
h1{font-size:22px;margin:0 0 4px;overflow-wrap:anywhere}
h2{font-size:17px;margin:32px 0 8px}
p{margin:6px 0;color:var(--dim);font-size:13px}
dl{display:flex;flex-wrap:wrap;gap:10px 28px;margin:12px 0 20px}
dt{font-size:12px;color:var(--dim)}
dd{margin:0;font-weight:600;overflow-wrap:anywhere}
svg{display:block;width:100%;height:auto}
table{border-collapse:collapse;font-size:13px;width:100%}
th{text-align:left;font-weight:400;color:var(--dim)}
th,td{padding:3px 14px 3px 0;border-bottom:1px solid var(--rule);vertical-align:top}
.n{text-align:right;font-variant-numeric:tabular-nums;white-space:nowrap}
code,pre{font:13px/1.6 ui-monospace,'DejaVu Sans Mono',monospace;overflow-wrap:anywhere}
pre{margin:0;white-space:pre-wrap;tab-size:4}
i{font-style:normal;border-radius:2px}
.key{color:var(--ink);padding:1px 8px;margin-right:6px;border-radius:3px;white-space:nowrap}
.h5{font-weight:600}
""".strip()


def _table(found: Surprisal, spans: Sequence[Span]) -> str:
    if not spans:
        return ""
    rows = "".join(
        f'<tr><td class="n">{span.start:,}</td><td class="n">{span.stop - span.start:,}</td>'
        f'<td class="n">{span.bits:.1f}</td><td class="n">{span.bits / (span.stop - span.start):.2f}</td>'
        f"<td><code>{escape(span_text(found.data, span))}</code></td></tr>"
        for span in spans
    )
    heads = "".join(f'<th class="n">{name}</th>' for name in ("at byte", "bytes", "bits", "bits a byte"))
    return (
        f"<section><h2>The costliest spans</h2><table><tr>{heads}<th>text</th></tr>{rows}</table>"
        "<p>Those that cost most beyond the mean and one standard deviation of a byte.</p></section>\n"
    )


def span_text(data: bytes, span: Span, most: int = _LONGEST) -> str:
    """The text of a span on one line, sanitised; of a long one the beginning."""
    some = data[span.start : min(span.stop, span.start + 4 * most)]
    words = sanitize_bytes(some).replace("\n", "↵").replace("\t", "→")
    return words if len(words) <= most else words[: most - 1] + "…"


def _text(value: str) -> str:
    return escape(sanitize(value[:_LONGEST].replace("\n", " ").replace("\t", " ")))
