"""The two views of a DiffusionLM: which places the model is shown for a next byte, and for holes anywhere."""

import numpy as np
import pytest
import torch

from bbyte.models.diffusion.config import MASK, DiffusionConfig
from bbyte.models.diffusion.model import DiffusionLM
from bbyte.models.diffusion.views import MaskedInfiller, SuffixPredictor

CONTEXT = 32
CLOSE = {"rtol": 0, "atol": 1e-5}


@pytest.fixture(params=[False, True], ids=["full", "ternary"])
def model(request):
    return random_model(request.param)


def random_model(ternary=False):
    config = DiffusionConfig(
        n_layer=2, d_model=32, n_head=4, n_kv_head=2, d_ff=64, ternary=ternary, act_quant=False
    )
    model = DiffusionLM(config)
    generator = torch.Generator().manual_seed(3)
    for name, parameter in model.named_parameters():
        values = torch.randn(parameter.shape, generator=generator)
        parameter.data = 1 + 0.2 * values if "norm" in name else values / parameter.shape[-1] ** 0.5
    return model


class Spy(torch.nn.Module):
    """Keeps what it is shown, and says something else of every place."""

    def __init__(self):
        super().__init__()
        self.weight = torch.nn.Parameter(torch.zeros(1))
        self.shown = []

    def forward(self, tokens):
        assert not torch.is_grad_enabled() and not self.training
        self.shown.append(tokens.numpy().copy())
        places = torch.arange(tokens.shape[1], dtype=torch.float32)
        return places[None, :, None].expand(len(tokens), -1, 256)


def text(length, seed=0):
    return np.random.default_rng(seed).integers(1, 256, length, np.uint8)


def window(data, context, begin=0):
    """What the model is to see: `data` after one byte, and all that follows hidden."""
    row = np.full(context + 1, MASK, np.int32)
    row[0], row[1 : len(data) + 1] = begin, data
    return row


def expected(model, data, context=CONTEXT):
    with torch.no_grad():
        shown = torch.from_numpy(window(data, context))
        return model.eval()(shown[None])[0, len(data) + 1].numpy()


def fed(model, data, lanes=1, context=CONTEXT):
    predictor = SuffixPredictor(model, context, lanes)
    for byte in data:
        predictor.feed(np.full(lanes, byte, np.uint8))
    return predictor


@pytest.mark.parametrize("length", [0, 1, 7, CONTEXT - 1])
def test_the_next_byte_is_the_first_hidden_place_of_a_whole_window(model, length):
    data = text(length)
    predictor = SuffixPredictor(model, CONTEXT, 2)
    predictor.prime(bytes(data))
    found = predictor.logits()
    assert found.shape == (2, 256) and found.dtype == np.float32
    for lane in found:
        np.testing.assert_allclose(lane, expected(model, data), **CLOSE)
    np.testing.assert_allclose(fed(model, data).logits()[0], expected(model, data), **CLOSE)


def test_byte_by_byte_each_answer_is_that_of_all_bytes_so_far(model):
    data, predictor = text(CONTEXT - 1), SuffixPredictor(model, CONTEXT)
    for n, byte in enumerate(data):
        np.testing.assert_allclose(predictor.logits()[0], expected(model, data[:n]), **CLOSE)
        if n % 2:
            predictor.feed(np.array([byte]))
        else:
            predictor.prime(bytes([byte]))
    np.testing.assert_allclose(predictor.logits()[0], expected(model, data), **CLOSE)


def test_the_window_is_as_long_as_those_of_training():
    # In training a model is shown T targets after one byte: no more places than that, and no fewer.
    spy = Spy()
    predictor = SuffixPredictor(spy, CONTEXT, 3)
    predictor.prime(b"abc")
    predictor.feed(np.array([1, 2, 3], np.uint8))
    found = predictor.logits()
    (shown,) = spy.shown
    for lane in range(3):
        np.testing.assert_array_equal(shown[lane], window([97, 98, 99, lane + 1], CONTEXT))
    assert (found == 5).all()  # the place after the begin of the document and four bytes


def test_a_model_is_asked_once_for_each_byte_and_only_if_somebody_wants_to_know():
    spy = Spy()
    predictor = SuffixPredictor(spy, CONTEXT)
    for byte in text(10):
        predictor.feed(np.array([byte]))
    assert not spy.shown
    predictor.logits()
    predictor.logits()
    assert len(spy.shown) == 1


@pytest.mark.parametrize("context", [1, 2, 3, 32])
def test_a_prompt_of_any_length_is_its_bytes_one_by_one(context):
    for length in range(0, 301, 1 if context < 32 else 3):
        data, spies = text(length), (Spy(), Spy())
        primed, stepped = SuffixPredictor(spies[0], context), fed(spies[1], data, context=context)
        primed.prime(bytes(data))
        found = primed.logits()
        assert np.isfinite(found).all()
        np.testing.assert_array_equal(found, stepped.logits())
        np.testing.assert_array_equal(spies[0].shown, spies[1].shown)


def shown_after(length, context, pieces=1):
    """What the model is shown after a text of so many bytes, and the place that is asked for."""
    spy = Spy()
    predictor = SuffixPredictor(spy, context)
    for part in np.array_split(text(length), pieces):
        predictor.prime(bytes(part))
    place = int(predictor.logits()[0, 0])
    return spy.shown[0][0], place


@pytest.mark.parametrize("context", [2, 3, 7, 32])
def test_what_is_asked_for_is_the_first_hidden_place_and_the_last_bytes_stand_before_it(context):
    for length in range(0, 301, 7):
        shown, place = shown_after(length, context)
        assert len(shown) == context + 1
        assert (shown[place:] == MASK).all() and place >= 1
        kept = shown[1:place]
        np.testing.assert_array_equal(kept, text(length)[length - len(kept) :])
        assert len(kept) == length if length < context else len(kept) >= context // 2


def test_when_the_window_is_full_its_last_half_is_kept():
    assert shown_after(CONTEXT - 1, CONTEXT)[1] == CONTEXT
    assert shown_after(CONTEXT, CONTEXT)[1] == CONTEXT // 2 + 1
    assert shown_after(CONTEXT + 15, CONTEXT)[1] == CONTEXT
    assert shown_after(CONTEXT + 16, CONTEXT)[1] == CONTEXT // 2 + 1


def test_it_does_not_matter_in_which_pieces_a_text_comes():
    for pieces in (2, 3, 50):
        np.testing.assert_array_equal(shown_after(150, CONTEXT, pieces)[0], shown_after(150, CONTEXT)[0])


def test_with_a_context_of_one_byte_no_more_than_that_is_asked_for():
    for length in range(5):
        shown, place = shown_after(length, 1)
        assert len(shown) == 2 and place == 1


@pytest.mark.parametrize("length", [CONTEXT, CONTEXT + 5, 3 * CONTEXT + 1])
def test_past_its_window_no_document_begins(length):
    shown, place = shown_after(length, CONTEXT)
    np.testing.assert_array_equal(shown[:place], text(length)[length - place :])


def test_lanes_do_not_influence_each_other(model):
    streams = np.stack([text(40, seed) for seed in range(2)])
    together = SuffixPredictor(model, CONTEXT, 2)
    alone = [SuffixPredictor(model, CONTEXT) for _ in streams]
    for step in streams.T:
        together.feed(step)
        for lane, predictor in enumerate(alone):
            predictor.feed(step[lane : lane + 1])
            np.testing.assert_allclose(together.logits()[lane], predictor.logits()[0], **CLOSE)


@pytest.mark.parametrize("length", [3, 31, 40])
def test_reset_forgets_everything(model, length):
    predictor = fed(model, text(length), lanes=2)
    used = predictor.logits()
    predictor.reset()
    fresh = SuffixPredictor(model, CONTEXT, 2)
    assert not np.allclose(used, fresh.logits(), atol=1e-3)
    for byte in text(40, seed=9):
        np.testing.assert_array_equal(predictor.logits(), fresh.logits())
        predictor.feed(np.full(2, byte))
        fresh.feed(np.full(2, byte))


def test_logits_once_given_stay_what_they_were(model):
    predictor = SuffixPredictor(model, CONTEXT)
    before = predictor.logits()
    copy = before.copy()
    predictor.feed(np.array([7], np.uint8))
    np.testing.assert_array_equal(before, copy)
    after = predictor.logits()
    after[:] = 0
    assert predictor.logits().any()


def test_two_predictors_of_one_model_do_not_meet(model):
    one, other = SuffixPredictor(model, CONTEXT), SuffixPredictor(model, CONTEXT)
    one.prime(b"some text")
    np.testing.assert_array_equal(other.logits(), SuffixPredictor(model, CONTEXT).logits())


def test_of_a_long_prompt_no_more_is_kept_than_can_be_seen():
    spy = Spy()
    predictor = SuffixPredictor(spy, CONTEXT)
    predictor.prime(bytes(text(100_000)))
    predictor.logits()
    assert len(spy.shown) == 1 and spy.shown[0].shape == (1, CONTEXT + 1)


def test_holes_are_read_after_the_begin_of_a_document(model):
    tokens = text(60).astype(np.int16).reshape(3, 20)
    tokens[:, 5:9] = MASK
    infiller = MaskedInfiller(model, CONTEXT)
    found = infiller.logits(tokens)
    assert infiller.context == CONTEXT
    assert found.shape == (3, 20, 256) and found.dtype == np.float32
    begun = torch.from_numpy(np.pad(tokens, ((0, 0), (1, 0))))  # by 0x00
    with torch.no_grad():
        np.testing.assert_allclose(found, model.eval()(begun)[:, 1:].numpy(), **CLOSE)


@pytest.mark.parametrize("shape", [(1, 1), (1, CONTEXT), (5, 3)])
def test_holes_of_any_shape_are_filled(model, shape):
    found = MaskedInfiller(model, CONTEXT).logits(np.full(shape, MASK, np.int16))
    assert found.shape == (*shape, 256) and np.isfinite(found).all()


def test_bytes_on_both_sides_of_a_hole_are_read(model):
    tokens = text(20).astype(np.int16)[None]
    tokens[0, 10] = MASK
    infiller = MaskedInfiller(model, CONTEXT)
    found = infiller.logits(tokens)[0, 10]
    for place in (0, 9, 11, 19):
        other = tokens.copy()
        other[0, place] ^= 1
        assert np.abs(infiller.logits(other)[0, 10] - found).max() > 1e-4


@pytest.mark.parametrize("view", [SuffixPredictor, MaskedInfiller])
def test_a_view_leaves_its_model_ready_to_be_used(view):
    model = random_model().train()
    view(model, CONTEXT)
    assert not any(module.training for module in model.modules())
    assert all(parameter.requires_grad for parameter in model.parameters())
