"""The page about a run: whole, alone, small, and safe whatever its files hold."""

import json
import re
from html.parser import HTMLParser

import pytest
from written_run import bpb, row, validation, write

from bbyte.anchors import Anchor
from bbyte.report import page, rivals, samples
from bbyte.report.rivals import Rivals
from bbyte.report.samples import Sample

EVIL = "<script>alert(1)</script>\"'&\x00\x1b[31m\u202e\u200b\U000e0041</style><!--"
VOID = {"meta", "br", "path"}


class Parsed(HTMLParser):
    """Checks that tags close in order, and collects words and attributes."""

    def __init__(self, text):
        super().__init__()
        self.open, self.tags, self.attributes, self.words = [], [], [], []
        self.feed(text)
        self.close()
        assert not self.open

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.attributes += attrs
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.tags.append(tag)
        self.attributes += attrs

    def handle_endtag(self, tag):
        if tag not in VOID and tag != "li":
            while self.open[-1] == "li":
                self.open.pop()
            assert self.open.pop() == tag

    def handle_data(self, data):
        self.words.append(data)

    @property
    def text(self):
        return " ".join(" ".join(self.words).split())


def written(folder):
    text = page.write(folder).read_text("utf-8")
    return text, Parsed(text)


@pytest.fixture
def folder(tmp_path):
    return write(tmp_path / "my-run")


def test_it_tells_of_the_run(folder):
    samples.append(folder, Sample(100, b"Once ", b"upon a <time>"))
    found = (Anchor("gzip -9", 2.9, False, 0.1), Anchor("xz -9e", 1.9, True, 1.0))
    rivals.write(folder, Rivals(5000, 4000, found))
    _, parsed = written(folder)
    best = bpb(200) + 0.1
    for words in (
        "my-run", "finished at step 200 of 200", f"{best:.3f} bpb", "ar 1.2 k parameters", "tales.txt",
        "200 kB",
        "step 100", "Once upon a <time>", "gzip -9", "2.900", "xz -9e, primed", "same 5,000 validation bytes",
        "last 4,000 bytes of the training text", "optimizer", "muon", "torch", "learning rate",
        f"this model at step 200, context 64 {best:.3f}", "ternary weights set in",
    ):  # fmt: skip
        assert words in parsed.text.replace("Once  upon", "Once upon"), words
    assert parsed.tags.count("svg") == 4
    assert (
        parsed.text.index("xz -9e, primed") < parsed.text.index("this model") < parsed.text.index("gzip -9")
    )


def test_it_asks_for_nothing_from_elsewhere_and_runs_nothing(folder):
    text, parsed = written(folder)
    assert not re.search(r"https?:|//|@import|url\(|src=|href=", text)
    assert not {"script", "link", "iframe", "img", "object"} & set(parsed.tags)
    assert ("content", "default-src 'none'; style-src 'unsafe-inline'") in parsed.attributes
    assert "prefers-color-scheme:dark" in text


def test_what_happened_is_told_and_marked(tmp_path):
    log = [row(step, 100) for step in (10, 20, 30)]
    log += [{"step": 28, "skipped": "gradient not finite", "samples": [128, 131]}]
    log += [{"step": 20, "went_back_from": 40, "reason": "the loss was too high"}, row(30, 100)]
    text, parsed = written(write(tmp_path / "run", steps=100, log=log, checkpoints=(20,)))
    assert "interrupted at step 30 of 100" in parsed.text
    assert "step 28 was skipped: gradient not finite (samples 128 to 131)" in parsed.text
    assert "back from step 40 to 20: the loss was too high" in parsed.text
    assert text.count('class="back"') == text.count('class="skip"') == 2  # the line and its key


def test_nothing_from_a_file_is_obeyed(tmp_path):
    name = "evil <i>" + EVIL.replace("/", "|").replace("\x00", "")
    log = [row(10, 20), validation(10), row(20, 20), {"step": 15, "skipped": EVIL, "samples": None}]
    log += [{"step": 20, "went_back_from": 20, "reason": EVIL}]
    folder = write(tmp_path / name, steps=20, log=log, data=EVIL, note=EVIL, checkpoints=(20,))
    (folder / "env.json").write_text(json.dumps({EVIL: EVIL, "versions": {EVIL: EVIL}}))
    (folder / "step-0000020" / "checkpoint.json").write_text(EVIL)
    samples.append(folder, Sample(20, EVIL.encode(), b"\xff\xfe\x00<b>" + EVIL.encode()))
    rivals.write(folder, Rivals(10, 5, (Anchor(EVIL, 2.0, True, 0.0),)))
    text, parsed = written(folder)
    assert set(parsed.tags) <= {
        "html", "head", "meta", "title", "style", "body", "main", "header", "h1", "h2", "h3", "p", "span",
        "dl", "div", "dt", "dd", "section", "article", "pre", "b", "table", "caption", "tr", "th", "td", "i",
        "ul", "li", "svg", "path", "text", "figure", "figcaption",
    }  # fmt: skip
    assert not [character for character in text if character in "\x00\x1b\u202e\u200b\U000e0041"]
    assert not [name for name, _ in parsed.attributes if name.startswith("on")]
    assert text.count("<style>") == text.count("</style>") == 1
    assert parsed.text.count("<script>alert(1)<") >= 9


def test_it_stays_small_whatever_the_run(tmp_path):
    log = [row(step, 20_000) for step in range(1, 20_001)]
    log += [{"step": step, "skipped": "x" * 10_000, "samples": [1, 2]} for step in range(1, 3000)]
    log += [{"step": 20_000, "went_back_from": 20_000, "reason": "<" * 400}] * 500
    log += [validation(20_000)] * 3000
    folder = write(
        tmp_path / "run", steps=20_000, log=log, checkpoints=(), **{f"key{n}": "&" * 900 for n in range(900)}
    )
    for step in range(1, 40):
        samples.append(folder, Sample(step, b"\x00" * 48, b"\x01\xe2\x80\xae" * 300))
    text, _ = written(folder)
    assert len(text.encode()) < 300_000


@pytest.mark.parametrize("name", ["metrics.jsonl", "config.toml", "env.json"])
def test_a_run_that_is_damaged_or_has_just_begun_has_a_page_too(folder, name):
    (folder / name).unlink()
    (folder / "anchors.json").write_text("[]")
    (folder / "samples.jsonl").write_text('nonsense\n{"step": 1}\n{"step": "1", "prompt": "", "text": ""}\n')
    _, parsed = written(folder)
    assert ("it is missing" in parsed.text) == (name != "metrics.jsonl")


def test_a_bound_is_shown_as_one(tmp_path):
    log = [row(10, 10), validation(10, is_bound=True)]
    folder = write(tmp_path / "run", steps=10, log=log, checkpoints=(10,))
    rivals.write(folder, Rivals(10, 0, (Anchor("gzip -9", 2.0, False, 0.0),)))
    _, parsed = written(folder)
    assert parsed.text.count(f"<= {bpb(10) + 0.1:.3f}") == 3


def test_samples_keep_any_bytes_and_the_newest_course(tmp_path):
    every = bytes(range(256))
    for step in (10, 20, 30):
        samples.append(tmp_path, Sample(step, every, every[::-1]))
    samples.append(tmp_path, Sample(20, b"again", b""))
    assert samples.read(tmp_path) == [Sample(10, every, every[::-1]), Sample(20, b"again", b"")]
    samples.forget_after(tmp_path, 15)
    assert [sample.step for sample in samples.read(tmp_path)] == [10]


@pytest.mark.parametrize(
    "content",
    ["", "null", "{}", '{"bytes": 1, "primed_with": 0, "anchors": [{}]}', "[" * 9999,
     '{"bytes": 1, "primed_with": 0, "anchors": [{"name": "x", "bits_per_byte": 1e999, "primed": 0, '
     '"seconds": 0}]}',
     '{"bytes": 1e999, "primed_with": 0, "anchors": []}'],
)  # fmt: skip
def test_anchors_that_cannot_be_read_are_none(tmp_path, content):
    (tmp_path / "anchors.json").write_text(content)
    assert rivals.read(tmp_path) is None


def test_torch_is_not_needed(folder):
    import subprocess
    import sys

    code = "import sys; from pathlib import Path; from bbyte.report import page\n"
    code += f"page.write(Path({str(folder)!r}))\n"
    code += "sys.exit('torch' in sys.modules or 'matplotlib' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0
