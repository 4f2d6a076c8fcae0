"""The coder in numpy, made for a checkpoint: of the same identity, modes and streams as that on the core."""

import math
import random

import numpy as np
import pytest
from coder_models import BOOK, TEXTS, TINY
from engine_models import packed
from native_models import native

from bbyte.compression.coder import coding_of
from bbyte.compression.model_coder import make_coders
from bbyte.compression.twin import make_twins
from bbyte.compression.twin_contexts import Contexts, towards_zero
from bbyte.compression.twin_history import History, hashed

SETTINGS = [{"hybrid": hybrid, "adapt": adapt} for hybrid in ("off", "on", "auto") for adapt in (False, True)]


@pytest.fixture(scope="module")
def found(tmp_path_factory):
    return packed(tmp_path_factory.mktemp("twin") / "tiny", TINY)


@native
@pytest.mark.parametrize("settings", SETTINGS, ids=str)
def test_it_is_made_like_the_other(found, settings):
    ours, twin = make_coders(found, **settings)(), make_twins(found, **settings)()
    assert coding_of(ours) == coding_of(twin)
    text = BOOK[:100]
    assert ours.encode(text) == twin.encode(text)


@native
def test_the_mode_is_that_of_the_archive(found):
    coding = coding_of(make_coders(found, hybrid="on", adapt=True)())
    twin = make_twins(found, hybrid="off", coding=coding)()
    assert twin.mode == "hybrid+adapt" and coding_of(twin) == coding


def test_its_threads_share_the_weights(found):
    make = make_twins(found)
    one, two = make(), make()
    assert one is not two
    assert one.decode(*one.encode(BOOK[:60]), 60) == two.decode(*two.encode(BOOK[:60]), 60) == BOOK[:60]


def test_hashes_of_known_answers():
    """docs/coder.md by hand."""
    assert hashed(0, 0) == _slowly(0, 0)
    for a, b in ((1, 2), (2**32 - 1, 2**32 - 1), (0xDEADBEEF, 0x20001)):
        assert hashed(a, b) == _slowly(a, b) < 2**32


def _slowly(a, b):
    h = np.uint64(a) * np.uint64(0x2C1B3C6D) % np.uint64(2**32)
    h ^= (np.uint64(b) + np.uint64(0x9E3779B9)) % np.uint64(2**32) * np.uint64(0x297A2D39) % np.uint64(2**32)
    h ^= h // np.uint64(2**15)
    h = h * np.uint64(0x85EBCA6B) % np.uint64(2**32)
    return int(h ^ h // np.uint64(2**13))


def test_words():
    history = History()
    for byte in b"Ab ":
        history.append(byte)
    one = hashed(hashed(0, ord("a")), ord("b"))
    assert (history.word, history.word_before) == (0, one)
    for byte in b" .9":
        history.append(byte)
    assert history.word_before == one  # what is no word ends none
    for byte in b"\xc3\x89Z":
        history.append(byte)
    assert history.word == hashed(hashed(hashed(0, 0xC3), 0x89), ord("z"))
    assert [history.back(1), history.back(9), history.back(10)] == [ord("Z"), ord("A"), 0]


def test_matches_are_what_was_there_before():
    history, lengths = History(), []
    text = b"0123456789" + b"abc" + b"0123456789" + b"x" + TEXTS["runs"][:100]
    for byte in text:
        expected = history.text[history.match] if history.length else None
        if expected != byte:
            history.length = 0
        history.append(byte)
        lengths.append(history.length)
    assert lengths[:18] == [0] * 17 + [5] and lengths[18:23] == [6, 7, 8, 9, 10]
    assert lengths[23] == 0  # a for x
    assert lengths[-1] == 63 and sorted(lengths[30:95]) == lengths[30:95]


def test_expected_bits():
    history = History()
    for byte in b"01234a01234":
        history.append(byte)
    assert history.length == 5 and history.text[history.match] == ord("a")
    bits = [ord("a") >> (7 - place) & 1 for place in range(8)]
    known = 1
    for place, bit in enumerate(bits):
        assert history.expected(known, place) == bit
        if place:
            assert history.expected(known ^ 1, place) is None
        known = 2 * known + bit


def test_a_context_learns_what_follows():
    contexts, history, dice = Contexts(), History(), random.Random(0)
    costs = []
    for _ in range(300):
        contexts.find(history, 1)
        inputs = contexts.inputs(1, 0)
        costs.append(inputs[0] / 256)
        contexts.learn(int(dice.random() < 0.9))
    assert costs[0] == 0 and abs(costs[-1] - math.log(9)) < 0.5


@pytest.mark.parametrize(("a", "b", "expected"), [(7, 2, 3), (-7, 2, -3), (-1, 64, 0), (-128, 64, -2)])
def test_towards_zero(a, b, expected):
    assert towards_zero(a, b) == expected
