"""The next-byte view of a MambaLM: the same logits however the bytes come, in constant memory."""

import numpy as np
import pytest
import torch

from bbyte.models.families import family
from bbyte.models.mamba.config import MambaConfig
from bbyte.models.mamba.model import MambaLM
from bbyte.models.mamba.predictor import StatePredictor

CLOSE = {"rtol": 1e-5, "atol": 1e-4}


@pytest.fixture(scope="module", params=["mamba2", "mamba1", "ternary"])
def model(request):
    ternary = request.param == "ternary"
    ssm = "mamba2" if ternary else request.param
    torch.manual_seed(3)
    model = MambaLM(
        MambaConfig(ssm=ssm, n_layer=2, d_model=32, headdim=16, d_state=8, ternary=ternary, act_quant=False)
    )
    for name, parameter in model.named_parameters():
        values = torch.randn(parameter.shape)
        if parameter.dim() < 2 or "A_log" in name:
            parameter.data += 0.2 * values
        else:
            parameter.data = values * parameter.shape[-1] ** -0.5
    return model.eval()


def text(length, seed=0):
    return np.random.default_rng(seed).integers(0, 256, length, np.uint8)


def stepped(model, data, lanes=1):
    """A predictor that was fed `data` byte by byte, the same to every lane."""
    predictor = StatePredictor(model, lanes)
    for byte in data:
        predictor.feed(np.full(lanes, byte, np.uint8))
    return predictor


def full_logits(model, data):
    """Logits after each byte of a document that begins with `data`, read at once."""
    with torch.no_grad():
        return model(torch.from_numpy(np.concatenate([[0], data]).astype(np.uint8))[None])[0].numpy()


def test_a_fresh_predictor_has_seen_the_begin_of_a_document(model):
    found = StatePredictor(model, 2).logits()
    assert found.shape == (2, 256) and found.dtype == np.float32
    for lane in found:
        np.testing.assert_allclose(lane, full_logits(model, text(0))[-1], **CLOSE)


def test_step_by_step_it_gives_what_the_model_gives_at_once(model):
    data, predictor = text(150), StatePredictor(model)
    expected = full_logits(model, data)
    for byte, wanted in zip(data, expected, strict=False):
        np.testing.assert_allclose(predictor.logits()[0], wanted, **CLOSE)
        predictor.feed(np.array([byte]))
    np.testing.assert_allclose(predictor.logits()[0], expected[-1], **CLOSE)


@pytest.mark.parametrize("size", [1, 2, 31, 64, 65, 130])
def test_blocks_give_what_single_bytes_give(model, size):
    data, predictor = text(130), StatePredictor(model, 2)
    for begin in range(0, 130, size):
        predictor.prime(bytes(data[begin : begin + size]))
    one_by_one = stepped(model, data, 2)
    np.testing.assert_allclose(predictor.logits(), one_by_one.logits(), **CLOSE)
    for byte in text(20, seed=1):  # and they stay the same: both hold the same past
        predictor.feed(np.full(2, byte))
        one_by_one.feed(np.full(2, byte))
        np.testing.assert_allclose(predictor.logits(), one_by_one.logits(), **CLOSE)


def test_an_empty_prompt_changes_nothing(model):
    predictor = stepped(model, text(5))
    before = predictor.logits()
    predictor.prime(b"")
    np.testing.assert_array_equal(predictor.logits(), before)
    predictor.feed(np.array([7], np.uint8))
    np.testing.assert_array_equal(
        predictor.logits(), stepped(model, np.append(text(5), np.uint8(7))).logits()
    )


@pytest.mark.parametrize("length", [3, 31, 70])
def test_a_prompt_read_in_pieces_gives_the_same(model, monkeypatch, length):
    data, predictor = bytes(text(length)), StatePredictor(model)
    predictor.prime(data)
    monkeypatch.setattr("bbyte.models.mamba.predictor.READ_AT_ONCE", 5)
    in_pieces = StatePredictor(model)
    in_pieces.prime(data)
    np.testing.assert_allclose(in_pieces.logits(), predictor.logits(), **CLOSE)


def test_lanes_do_not_influence_each_other(model):
    streams = np.stack([text(40, seed) for seed in range(3)])
    together = StatePredictor(model, 3)
    alone = [StatePredictor(model) for _ in streams]
    for step in streams.T:
        together.feed(step)
        for lane, predictor in enumerate(alone):
            predictor.feed(step[lane : lane + 1])
            np.testing.assert_allclose(together.logits()[lane], predictor.logits()[0], **CLOSE)


@pytest.mark.parametrize("length", [1, 3, 70])
def test_reset_forgets_everything(model, length):
    predictor = stepped(model, text(length), lanes=2)
    used = predictor.logits()
    predictor.reset()
    fresh = StatePredictor(model, 2)
    assert not np.allclose(used, fresh.logits(), atol=1e-3)
    for byte in text(40, seed=9):
        np.testing.assert_array_equal(predictor.logits(), fresh.logits())
        predictor.feed(np.full(2, byte))
        fresh.feed(np.full(2, byte))


def test_logits_once_given_stay_what_they_were(model):
    predictor = StatePredictor(model)
    before = predictor.logits()
    copy = before.copy()
    predictor.feed(np.array([7], np.uint8))
    np.testing.assert_array_equal(before, copy)
    predictor.logits()[:] = 0
    assert predictor.logits().any()


def test_two_predictors_of_one_model_do_not_meet(model):
    one, other = StatePredictor(model), StatePredictor(model)
    one.prime(b"some text")
    np.testing.assert_array_equal(other.logits(), StatePredictor(model).logits())


def test_however_long_the_text_memory_stays_what_it_is(model):
    predictor, data = StatePredictor(model), text(3000)
    before = held(predictor)
    for byte in data:
        predictor.feed(np.array([byte]))
    assert held(predictor) == before
    np.testing.assert_allclose(predictor.logits()[0], full_logits(model, data)[-1], **CLOSE)


def test_after_a_long_prompt_memory_is_what_it_was(model):
    predictor = StatePredictor(model)
    before = held(predictor)
    predictor.prime(bytes(text(3000)))
    assert held(predictor) == before


def held(predictor):
    """Bytes of all the storages that a predictor keeps beside its model."""
    layers = predictor._state.layers
    parts = [part for layer in layers for part in (layer.conv, layer.scan)]
    return sum(part.untyped_storage().nbytes() for part in [*parts, predictor._logits])


def test_the_family_gives_it_with_any_context(model):
    for context in (1, 10**9):
        predictor = family("mamba").predictor(model, context, 2)
        assert isinstance(predictor, StatePredictor) and predictor.lanes == 2
