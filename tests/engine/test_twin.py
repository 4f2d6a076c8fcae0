"""The twin's logits: those of torch, and the same bits however the bytes are fed."""

import dataclasses

import numpy as np
import pytest
import torch
from engine_models import SHAPES, packed

from bbyte.checkpoint import store
from bbyte.engine import twin_product, weights
from bbyte.engine.arithmetic import exp
from bbyte.engine.twin import Twin
from bbyte.engine.twin_mamba import scan
from bbyte.engine.twin_transformer import attend
from bbyte.quantization.activations import Int8Activations

LANES, LENGTH = 2, 50
F = np.float32
TOKENS = np.random.default_rng(5).integers(0, 256, (LANES, LENGTH), dtype=np.uint8)


@pytest.fixture(scope="module", params=SHAPES)
def found(request, tmp_path_factory):
    """A checkpoint of each shape."""
    return packed(tmp_path_factory.mktemp("engine") / request.param, SHAPES[request.param])


def equal(a, b):
    """To the bit."""
    return a.shape == b.shape and a.dtype == b.dtype == F and a.tobytes() == b.tobytes()


def logits(found, tokens=TOKENS, **settings):
    return Twin(weights.load(found), len(tokens), tokens.shape[1], **settings).step(tokens, True)


@torch.inference_mode()
def by_torch(found, tokens=TOKENS):
    return store.load(found).model.eval()(torch.from_numpy(tokens)).numpy()


def test_its_logits_are_those_of_torch_where_both_round_alike(found, monkeypatch):
    rounded, codes = [], twin_product.codes

    def recorded(x):
        whole, step = codes(x)
        rounded.append(torch.from_numpy(whole * step))
        return whole, step

    monkeypatch.setattr(twin_product, "codes", recorded)
    ours = logits(found, cache32=True)
    assert len(rounded) == (2 * (4 if found.meta.family == "ar" else 2) if rounds(found) else 0)
    replayed = iter(rounded)
    monkeypatch.setattr(
        Int8Activations, "forward", lambda self, x: next(replayed).view(x.shape) if self.enabled else x
    )
    assert np.abs(ours - by_torch(found)).max() < 1e-4


def rounds(found):
    return weights.load(found).blueprint.int8_activations


def test_without_rounding_too(found, monkeypatch):
    plan = weights.load(found)
    plan = dataclasses.replace(plan, blueprint=dataclasses.replace(plan.blueprint, int8_activations=False))
    monkeypatch.setattr(Int8Activations, "forward", lambda self, x: x)
    ours = Twin(plan, LANES, LENGTH, cache32=True).step(TOKENS, True)
    assert np.abs(ours - by_torch(found)).max() < 1e-4


def bits(logits, tokens):
    """What each byte but the first costs."""
    wide = logits[:, :-1].astype(np.float64)
    spread = wide - np.log(np.exp(wide).sum(axis=-1, keepdims=True))
    return -np.take_along_axis(spread, tokens[:, 1:, None].astype(np.intp), -1) / np.log(2)


def test_its_bits_per_byte_are_those_of_torch(found):
    tokens = np.random.default_rng(6).integers(0, 256, (16, 64), dtype=np.uint8)
    more = bits(logits(found, tokens), tokens) - bits(by_torch(found, tokens), tokens)
    # Of codes that flip one way or the other only the mean is known, and of few bytes not closely.
    by_chance = 2 * more.std() / more.size**0.5 if rounds(found) else 0
    assert abs(more.mean()) < 1e-3 + by_chance
    assert more.std() < 0.1


def test_blocks_and_single_bytes_are_the_same_to_the_bit(found):
    model = weights.load(found)
    whole = Twin(model, LANES, LENGTH).step(TOKENS, True)
    single = Twin(model, LANES, LENGTH)
    assert equal(np.stack([single.step(TOKENS[:, t : t + 1], False) for t in range(LENGTH)], 1), whole)
    pieces = Twin(model, LANES, LENGTH)
    parts = np.split(TOKENS, [1, 3, 20, 37], axis=1)
    assert equal(np.concatenate([pieces.step(part, True) for part in parts], 1), whole)
    assert single.length == pieces.length == LENGTH


def test_blocks_longer_than_what_is_read_at_once(found):
    model, tokens = weights.load(found), np.tile(TOKENS[:1], 3)
    whole = Twin(model, 1, 150).step(tokens, True)
    pieces = Twin(model, 1, 150)
    assert equal(
        np.stack([pieces.step(part, False) for part in np.split(tokens, [130], 1)], 1), whole[:, [129, 149]]
    )


def test_lanes_do_not_see_each_other(found):
    model = weights.load(found)
    whole = Twin(model, LANES, LENGTH).step(TOKENS, True)
    for lane in range(LANES):
        assert equal(Twin(model, 1, LENGTH).step(TOKENS[[lane]], True), whole[[lane]])


def test_cleared_is_fresh(found):
    model = weights.load(found)
    twin = Twin(model, LANES, LENGTH)
    twin.step(TOKENS[:, ::-1], False)
    twin.clear()
    assert twin.length == 0
    assert equal(twin.step(TOKENS, True), Twin(model, LANES, LENGTH).step(TOKENS, True))


def test_the_capacity_of_a_cache_changes_no_bit(found):
    model = weights.load(found)
    assert equal(Twin(model, 2, 1000).step(TOKENS, True), Twin(model, 2, LENGTH).step(TOKENS, True))


def test_a_full_cache_takes_no_more(found):
    twin = Twin(weights.load(found), LANES, LENGTH)
    twin.step(TOKENS, False)
    if found.meta.family == "mamba":
        assert twin.step(TOKENS, False).shape == (LANES, 256)
        return
    with pytest.raises(ValueError, match="50 \\+ 1 positions do not fit in 50"):
        twin.step(TOKENS[:, :1], False)
    assert twin.length == LENGTH


def test_tokens_of_other_lanes_are_refused(found):
    twin = Twin(weights.load(found), LANES, LENGTH)
    for tokens in (TOKENS[:1], TOKENS[:, :0]):
        with pytest.raises(ValueError, match="are not those of 2 lanes"):
            twin.step(tokens, True)


def test_five_trits_a_byte_are_the_same_to_the_bit(tmp_path):
    four, five = (packed(tmp_path / str(n), SHAPES["grouped"], trits_a_byte=n) for n in (4, 5))
    assert equal(logits(four), logits(five))


def test_weights_that_are_no_numbers_end_in_logits_that_are_none(tmp_path):
    model = weights.load(packed(tmp_path / "full", SHAPES["full"]))
    broken = dataclasses.replace(model, final_norm=model.final_norm * F(np.inf))
    assert not np.isfinite(Twin(broken, LANES, LENGTH).step(TOKENS, False)).any()


def test_attention_is_that_of_a_loop():
    rng = np.random.default_rng(1)
    T, J, D = 4, 21, 6
    q = rng.normal(size=(1, 1, 1, T, D)).astype(F) * F(2)
    keys, values = (rng.normal(size=(1, 1, J, D)).astype(F) for _ in range(2))
    found = attend(q, keys, values)[0, 0, 0]
    for row in range(T):
        held = J - T + row + 1
        turned = [F(v * F(F(1) / np.sqrt(F(D)))) for v in q[0, 0, 0, row]]
        a = [ordered([F(turned[d] * keys[0, 0, j, d]) for d in range(D)]) for j in range(held)]
        e = exp(np.array([F(one - max(a)) for one in a], F))
        inverse = F(1) / s16_of(e)
        for d in range(D):
            total = ordered([F(e[j] * values[0, 0, j, d]) for j in range(held)])
            assert found[row, d] == F(total * inverse)


def test_a_scan_is_that_of_a_loop():
    rng = np.random.default_rng(2)
    T, N, D = 3, 5, 4
    shapes = (N, 1, D), (T, N, 1, D), (T, 1, 1, D), (T, N, 1, 1), (T, N, 1, 1)
    state, decay, written, b, c = (rng.normal(size=shape).astype(F) for shape in shapes)
    found, last = scan(state, decay, written, b, c)
    for d in range(D):
        held = list(state[:, 0, d])
        for t in range(T):
            held = [
                F(F(held[n] * decay[t, n, 0, d]) + F(written[t, 0, 0, d] * b[t, n, 0, 0])) for n in range(N)
            ]
            assert found[0, t, d] == ordered([F(held[n] * c[t, n, 0, 0]) for n in range(N)])
        assert last[:, 0, d].tolist() == held


def ordered(terms):
    total = terms[0]
    for term in terms[1:]:
        total = F(total + term)
    return total


def s16_of(terms):
    p = [ordered(list(terms[j::16]) or [F(0)]) for j in range(16)]
    q = [p[j] + p[j + 8] for j in range(8)]
    r = [q[j] + q[j + 4] for j in range(4)]
    return (r[0] + r[2]) + (r[1] + r[3])
