"""Likelihoods of texts and of continuations: against `bits_per_byte`, and against one at a time."""

import math

import numpy as np
import pytest
import torch
from harness_models import CONTEXT, CPU, loaded

from bbyte.errors import BbyteError, UsageError
from bbyte.evaluation import InMemory, bits_per_byte, objective_measure
from bbyte.harness.likelihood import Likelihoods, continuation_windows
from bbyte.models.ar.config import ARConfig

EXACT = ["ar", "mamba"]
TEXTS = [
    b"x",
    b"",
    bytes(range(256)) * 2,
    b"\0 begins with a zero",
    b"the quick brown fox " * 9,
    b"y" * CONTEXT,
]


@pytest.mark.parametrize("name", EXACT)
@pytest.mark.parametrize("batch_size", [None, 1, 3])
def test_a_document_costs_what_bits_per_byte_says(name, batch_size):
    model = loaded(name)
    found = Likelihoods(model, CPU, batch_size).of_documents(TEXTS)
    measure = objective_measure(model.family.objective(model.model, model.family.objective_config()), "cpu")
    for text, (nats, _) in zip(TEXTS, found, strict=True):
        if not text:
            assert nats == 0
            continue
        score = bits_per_byte(measure, InMemory(text), context=CONTEXT, stride=CONTEXT // 2)
        assert nats == pytest.approx(-score.nats, rel=1e-6)


def one_by_one(model, before, after):
    """Each byte of `after` alone, in the window the description promises; no batches."""
    sequence = b"\0" + before + after
    nats, greedy, end = 0.0, True, len(before) + len(after)
    for index in range(len(before), end):
        last = end
        if end > CONTEXT:
            last = min(len(before) + ((index - len(before)) // (CONTEXT // 2) + 1) * (CONTEXT // 2), end)
        start = max(0, last - CONTEXT)
        with torch.inference_mode():
            read = torch.tensor([list(sequence[start : index + 1])], dtype=torch.uint8)
            logits = model.model(read)[0, -1].double()
        nats += float(torch.log_softmax(logits, -1)[sequence[index + 1]])
        greedy &= int(logits.argmax()) == sequence[index + 1]
    return nats, greedy


@pytest.mark.parametrize("name", EXACT)
def test_continuations_are_those_of_the_slow_way_in_their_order(name):
    generator = np.random.default_rng(1)
    sizes = [(0, 1), (5, 3), (0, 40), (31, 1), (32, 1), (90, 2), (100, 16), (10, 50), (40, 33), (3, 0)]
    pairs = [tuple(generator.integers(0, 256, n, np.uint8).tobytes() for n in size) for size in sizes]
    model = loaded(name)
    for batch_size in (None, 1, 4):
        found = Likelihoods(model, CPU, batch_size).of_continuations(pairs)
        for pair, (nats, is_greedy) in zip(pairs, found, strict=True):
            slow, greedy = one_by_one(model, *pair)
            assert nats == pytest.approx(slow, abs=1e-5 * max(1, len(pair[1])))
            assert is_greedy == greedy


def test_batches_move_eight_bit_activations_only_by_the_rounding_of_float32():
    """In float64 the values rounded to 8 bits are the same in every batch, and so are the figures."""
    model = loaded("ar", config=ARConfig(n_layer=2, d_model=64, n_head=2, d_ff=128))
    assert model.model.config.ternary
    model.model.double()
    generator = np.random.default_rng(2)
    sizes = generator.integers(1, 15, (150, 2))
    pairs = [tuple(generator.integers(0, 256, n, np.uint8).tobytes() for n in size) for size in sizes]
    together = Likelihoods(model, CPU).of_continuations(pairs)
    alone = Likelihoods(model, CPU, 1).of_continuations(pairs)
    assert max(abs(a.nats - b.nats) for a, b in zip(together, alone, strict=True)) <= 1e-9


@pytest.mark.parametrize("name", EXACT)
def test_what_greedy_decoding_writes_is_greedy(name):
    model = loaded(name)
    before, after = b"once ", bytearray()
    for _ in range(6):
        with torch.inference_mode():
            logits = model.model(torch.tensor([list(b"\0" + before + after)], dtype=torch.uint8))
        after.append(int(logits[0, -1].argmax()))
    other = bytes([*after[:-1], (after[-1] + 1) % 256])
    likelihoods = Likelihoods(model, CPU)
    (first, is_greedy), (second, is_not) = likelihoods.of_continuations(
        [(before, bytes(after)), (before, other)]
    )
    assert is_greedy and not is_not and first > second


@pytest.mark.parametrize("name", EXACT)
def test_a_model_that_knows_nothing_takes_eight_bits_a_byte(name):
    model = loaded(name)
    with torch.no_grad():
        for parameter in model.model.parameters():
            parameter.zero_()
    likelihoods = Likelihoods(model, CPU)
    for text, (nats, _) in zip(TEXTS, likelihoods.of_documents(TEXTS), strict=True):
        assert nats == pytest.approx(-8 * math.log(2) * len(text), rel=1e-12)
    ((nats, _),) = likelihoods.of_continuations([(b"a" * 50, b"b" * 70)])
    assert nats == pytest.approx(-8 * math.log(2) * 70, rel=1e-12)


@pytest.mark.parametrize("before", [0, 1, 15, 31, 32, 33, 100])
@pytest.mark.parametrize("size", [0, 1, 16, 17, 32, 33, 95])
def test_each_byte_of_a_continuation_is_scored_once_with_enough_before_it(before, size):
    scored = []
    for start, length, skip in continuation_windows(before, size, 32, 16):
        assert length <= 32 and start >= 0
        scored += range(start + skip, start + length)
        assert start == 0 or skip >= 32 - 16
    assert scored == list(range(before, before + size))


def test_progress_ends_at_the_total():
    seen = []
    Likelihoods(loaded("ar"), CPU, 2).of_documents(TEXTS, lambda done, total: seen.append((done, total)))
    assert seen[-1][0] == seen[-1][1] and [done for done, _ in seen] == sorted(done for done, _ in seen)


def test_a_bound_is_refused():
    with pytest.raises(UsageError, match="only a bound"):
        Likelihoods(loaded("diffusion"), CPU)


def test_no_number_is_refused():
    model = loaded("ar")
    with torch.no_grad():
        next(iter(model.model.parameters())).fill_(math.nan)
    with pytest.raises(BbyteError, match="no number"):
        Likelihoods(model, CPU).of_documents([b"abc"])
