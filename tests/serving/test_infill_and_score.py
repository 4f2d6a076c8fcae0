"""Filling holes and scoring over HTTP give what the library gives."""

import json

import numpy as np
import pytest
from every_family import saved

pytest.importorskip("starlette")
pytest.importorskip("uvicorn")

from running_server import Counting, call, of_predictor, opened

from bbyte.analysis.surprisal import surprisal
from bbyte.cli import main
from bbyte.generation.surprise import surprises
from bbyte.serving.app import application
from bbyte.serving.limits import Limits
from bbyte.serving.work import Work


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    root = tmp_path_factory.mktemp("runs")
    return {name: saved(root / name, name) for name in ("ar", "mamba", "diffusion")}


@pytest.fixture(scope="module")
def models(folders):
    return {name: opened(folder) for name, folder in folders.items()}


def asked(model, path, limits=None, **fields):
    limits = limits or Limits()
    app = application(model, Work(2), limits)
    status, told, body = call(app, path=path, body=json.dumps(fields).encode())
    if told["content-type"].startswith("text/event-stream"):
        *events, last = body.decode().removesuffix("\n\n").split("\n\n")
        assert last == "data: [DONE]"
        return status, [json.loads(event.removeprefix("data: ")) for event in events]
    return status, json.loads(body)


TEXT = "A café, and 🙂 byte by byte"


@pytest.mark.parametrize("name", ["ar", "mamba", "diffusion"])
def test_scores_are_those_of_the_library(models, name):
    model, data = models[name], TEXT.encode()
    status, found = asked(model, "/score", prompt=TEXT, top=3)
    assert (status, found["bytes"]) == (200, len(data))
    if model.scorer is None:
        known = list(surprises(model.predictor(), data))
        bits, entropy = [one.bits for one in known], [one.entropy for one in known]
        assert [some[0] for some in found["likeliest"]] == [one.likeliest for one in known]
    else:
        known = surprisal(data, model.scorer)
        bits, entropy = known.bits, known.entropy
    np.testing.assert_allclose(found["bits"], bits, atol=1e-4)
    np.testing.assert_allclose(found["entropy"], entropy, atol=1e-4)
    assert found["bits_per_byte"] == pytest.approx(np.mean(bits))
    assert {len(some) for some in (*found["likeliest"], *found["probabilities"])} == {3}
    for values in (*found["probabilities"], found["next"]["probabilities"]):
        assert values == sorted(values, reverse=True)


@pytest.mark.parametrize("name", ["ar", "diffusion"])
def test_scores_from_a_place_on_and_as_they_come(models, name):
    whole = asked(models[name], "/score", prompt=TEXT, top=2)[1]
    *parts, last = asked(models[name], "/score", prompt=TEXT, top=2, start=7, stream=True)[1]
    assert last["next"] == whole["next"] and last["bytes"] == len(TEXT.encode()) - 7
    assert [part["start"] for part in parts] == (list(range(7, 30)) if name == "diffusion" else [7])
    for figure in ("bits", "entropy", "likeliest"):
        assert [one for part in parts for one in part[figure]] == whole[figure][7:]


def test_nothing_to_score_has_a_next_byte_all_the_same(models):
    found = asked(models["ar"], "/score", prompt="")[1]
    assert found["bits_per_byte"] is None and found["bits"] == []
    assert len(found["next"]["likeliest"]) == 10
    assert asked(models["ar"], "/score", prompt="abc", start=3)[1]["bits"] == []


def test_holes_are_filled_as_by_bbyte_infill(models, folders, capfdbinary):
    words = ("--prompt", "Once [MASK*9] a [MASK]t", "--seed=3", "--num-samples=2", "--json", "-q")
    assert main(["infill", "--ckpt", str(folders["diffusion"]), *words]) == 0
    known = json.loads(capfdbinary.readouterr().out)
    status, found = asked(models["diffusion"], "/infill", prompt="Once [MASK*9] a [MASK]t", seed=3, n=2)
    assert status == 200
    assert found["holes"] == known["holes"] == [[5, 14], [17, 18]]
    assert [choice["token_ids"] for choice in found["choices"]] == [one["bytes"] for one in known["samples"]]
    assert found["usage"]["hidden"] == 20
    again = asked(models["diffusion"], "/infill", prompt="Once 123456789 a 1t", seed=3, n=2,
                  holes=[[5, 14], [17, 18]])[1]  # fmt: skip
    assert again["choices"] == found["choices"]


@pytest.mark.parametrize("remask", [False, True])
def test_the_steps_of_a_filling_lead_to_its_result(models, remask):
    fields = {"prompt": [65] * 30, "holes": [[4, 14]], "seed": 1, "n": 2, "steps": 5, "remask": remask}
    *steps, last = asked(models["diffusion"], "/infill", stream=True, **fields)[1]
    texts = np.full((2, 30), 65)
    texts[:, 4:14] = 256
    for step in steps:
        for lane, place, value in step["changed"]:
            texts[lane, place] = value
        assert (texts == 256).sum() == step["total"] - step["done"]
    assert texts.tolist() == [choice["token_ids"] for choice in last["choices"]]
    assert len(steps) == last["usage"]["passes"] == 5


@pytest.mark.parametrize(
    ("fields", "sentence"),
    [
        ({"prompt": "no hole"}, "the text has no hole to fill"),
        ({"prompt": "a [MASK*x] b"}, "[MASK*x] is no hole"),
        ({"prompt": "a [MASK*99999] b"}, "more than 65536 bytes are hidden"),
        ({"prompt": "abc", "holes": [[2, 5]]}, "the hole [2, 5] is none of a text of 3 bytes"),
        ({"prompt": "abc", "holes": [[1, 1]]}, "the hole [1, 1] is none"),
        ({"prompt": "abc", "holes": "1:2"}, "holes are lists of two places"),
        ({"prompt": "abc", "holes": [[1, True]]}, "holes are lists of two places"),
        ({"prompt": "a[MASK]", "order": "none"}, "order is 'none', expected one of"),
        ({"prompt": "a[MASK]", "steps": 0}, "steps 0 is not at least 1"),
        ({"prompt": "a[MASK]", "n": 99}, "n is 99, and at most 16 texts"),
        ({"prompt": "a[MASK]", "max_tokens": 3}, "unknown field 'max_tokens'"),
    ],
)
def test_holes_that_cannot_be_filled(models, fields, sentence):
    status, found = asked(models["diffusion"], "/infill", **fields)
    assert status == 400
    assert sentence in found["error"]["message"]


def test_a_model_that_fills_none_says_who_does(models):
    status, found = asked(models["ar"], "/infill", prompt="a[MASK]")
    assert status == 400
    assert found["error"]["message"].endswith(
        "is of family ar, which cannot fill holes: serve one of family diffusion"
    )


@pytest.mark.parametrize(
    ("fields", "sentence"),
    [
        ({"prompt": "a", "top": 21}, "top 21 is not between 0 and 20"),
        ({"prompt": "a", "start": -1}, "start -1 is negative"),
        ({"prompt": "a", "n": 1}, "unknown field 'n'"),
        ({"prompt": 3}, "prompt is neither text nor a list of bytes"),
        ({"prompt": "\ud800"}, "half a surrogate pair"),
    ],
)
def test_scores_that_are_not_given(models, fields, sentence):
    status, found = asked(models["ar"], "/score", **fields)
    assert status == 400 and sentence in found["error"]["message"]


def test_a_model_that_has_diverged_is_the_servers_fault():
    class Diverged(Counting):
        def logits(self):
            return np.full((1, 256), np.nan, np.float32)

    for path, fields in (("/v1/completions", {"prompt": "a"}), ("/score", {"prompt": "a"})):
        status, found = asked(of_predictor(Diverged), path, **fields)
        assert status == 500, found
