"""The next-byte view: the same logits however the bytes come, and what happens past the context."""

import numpy as np
import pytest
import torch

from bbyte.models.ar.config import ARConfig
from bbyte.models.ar.model import BitByteLM
from bbyte.models.ar.predictor import CachedPredictor

CONTEXT = 32
CLOSE = {"rtol": 1e-5, "atol": 1e-4}


@pytest.fixture(params=[True, False], ids=["ternary", "full"])
def model(request):
    config = ARConfig(
        n_layer=2, d_model=32, n_head=4, n_kv_head=2, d_ff=64, ternary=request.param, act_quant=False
    )
    model = BitByteLM(config)
    generator = torch.Generator().manual_seed(3)
    for name, parameter in model.named_parameters():
        values = torch.randn(parameter.shape, generator=generator)
        parameter.data = 1 + 0.2 * values if "norm" in name else values / parameter.shape[-1] ** 0.5
    return model.eval()


def text(length, seed=0):
    return np.random.default_rng(seed).integers(0, 256, length, np.uint8)


def stepped(model, data, lanes=1, context=CONTEXT):
    """A predictor that was fed `data` byte by byte, the same to every lane."""
    predictor = CachedPredictor(model, context, lanes)
    for byte in data:
        predictor.feed(np.full(lanes, byte, np.uint8))
    return predictor


def full_logits(model, data):
    """Logits after all of `data`, read at once as a document."""
    with torch.no_grad():
        tokens = torch.from_numpy(np.concatenate([[0], data]).astype(np.uint8))
        return model(tokens[None])[0, -1].numpy()


def test_a_fresh_predictor_has_seen_the_begin_of_a_document(model):
    found = CachedPredictor(model, CONTEXT, 2).logits()
    assert found.shape == (2, 256) and found.dtype == np.float32
    np.testing.assert_allclose(found[0], full_logits(model, np.empty(0, np.uint8)), **CLOSE)


def test_step_by_step_it_gives_what_the_model_gives_at_once(model):
    data, predictor = text(CONTEXT - 1), CachedPredictor(model, CONTEXT)
    for n, byte in enumerate(data):
        np.testing.assert_allclose(predictor.logits()[0], full_logits(model, data[:n]), **CLOSE)
        predictor.feed(np.array([byte]))
    np.testing.assert_allclose(predictor.logits()[0], full_logits(model, data), **CLOSE)


@pytest.mark.parametrize("size", [1, 7, 31])
def test_blocks_give_what_single_bytes_give(model, size):
    data, predictor = text(31), CachedPredictor(model, CONTEXT)
    for begin in range(0, 31, size):
        predictor.prime(bytes(data[begin : begin + size]))
    np.testing.assert_allclose(predictor.logits(), stepped(model, data).logits(), **CLOSE)


@pytest.mark.parametrize(
    ("context", "length"), [(CONTEXT, n) for n in (0, 1, 31, 32, 33, 49, 100)] + [(7, 3), (7, 7), (7, 40)]
)
def test_a_prompt_is_the_same_as_its_bytes_one_by_one(model, length, context):
    data, predictor = text(length), CachedPredictor(model, context, 2)
    predictor.prime(bytes(data))
    one_by_one = stepped(model, data, 2, context)
    np.testing.assert_allclose(predictor.logits(), one_by_one.logits(), **CLOSE)
    for byte in text(20, seed=1):  # and they stay the same: both hold the same past
        predictor.feed(np.full(2, byte))
        one_by_one.feed(np.full(2, byte))
        np.testing.assert_allclose(predictor.logits(), one_by_one.logits(), **CLOSE)


def test_past_its_context_it_is_one_that_has_read_the_last_half(model):
    data = text(CONTEXT)  # with the begin-of-document byte one more than the context
    with torch.no_grad():
        kept = torch.from_numpy(data[-(CONTEXT // 2 + 1) :])
        expected = model(kept[None])[0, -1].numpy()
    np.testing.assert_allclose(stepped(model, data).logits()[0], expected, **CLOSE)
    assert np.abs(full_logits(model, data) - expected).max() > 0.01  # the model could tell the difference


def test_lanes_do_not_influence_each_other(model):
    streams = np.stack([text(40, seed) for seed in range(2)])
    together = CachedPredictor(model, CONTEXT, 2)
    alone = [CachedPredictor(model, CONTEXT) for _ in streams]
    for step in streams.T:
        together.feed(step)
        for lane, predictor in enumerate(alone):
            predictor.feed(step[lane : lane + 1])
            np.testing.assert_allclose(together.logits()[lane], predictor.logits()[0], **CLOSE)


@pytest.mark.parametrize("length", [3, 32])
def test_reset_forgets_everything(model, length):
    predictor = stepped(model, text(length), lanes=2)
    used = predictor.logits()
    predictor.reset()
    fresh = CachedPredictor(model, CONTEXT, 2)
    assert not np.allclose(used, fresh.logits(), atol=1e-3)
    for byte in text(40, seed=9):
        np.testing.assert_array_equal(predictor.logits(), fresh.logits())
        predictor.feed(np.full(2, byte))
        fresh.feed(np.full(2, byte))


def test_logits_once_given_stay_what_they_were(model):
    predictor = CachedPredictor(model, CONTEXT)
    before = predictor.logits()
    copy = before.copy()
    predictor.feed(np.array([7], np.uint8))
    np.testing.assert_array_equal(before, copy)
    after = predictor.logits()
    after[:] = 0
    assert predictor.logits().any()


@pytest.mark.parametrize("context", [1, 2, 3])
def test_the_smallest_contexts_work(model, context):
    predictor = stepped(model, text(10), context=context)
    assert np.isfinite(predictor.logits()).all()


def test_two_predictors_of_one_model_do_not_meet(model):
    one, other = CachedPredictor(model, CONTEXT), CachedPredictor(model, CONTEXT)
    one.prime(b"some text")
    np.testing.assert_array_equal(other.logits(), CachedPredictor(model, CONTEXT).logits())


def test_of_a_long_prompt_only_what_is_held_at_the_end_is_read(model, monkeypatch):
    read, original = [], type(model).forward
    monkeypatch.setattr(
        type(model), "forward", lambda self, t, *rest: read.append(t.shape[1]) or original(self, t, *rest)
    )
    predictor = CachedPredictor(model, CONTEXT)
    read.clear()
    predictor.prime(bytes(text(100_000)))
    assert sum(read) <= CONTEXT


@pytest.mark.parametrize("length", [3, 31, 70])
def test_a_block_read_in_pieces_gives_the_same(model, monkeypatch, length):
    data, predictor = bytes(text(length)), CachedPredictor(model, CONTEXT)
    predictor.prime(data)
    monkeypatch.setattr("bbyte.models.ar.predictor.READ_AT_ONCE", 5)
    in_pieces = CachedPredictor(model, CONTEXT)
    in_pieces.prime(data)
    np.testing.assert_allclose(in_pieces.logits(), predictor.logits(), **CLOSE)
