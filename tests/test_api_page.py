"""docs/api.md is true: its examples give what it says they give, and no public name is missing."""

import doctest
import re
from pathlib import Path

import pytest

import bbyte

PAGE = Path(__file__).parents[1] / "docs" / "api.md"
TEXT = PAGE.read_text("utf-8")
EXAMPLES = doctest.DocTestParser().parse(TEXT.replace("```", ""), str(PAGE))


def test_the_examples_give_what_the_page_says(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    code = re.sub(r"^```.*$", "", TEXT, flags=re.MULTILINE)  # a fence would count as expected output
    page = doctest.DocTestParser().get_doctest(code, {}, "api.md", str(PAGE), 0)
    told: list[str] = []
    doctest.DocTestRunner(verbose=False).run(page, out=told.append)
    assert not told, "".join(told)


@pytest.mark.parametrize("name", bbyte.__all__)
def test_every_public_name_has_an_example(name):
    code = "".join(part.source for part in EXAMPLES if isinstance(part, doctest.Example))
    assert re.search(rf"\bbbyte\.{name}\b", code), f"docs/api.md shows no example of bbyte.{name}"


def test_its_links_lead_somewhere():
    headings = {
        re.sub(r"[^a-z -]", "", line[3:].lower()).replace(" ", "-")
        for line in TEXT.splitlines()
        if line.startswith("## ")
    }
    for target in re.findall(r"\]\(([^)]+)\)", TEXT):
        assert target[1:] in headings if target.startswith("#") else (PAGE.parent / target).exists(), target
