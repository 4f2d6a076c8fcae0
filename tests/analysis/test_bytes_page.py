"""The page of a coloured text: hostile bytes do no harm, and every byte is on it."""

import html
import re
from html.parser import HTMLParser

import numpy as np
import pytest
from next_byte_views import Uniform

from bbyte.analysis import bytes_page, entropy_picture, scorers
from bbyte.analysis.characters import characters
from bbyte.analysis.costliest import Span, costliest
from bbyte.analysis.surprisal import surprisal

EVIL = b"<script>alert(1)</script>&amp;<img src=x onerror=y>\"'\x1b]0;x\x07\xff\xfe\xe2\x80\xae\r\n\ttail"


class Tags(HTMLParser):
    """Collects tags, their attributes, and the text of <pre>."""

    def __init__(self):
        super().__init__()
        self.tags, self.attributes, self.text, self.inside = set(), set(), "", False

    def handle_starttag(self, tag, attrs):
        self.tags.add(tag)
        self.attributes |= {name for name, _ in attrs}
        self.inside = self.inside or tag == "pre"

    def handle_endtag(self, tag):
        self.inside = self.inside and tag != "pre"

    def handle_data(self, data):
        self.text += data if self.inside else ""


def page(data, name="x"):
    found = surprisal(data, scorers.stepped(Uniform(), 16))
    spans = [Span(0, len(data), 8.0 * len(data), 1.0)]
    chart = entropy_picture.drawing(found, name, "below")
    return bytes_page.page(name, {"model": name}, found, spans, chart)


def test_hostile_bytes_are_shown_and_never_obeyed():
    text = page(EVIL, EVIL.decode("utf-8", "surrogateescape"))
    tags = Tags()
    tags.feed(text)
    assert not tags.tags & {"script", "img", "link", "iframe", "object", "base", "a", "form"}
    assert not [name for name in tags.attributes if name.startswith("on") or name in ("src", "href")]
    assert not re.search("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202e\ud800-\udfff]", text)
    assert "default-src 'none'" in text and "prefers-color-scheme:dark" in text
    text.encode("utf-8")


def test_the_whole_text_is_there():
    tags = Tags()
    tags.feed(page(EVIL))
    expected = "".join(one.shown for one in characters(EVIL, np.full(len(EVIL), 8.0)))
    assert tags.text == expected


def test_cheap_text_is_plain_and_dear_text_says_what_it_cost():
    data = b"ab\nc<"
    marks = "".join(bytes_page.marked(characters(data, np.array([0.1, 2.5, 0.2, 0.1, 9]))))
    assert marks == (
        'a<i class="h2" title="2.50 bits, byte 1">b</i>\nc<i class="h5" title="9.00 bits, byte 4">&lt;</i>'
    )
    assert "".join(bytes_page.marked(characters(b"<b>&", np.zeros(4)))) == "&lt;b&gt;&amp;"
    wide = "".join(bytes_page.marked(characters("é".encode(), np.array([3.0, 3.0]))))
    assert 'title="6.00 bits, byte 0 to 1"' in wide


def test_the_text_of_a_span_is_one_short_line():
    data = b"a\n\tb" + b"x" * 1000
    line = bytes_page.span_text(data, Span(0, len(data), 1.0, 1.0), 48)
    assert line.startswith("a↵→bxx") and len(line) == 48 and line.endswith("…")


def test_the_chart_shows_bits_and_entropy():
    found = surprisal(b"abc" * 500, scorers.stepped(Uniform(), 16))
    picture = entropy_picture.drawing(found, "t", "b")
    titles = [shape.title for shape in picture.shapes if getattr(shape, "title", "")]
    assert len(titles) == 300 and titles[0] == "bytes 0 to 4: 8.00 bits each"
    assert all("nan" not in str(shape) for shape in picture.shapes)


@pytest.mark.parametrize("data", [b"\x00", b"a\n"])
def test_the_shortest_texts(data):
    assert costliest(data, np.full(len(data), 8.0), 3) == []
    assert html.escape("bits of a character") in page(data)
