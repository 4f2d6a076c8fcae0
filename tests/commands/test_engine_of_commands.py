"""What computes a command's bytes and figures: the engine for packed checkpoints, or what was asked for."""

import json

import pytest
from engine_models import SHAPES, packed

from bbyte.cli import main
from bbyte.engine import core

native = pytest.mark.skipif(core.library() is None, reason="there is no native core here")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    root = tmp_path_factory.mktemp("models")
    packed(root / "ternary", SHAPES["grouped"])
    packed(root / "full", SHAPES["full"])
    (root / "text").write_bytes(b"the cat sat on the mat. " * 20)
    return root


def run(capfdbinary, *words):
    code = main([str(word) for word in words])
    out, err = capfdbinary.readouterr()
    return code, out, err.decode()


@native
def test_a_packed_checkpoint_is_computed_by_the_engine_and_says_so(folder, capfdbinary):
    code, out, said = run(capfdbinary, "generate", "--ckpt", folder / "ternary", "--max-new-tokens", 90)
    assert (code, len(out)) == (0, 90)
    assert "computed by the engine (" in said
    again = run(capfdbinary, "generate", "--ckpt", folder / "ternary", "--max-new-tokens", 90, "--threads", 1)
    assert again[1] == out
    assert "1 thread)" in again[2]
    by_twin = run(
        capfdbinary, "generate", "--ckpt", folder / "ternary", "--max-new-tokens", 90, "--engine", "numpy"
    )
    assert by_twin[1] == out
    assert "numpy, slowly" in by_twin[2]


@native
def test_a_sample_is_the_same_whatever_stands_beside_it(folder, capfdbinary):
    words = ("generate", "--ckpt", folder / "ternary", "--max-new-tokens", 90, "--seed", 7, "--no-echo")
    alone = run(capfdbinary, *words)[1]
    two, four = (
        json.loads(run(capfdbinary, *words, "--json", "--num-samples", count)[1])["samples"]
        for count in (2, 4)
    )
    assert bytes(two[0]["bytes"]) == alone
    assert two == four[:2]
    assert len({bytes(sample["bytes"]) for sample in four}) == 4


def test_torch_computes_where_it_is_asked_for(folder, capfdbinary):
    words = ("generate", "--ckpt", folder / "full", "--max-new-tokens", 5, "--engine", "torch")
    code, out, said = run(capfdbinary, *words)
    assert (code, len(out)) == (0, 5)
    assert "computed by" not in said


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (("--engine", "native", "--ckpt", "ternary-run"), "bbyte export packed"),
        (
            ("--engine", "native", "--device", "cuda", "--ckpt", "ternary"),
            "the engine does not compute on cuda",
        ),
    ],
)
def test_what_the_engine_cannot_do_is_one_sentence(folder, capfdbinary, monkeypatch, words, sentence):
    monkeypatch.chdir(folder)
    code, out, said = run(capfdbinary, "generate", *words)
    assert (code, out) == (2, b"")
    assert sentence in said
    assert "Traceback" not in said


def test_without_a_core_torch_computes_and_says_why(folder, capfdbinary, monkeypatch):
    monkeypatch.setattr(core, "missing", lambda: "bbyte was installed without a C compiler to build it")
    code, out, said = run(capfdbinary, "generate", "--ckpt", folder / "ternary", "--max-new-tokens", 5)
    assert (code, len(out)) == (0, 5)
    assert "so torch computes" in said


@native
def test_exact_scores_are_the_engines(folder, capfdbinary):
    words = ("eval-bpb", folder / "full", "--data", folder / "text", "--json")
    exact = json.loads(run(capfdbinary, *words, "--exact")[1])
    by_torch = json.loads(run(capfdbinary, *words, "--device", "cpu", "--precision", "fp32")[1])
    assert exact["precision"] == "exact"
    figures = [found["scores"][0]["bits_per_byte"] for found in (exact, by_torch)]
    assert figures[0] == pytest.approx(figures[1], abs=1e-3)
    assert exact["data"]["blake3"] == by_torch["data"]["blake3"]


@pytest.mark.parametrize("other", [("--device", "cuda"), ("--precision", "bf16"), ("--rates",)])
def test_exact_goes_with_no_other_way_to_compute(folder, capfdbinary, other):
    code, _, said = run(
        capfdbinary, "eval-bpb", folder / "full", "--data", folder / "text", "--exact", *other
    )
    assert code == 2
    assert f"{other[0]} does not go with --exact" in said
