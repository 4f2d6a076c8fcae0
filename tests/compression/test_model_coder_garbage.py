"""Streams that no coder wrote: some bytes of the right number, or a DataError; the same by core and twin."""

import dataclasses
import random

import coder_models
import numpy as np
import pytest
from coder_models import BOOK, by_core, by_twin, weights
from native_models import native

from bbyte.errors import DataError

MODELS = ("tiny", "mamba2")


def mutant(dice, coded, other):
    """A stream with something wrong with it."""
    hurt = bytearray(coded)
    for _ in range(dice.choice((1, 1, 2, 5))):
        kind, at = dice.randrange(7), dice.randrange(len(hurt) // 4 + 1) * 4
        if kind == 0 and hurt:
            hurt[dice.randrange(len(hurt))] ^= 1 << dice.randrange(8)
        elif kind == 1:
            del hurt[at:]
        elif kind == 2:
            hurt[at : at + 4] = dice.randbytes(4)
        elif kind == 3:
            hurt[at:at] = dice.choice((bytes(4), b"\xff" * 4, dice.randbytes(4 * dice.randint(1, 20))))
        elif kind == 4:
            del hurt[at : at + 4 * dice.randint(1, 5)]
        elif kind == 5:
            hurt[at:] = other[at:]
        else:
            hurt = bytearray(dice.randbytes(4 * dice.randrange(40)))
    return bytes(hurt)


def outcome(coder, mode, coded, size):
    """What it decodes to; None where it is refused."""
    try:
        found = coder.decode(mode, coded, size)
    except DataError as error:
        assert error.message == "its coded bytes are none that a coder wrote"
        return None
    assert len(found) == size
    return found


def campaign(count, size):
    dice = random.Random(4)
    coders = [by_core(model, mode) for model in MODELS for mode in range(4)]
    texts = BOOK[:size], BOOK[300 : 300 + size]
    good = [[coder.encode(text)[1] for text in texts] for coder in coders]
    refused = sum(outcome(coder, at % 4, b"\xff" * 8, 9) is None for at, coder in enumerate(coders))
    assert refused == len(coders)
    for index in range(count):
        which = index % len(coders)
        mode, (one, other) = which % 4, good[which]
        hurt = mutant(dice, one, other)
        refused += outcome(coders[which], mode, hurt, dice.choice((size, size, 0, 1, 2 * size))) is None
    return refused


@native
def test_five_hundred_mutants():
    assert campaign(500, 150) < 250


@native
@pytest.mark.slow
def test_ten_thousand_mutants():
    assert campaign(10_000, 400) < 5000


@native
@pytest.mark.parametrize("mode", range(4))
def test_core_and_twin_make_the_same_of_it(mode):
    dice, coder, twin = random.Random(mode), by_core("tiny", mode), by_twin("tiny", mode)
    good, other = (coder.encode(text)[1] for text in (BOOK[:40], BOOK[40:80]))
    streams = [b"\xff" * 12, *(mutant(dice, good, other) for _ in range(20))]
    found = [outcome(coder, mode, hurt, 40) for hurt in streams]
    assert found[0] is None and len(set(found)) > 5
    assert [outcome(twin, mode, hurt, 40) for hurt in streams] == found


@pytest.mark.parametrize("make", [pytest.param(by_core, marks=native), by_twin])
def test_what_is_refused_at_once(make):
    coder = make("tiny", 0)
    for mode in (4, 255, -1):
        with pytest.raises(DataError, match="no coder has the mode"):
            coder.decode(mode, b"", 3)
    for length in (1, 2, 3, 5):
        with pytest.raises(DataError, match="ends inside a word"):
            coder.decode(0, bytes(length), 3)
    assert outcome(coder, 0, b"\xff" * 40, 10) is None


@native
def test_a_refusal_leaves_the_coder_as_it_was():
    coder = by_core("tiny", 1)
    good = coder.encode(BOOK[:100])[1]
    assert outcome(coder, 1, b"\xff" * 40, 100) is None
    assert coder.decode(1, good, 100) == BOOK[:100]


@pytest.mark.parametrize("make", [pytest.param(by_core, marks=native), by_twin])
def test_a_model_that_has_diverged(make, monkeypatch):
    broken = dataclasses.replace(weights("tiny"), head=np.full((256, 16), np.nan, np.float32))
    monkeypatch.setattr(coder_models, "weights", lambda name: broken)
    coder_models._native.cache_clear()
    coder = make("tiny", 0)
    coder_models._native.cache_clear()
    with pytest.raises(DataError, match="no distribution"):
        coder.encode(b"abc")
    with pytest.raises(DataError):
        coder.decode(0, bytes(8), 3)
