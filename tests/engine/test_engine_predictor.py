"""The engine's predictor: the window of the torch one, the bytes of the numpy sampler, and no torch."""

import subprocess
import sys

import numpy as np
import pytest
from engine_models import SHAPES, packed

from bbyte.checkpoint import store
from bbyte.engine import core, weights
from bbyte.engine.predictor import EnginePredictor, NativePredictor, open_predictor
from bbyte.engine.streams import computed_by, open_streams
from bbyte.errors import BbyteError, UsageError
from bbyte.generation.sampling import Sampling
from bbyte.generation.stream import generate
from bbyte.models.families import family

CONTEXT = 64  # what `packed` writes
PROMPT = bytes(range(60, 100))
BY = [by for by in ("native", "numpy") if by == "numpy" or core.library() is not None]
SETTINGS = (
    Sampling(temperature=0),
    Sampling(seed=3, top_k=0, top_p=0.9),
    Sampling(temperature=1.3, min_p=0.01, repetition_penalty=1.2, penalty_window=17, seed=1 << 63),
    Sampling(temperature=2, top_k=0, utf8="valid"),
)


@pytest.fixture(scope="module")
def found(tmp_path_factory):
    folder = tmp_path_factory.mktemp("packed")
    return {name: packed(folder / name, SHAPES[name]) for name in ("full", "grouped", "mamba2")}


def text_by(predictor, n, sampling, prompt=PROMPT):
    return np.stack(list(generate(predictor, prompt, n, sampling)), axis=1)


@pytest.mark.parametrize("by", BY)
@pytest.mark.parametrize("name", ["full", "mamba2"])
def test_logits_are_those_of_the_torch_predictor_past_the_context_too(found, name, by):
    loaded = store.load(found[name])
    theirs = family(loaded.meta.family).predictor(loaded.model, CONTEXT, 2)
    ours, _ = open_predictor(found[name], 2, by=by)
    theirs.prime(PROMPT)
    ours.prime(PROMPT)
    dice = np.random.default_rng(0)
    for _ in range(2 * CONTEXT):
        # bf16 in the cache moves them a little; in a Mamba there is no cache
        np.testing.assert_allclose(ours.logits(), theirs.logits(), atol=0.06 if name == "full" else 0.05)
        drawn = dice.integers(0, 256, 2).astype(np.uint8)
        theirs.feed(drawn)
        ours.feed(drawn)


@pytest.mark.parametrize("name", ["full", "grouped", "mamba2"])
@pytest.mark.parametrize("sampling", SETTINGS)
def test_the_core_writes_what_the_numpy_sampler_draws_from_the_twin(found, name, sampling):
    if "native" not in BY:
        pytest.skip("there is no native core here")
    fast, streams = open_predictor(found[name], 3, threads=2)
    slow, _ = open_predictor(found[name], 3, by="numpy")
    assert isinstance(fast, NativePredictor)
    assert not hasattr(slow, "continue_")
    assert computed_by(streams).startswith("the engine (")
    expected = text_by(slow, 150, sampling)
    np.testing.assert_array_equal(text_by(fast, 150, sampling), expected)
    np.testing.assert_array_equal(fast.logits(), slow.logits())
    again = text_by(fast, 150, sampling)  # a second text begins anew
    np.testing.assert_array_equal(again, expected)


@pytest.mark.parametrize("by", BY)
def test_a_prompt_longer_than_the_context_is_what_byte_by_byte_comes_to(found, by):
    long = bytes(range(256)) * 2
    at_once, _ = open_predictor(found["grouped"], by=by)
    one_by_one, _ = open_predictor(found["grouped"], by=by)
    at_once.prime(long)
    for byte in long:
        one_by_one.feed(np.array([byte], np.uint8))
    np.testing.assert_array_equal(at_once.logits(), one_by_one.logits())


def test_valid_text_is_valid_up_to_its_last_character(found):
    fast, _ = open_predictor(found["grouped"], by=BY[0])
    for seed in range(5):
        sampling = Sampling(temperature=3, top_k=0, utf8="valid", seed=seed)
        text = text_by(fast, 200, sampling, b"abc")[0].tobytes()
        whole = text.decode("utf-8", "ignore").encode()  # without what is no character
        assert len(whole) >= 197
        assert text.startswith(whole)


@pytest.mark.parametrize("by", BY)
def test_a_model_that_diverged_gives_one_sentence(found, by, monkeypatch):
    def diverged(checkpoint):
        loaded = original(checkpoint)
        loaded.final_norm[:] = np.nan
        return loaded

    original = weights.load
    monkeypatch.setattr(weights, "load", diverged)
    predictor, _ = open_predictor(found["grouped"], by=by)
    with pytest.raises(BbyteError, match="gives no distribution for byte 40"):
        text_by(predictor, 3, Sampling())


def test_what_is_not_packed_is_refused_with_what_packs_it(found):
    run = found["grouped"].path.with_name("grouped-run")
    from bbyte.checkpoint.find import find

    with pytest.raises(UsageError, match="not packed") as refused:
        open_predictor(find(run))
    assert "bbyte export packed" in refused.value.hint


def test_full_precision_needs_no_packing(found):
    from bbyte.checkpoint.find import find

    predictor, _ = open_predictor(find(found["full"].path.with_name("full-run")), by="numpy")
    assert type(predictor) is EnginePredictor
    assert np.isfinite(predictor.logits()).all()


def test_opening_and_writing_imports_no_torch(found):
    program = (
        "import sys\nfrom pathlib import Path\nfrom bbyte.checkpoint.find import find\n"
        "from bbyte.engine.predictor import open_predictor\n"
        "from bbyte.generation.sampling import Sampling\nfrom bbyte.generation.stream import generate\n"
        f"predictor, _ = open_predictor(find(Path(sys.argv[1])), by={BY[0]!r})\n"
        "print(len(list(generate(predictor, b'a', 5, Sampling()))), 'torch' in sys.modules)"
    )
    command = [sys.executable, "-c", program, str(found["grouped"].path)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["5", "False"]


def test_streams_say_what_computes_them(found):
    assert "numpy" in computed_by(open_streams(found["full"], 1, 8, by="numpy"))
