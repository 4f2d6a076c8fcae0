"""bbyte plot bytes, next, embeddings, attention and weights, as they are typed."""

import json
import re
import subprocess
import sys
from xml.etree import ElementTree

import pytest
from engine_models import SHAPES, packed
from real_terminal import seen_on_terminal

from bbyte.checkpoint.find import find
from bbyte.cli import main
from bbyte.evaluation import InMemory
from bbyte.exact_scoring import score_exactly

TEXT = b"The cat sat on the mat.\n" * 8 + b"\x1b]0;evil\x07\xff\xe2\x80\xae<script>"
PLOTS = "artifacts/plots"
HERE = ("--engine", "numpy")


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    root = tmp_path_factory.mktemp("models")
    for name, shape in {"ternary": "grouped", "full": "full", "mamba": "mamba2_full"}.items():
        packed(root / name, SHAPES[shape])
    return root


@pytest.fixture
def place(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "text.txt").write_bytes(TEXT)
    return tmp_path


def said(capfd, *words, code=0):
    assert main(["plot", *map(str, words)]) == code
    return capfd.readouterr()


def well_formed(path):
    return ElementTree.fromstring(path.read_text("utf-8"))  # noqa: S314 - our own


def test_bytes_make_a_page_and_a_table(place, models, capfd):
    shown = said(capfd, "bytes", "text.txt", "--ckpt", models / "ternary", *HERE)
    page = (place / PLOTS / "text.txt-ternary.html").read_text("utf-8")
    assert "<script>" not in page and "&lt;script&gt;" in re.sub(r"</?i[^>]*>", "", page)
    exact = score_exactly(find(models / "ternary"), InMemory(TEXT), context=64, by="numpy")
    assert f"bits per byte {exact.bits_per_byte:.3f}" in shown.out
    assert "costliest spans" in shown.out and "only the first" not in shown.err
    assert f"drawn {PLOTS}/text.txt-ternary.html" in shown.err


def test_the_beginning_of_a_long_file(place, models, capfd):
    words = ("bytes", "text.txt", "--ckpt", models / "full", *HERE, "--max-bytes", 50, "--json")
    shown = said(capfd, *words)
    found = json.loads(shown.out)
    assert "only the first 50 bytes of text.txt" in shown.err
    assert (found["bytes"], found["whole"], found["file"]) == (50, False, None)
    assert sum(found["bits"]) == pytest.approx(50 * found["bits_per_byte"], rel=1e-5)
    assert len(found["entropy"]) == 50 and not (place / PLOTS).exists()


@pytest.mark.parametrize("ending", ["svg", "png"])
def test_the_curve_alone(place, models, capfd, ending):
    if ending == "png":
        pytest.importorskip("matplotlib")
    said(capfd, "bytes", "text.txt", "--ckpt", models / "full", *HERE, "--out", f"x.{ending}")
    assert (place / f"x.{ending}").stat().st_size > 1000


def test_on_a_terminal_the_text_is_coloured_and_tame(place, models):
    code = (
        f"from bbyte.cli import main; main(['plot', 'bytes', 'text.txt', '--ckpt', {str(models / 'full')!r}])"
    )
    seen = seen_on_terminal(code, {"COLORTERM": "truecolor"})
    body = seen[seen.rindex("0:00:00") :] if "0:00:00" in seen else seen
    assert "48;2;" in body and "8 and more" in body
    bare = re.sub(r"\x1b\[[\d;?]*[a-zA-Z]", "", body)
    assert not re.search("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u202e]", bare)
    assert "␛]0;evil␇\ufffd\\u{202e}<script>" in bare


def test_the_text_where_it_is_asked_for(place, models, capfd):
    words = ("bytes", "text.txt", "--ckpt", models / "full", *HERE, "--spans", 0)
    assert "The cat sat" not in said(capfd, *words).out
    shown = said(capfd, *words, "--terminal", "--force").out
    assert "The cat sat" in re.sub("[↵→]", "", shown) and "costliest" not in shown


def test_next_shows_the_likeliest(place, models, capfd):
    words = ("next", "--prompt", "The c", "--ckpt", models / "mamba", *HERE, "--top", 5)
    shown = said(capfd, *words)
    lines = shown.out.splitlines()
    assert len(lines) == 8 and "the other 251 bytes" in lines[-1]
    well_formed(place / PLOTS / "mamba-next-The_c.svg")
    found = json.loads(said(capfd, *words, "--json").out)
    assert len(found["bytes"]) == 5 and found["prompt"] == "The c"
    assert f"0x{found['bytes'][0]['byte']:02X}" in lines[2]
    assert found["bytes"][0]["probability"] >= found["bytes"][1]["probability"]


def test_embeddings(place, models, capfd):
    shown = said(capfd, "embeddings", "--ckpt", models / "full", "--across", 2, "--up", 3)
    assert "components 2 and 3 hold" in shown.out
    assert len(list(well_formed(place / PLOTS / "full-embeddings-2_3.svg").iter())) > 500
    found = json.loads(said(capfd, "embeddings", "--ckpt", models / "full", "--json").out)
    assert len(found["bytes"]) == 256 and found["bytes"][65]["kind"] == "upper-case letter"


def test_attention(place, models, capfd):
    words = ("attention", "--prompt", "The cat", "--ckpt", models / "ternary")
    assert len(said(capfd, *words).out.splitlines()) == 2 + 2 * 4
    well_formed(place / PLOTS / "ternary-attention-The_cat.svg")
    found = json.loads(said(capfd, *words, "--layer", 1, "--head", 0, "--json").out)
    assert len(found["heads"]) == 1 and len(found["map"]) == 8
    assert sum(found["map"][5]) == pytest.approx(1, abs=1e-5)


def test_weights(place, models, capfd):
    shown = said(capfd, "weights", "--ckpt", models / "ternary")
    assert [line.split()[0] for line in shown.out.splitlines()[2:]] == ["layer", "layer"]
    well_formed(place / PLOTS / "ternary-weights.svg")
    found = json.loads(said(capfd, "weights", "--ckpt", models / "ternary", "--json").out)
    assert all(one["minus"] + one["zero"] + one["plus"] == one["size"] for one in found["ternary"])
    run = models / "full-run"
    assert "root mean square" in said(capfd, "weights", "--ckpt", run).out
    assert (place / PLOTS / "full_run_step_0000001-weights.svg").exists()


@pytest.mark.parametrize(
    ("words", "message", "code"),
    [
        (["bytes", "nothing.txt"], "nothing.txt: No such file", 1), (["bytes", "."], "is a folder", 2),
        (["bytes", "empty"], "is empty", 3), (["bytes", "text.txt", "--out", "x.pdf"], "does not end in", 2),
        (["embeddings", "--out", "text.txt"], "does not end in", 2),
        (["embeddings", "--across", "900"], "no components", 2),
        (["attention", "--prompt", "a"], "has no attention", 2),
        (["next", "--top", "257"], "at most 256", 2),
        (["weights", "--out", "there.svg"], "is there already", 2),
    ],
)  # fmt: skip
def test_what_cannot_be_drawn_is_said(place, models, capfd, words, message, code):
    (place / "empty").touch()
    (place / "there.svg").write_text("mine")
    assert message in said(capfd, *words, "--ckpt", models / "mamba", code=code).err
    assert (place / "there.svg").read_text() == "mine"


def test_force_draws_anew(place, models, capfd):
    words = ("weights", "--ckpt", models / "ternary")
    said(capfd, *words)
    assert "--force replaces it" in said(capfd, *words, code=2).err
    said(capfd, *words, "--force")


@pytest.mark.parametrize(
    "words", [["weights"], ["embeddings"], ["next", *HERE], ["bytes", "text.txt", *HERE]], ids=lambda w: w[0]
)
def test_of_packed_checkpoints_nothing_loads_torch(place, models, words):
    given = ["plot", *words, "--ckpt", str(models / "ternary")]
    code = f"import sys; from bbyte.cli import main; sys.exit(main({given!r}) or 'torch' in sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, cwd=place)
