"""The page in a browser: typing, looking, generating, infilling; what it may do, and what it never does."""

import re
import shutil
import time
from urllib.parse import urlsplit

import pytest
from engine_models import SHAPES, packed
from every_family import saved

pytest.importorskip("starlette")
pytest.importorskip("uvicorn")

from running_server import opened, running

from bbyte.analysis.characters import EDGES
from bbyte.analysis.theme import LEVELS, PAPER, ROLES
from bbyte.serving import page as page_file

FLAGS = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
START = "Once upon a time there was a little model that read one byte at a time. "


def test_it_is_small_and_asks_nobody_else():
    data = page_file.FILE.read_text("utf-8")
    assert len(data.encode()) < 60_000
    assert not re.findall(r"(?:src|href)=[\"']?(?!data:|[\"'])", data)
    assert re.findall(r"https?://[^\s'\"]+", data) == ["http://www.w3.org/2000/svg"]  # a name, no address
    assert not re.findall(
        r"innerHTML|outerHTML|insertAdjacent|document\.write|eval\(|\son\w+=\"|style=\"", data
    )


def test_its_policy_allows_its_own_script_and_nothing_else():
    _, policy = page_file.read()
    assert "default-src 'none'" in policy and "unsafe" not in policy
    assert len(re.findall(r"(script|style)-src 'sha256-[\w+/]{43}='(?=;)", policy)) == 2


def test_its_colours_are_those_of_the_pictures():
    data = page_file.FILE.read_text("utf-8")
    light, dark = re.findall(r":root\{(.*?)\}", data, re.DOTALL)
    used = {"paper": PAPER, **{f"h{number}": colour for number, colour in enumerate(LEVELS, 1)}}
    used |= {name: ROLES[name] for name in ("ink", "dim", "rule", "blue", "orange", "green", "red")}
    for name, colour in used.items():
        assert f"--{name}:{colour.light}" in light and f"--{name}:{colour.dark}" in dark, name
    assert f"EDGES = {list(EDGES)}" in data


@pytest.fixture(scope="module")
def browser():
    path = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if path is None:
        pytest.skip("there is no Chromium")
    playwright = pytest.importorskip("playwright.sync_api", reason="there is no playwright")
    with playwright.sync_playwright() as running_playwright:
        found = running_playwright.chromium.launch(executable_path=path, args=FLAGS)
        yield found
        found.close()


@pytest.fixture(scope="module")
def servers(tmp_path_factory):
    root = tmp_path_factory.mktemp("models")
    packed(root / "small", SHAPES["grouped"])
    holes = opened(saved(root / "holes", "diffusion", context=128))
    with (
        running(opened(root / "small"), with_page=True) as small,
        running(holes, with_page=True) as diffusion,
    ):
        yield {"ar": small, "diffusion": diffusion}


class Visit:
    """A page that is looked at: what it says on its console, and where it goes."""

    def __init__(self, browser, url, is_open=True, **settings):
        self.url, self.problems, self.asked = url, [], []
        self.context = browser.new_context(viewport={"width": 1200, "height": 800}, **settings)
        self.page = self.context.new_page()
        self.page.on("console", lambda message: self.problems.append(message.text))
        self.page.on("pageerror", lambda error: self.problems.append(str(error)))
        self.page.on("request", lambda request: self.asked.append(request.url))
        self.page.goto(url)
        if is_open:
            self.is_read()

    def until(self, holds):
        """Wait: the page's policy does not let playwright do that in the page."""
        end = time.monotonic() + 40
        while not self.page.evaluate(holds):
            assert time.monotonic() < end, f"{holds}: {self.page.inner_text('#status')} {self.problems}"
            time.sleep(0.03)

    def is_read(self):
        self.until("!running && after && costs.every(cost => cost && cost.top)")

    def text(self):
        return bytes(self.page.evaluate("doc"))

    def __enter__(self):
        return self

    def __exit__(self, *failure):
        self.context.close()
        if not failure[0]:
            assert self.problems == []
            places = {urlsplit(url).netloc for url in self.asked if not url.startswith("data:")}
            assert places == {urlsplit(self.url).netloc}


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_what_is_typed_is_read_and_coloured(browser, servers, tmp_path, theme):
    with Visit(browser, servers["ar"], color_scheme=theme) as visit:
        visit.page.keyboard.type("Né\n\tx\a\u200b🙂")
        visit.is_read()
        assert visit.text() == (START + "Né\n\tx\a\u200b🙂").encode()
        assert visit.page.inner_text("#bytes") == str(len(visit.text()))
        assert visit.page.evaluate("shown").endswith("Né\n\tx␇▯🙂")
        names = visit.page.evaluate("boxes.map(box => box.className).join(' ')")
        assert {"h4", "h5"} & set(names.split())  # random weights: nearly everything surprises
        paper = visit.page.evaluate("getComputedStyle(document.body).backgroundColor")
        colour = PAPER.light if theme == "light" else PAPER.dark
        assert paper == f"rgb({', '.join(str(int(colour[at : at + 2], 16)) for at in (1, 3, 5))})"
        picture = tmp_path / "page.png"
        visit.page.screenshot(path=picture)
        assert picture.stat().st_size > 10_000
        # Both layers of the text break their lines at the same places.
        sizes = visit.page.evaluate("[text.scrollHeight, text.clientHeight]")
        assert sizes[0] <= sizes[1]


def test_a_byte_that_is_pointed_at_tells_what_was_expected(browser, servers):
    with Visit(browser, servers["ar"]) as visit:
        assert visit.page.inner_text("#where") == "The next byte"
        box = visit.page.locator("#shown i").nth(5).bounding_box()
        visit.page.mouse.move(box["x"] + 2, box["y"] + 4)
        visit.until("document.getElementById('where').textContent === 'Byte 5'")
        assert visit.page.inner_text("#what").split() == ["u", "0x75"]
        rows = visit.page.locator("#likely li").all_inner_texts()
        assert len(rows) in (10, 11) and all(row.split()[-1].endswith("%") for row in rows)
        assert visit.page.locator("#likely li.hit").count() == 1
        visit.page.mouse.move(1, 1)
        visit.page.keyboard.press("Control+Home")
        visit.until("document.getElementById('where').textContent === 'Byte 0'")
        visit.page.keyboard.press("ArrowRight")
        visit.until("document.getElementById('where').textContent === 'Byte 1'")
        visit.until("document.getElementById('told').textContent.startsWith('byte 1, n, ')")


def test_each_byte_of_a_character_can_be_looked_at_by_keyboard(browser, servers):
    with Visit(browser, servers["ar"]) as visit:
        visit.page.keyboard.type("é")
        visit.is_read()
        visit.page.keyboard.press("ArrowLeft")
        visit.until("document.getElementById('parts').children.length === 2")
        visit.page.focus("#parts button:nth-child(2)")
        visit.page.keyboard.press("Enter")
        assert visit.page.inner_text("#where") == f"Byte {len(START) + 1}"
        assert visit.page.inner_text("#what").split() == ["é", "0xA9,", "2", "of", "2"]


def test_it_writes_from_the_cursor_and_stops(browser, servers):
    with Visit(browser, servers["ar"]) as visit:
        visit.page.fill("#seed", "4")
        visit.page.fill("#length", "50")
        visit.page.evaluate("text.focus(); text.setSelectionRange(4, 4)")
        visit.page.keyboard.press("Control+Enter")
        visit.until("doc.length === 122")
        visit.is_read()
        text = visit.text()
        assert text[:4] == b"Once" and text[54:] == START[4:].encode()
        visit.page.click("#undo")
        visit.is_read()
        assert visit.text() == START.encode()
        visit.page.evaluate("text.setSelectionRange(4, 4)")
        visit.page.click("#generate")
        visit.until("doc.length === 122 && !running")
        assert visit.text() == text  # the same seed
        visit.is_read()
        visit.page.fill("#length", "16384")
        visit.page.click("#generate")
        visit.until("doc.length > 130")
        visit.page.keyboard.press("Escape")
        visit.until("!running")
        assert 130 < len(visit.text()) < 16384


def test_what_the_server_refuses_is_said(browser, servers):
    with Visit(browser, servers["ar"]) as visit:
        visit.page.fill("#temperature", "-1")
        visit.page.click("#generate")
        visit.until("document.getElementById('status').className === 'bad'")
        assert "temperature -1" in visit.page.inner_text("#status")
        visit.problems[:] = [one for one in visit.problems if "400 (Bad Request)" not in one]
        assert visit.page.is_hidden("#infill")


def test_holes_open_and_fill(browser, servers):
    with Visit(browser, servers["diffusion"]) as visit:
        visit.page.fill("#seed", "2")
        visit.page.evaluate("text.focus(); text.setSelectionRange(10, 34)")
        visit.page.click("#infill")
        visit.until("doc.includes(256) && doc.slice(10, 34).some(byte => byte < 256)")
        assert "░" in visit.page.inner_text("#shown")
        visit.is_read()
        text = visit.text()
        assert text[:10] == START[:10].encode() and text[34:] == START[34:].encode()
        assert text[10:34] != START[10:34].encode()
        assert visit.page.evaluate("[text.selectionStart, text.selectionEnd]")[0] == 10
        visit.page.fill("#length", "10")
        visit.page.evaluate("text.setSelectionRange(shown.length, shown.length)")
        visit.page.click("#generate")
        visit.until(f"doc.length === {len(START) + 10} && !running")


def test_a_page_that_needs_a_key_asks_for_it(browser, tmp_path):
    packed(tmp_path / "small", SHAPES["grouped"])
    small = opened(tmp_path / "small")
    with running(small, with_page=True, key="sesame") as url, Visit(browser, url, is_open=False) as visit:
        visit.until("!document.getElementById('door').hidden")
        visit.page.fill("#key", "sesame")
        visit.page.keyboard.press("Enter")
        visit.is_read()
        visit.problems[:] = [one for one in visit.problems if "401 (Unauthorized)" not in one]


def test_on_a_narrow_screen_nothing_is_cut_off(browser, servers):
    with Visit(browser, servers["ar"]) as visit:
        visit.page.set_viewport_size({"width": 360, "height": 700})
        assert visit.page.evaluate("document.documentElement.scrollWidth") <= 360


def test_everything_that_takes_input_has_a_name(browser, servers):
    inputs = "[...document.querySelectorAll('input, select, textarea')]"
    with Visit(browser, servers["ar"]) as visit:
        assert all(visit.page.evaluate(f"{inputs}.map(one => one.labels.length || one.ariaLabel)"))
