"""Generation: the same seed gives the same bytes, however they are asked for."""

import subprocess
import sys

import numpy as np
import pytest
from toy import ContinuingOrderTwo, OrderTwo

from bbyte.generation.sampling import Sampling
from bbyte.generation.stream import generate, go_on, write

SAMPLING = Sampling(seed=5, repetition_penalty=1.3, penalty_window=8)


def text_of(predictor, prompt, n, sampling=SAMPLING):
    return np.array(list(generate(predictor, prompt, n, sampling)), np.uint8).T


def test_the_same_seed_gives_the_same_bytes_and_another_seed_others():
    assert np.array_equal(text_of(OrderTwo(), b"ab", 40), text_of(OrderTwo(), b"ab", 40))
    assert not np.array_equal(
        text_of(OrderTwo(), b"ab", 40), text_of(OrderTwo(), b"ab", 40, Sampling(seed=6))
    )


def test_a_used_predictor_starts_anew():
    predictor = OrderTwo()
    first = text_of(predictor, b"ab", 10)
    assert np.array_equal(text_of(predictor, b"ab", 10), first)


def test_going_on_gives_what_one_go_gives():
    whole = text_of(OrderTwo(), b"ab", 30)[0].tobytes()
    half = text_of(OrderTwo(), b"ab", 13)[0].tobytes()
    assert half == whole[:13]
    assert text_of(OrderTwo(), b"ab" + half, 17)[0].tobytes() == whole[13:]


@pytest.mark.parametrize("kind", [OrderTwo, ContinuingOrderTwo])
def test_a_text_goes_on_without_being_read_again(kind):
    whole = text_of(kind(), b"ab", 30)[0].tobytes()
    predictor = kind()
    half = text_of(predictor, b"ab", 13)[0].tobytes()
    predictor.calls.clear()
    rest = b"".join(drawn.tobytes() for drawn in go_on(predictor, b"ab" + half, 17, SAMPLING))
    assert half + rest == whole
    assert not {"reset", "prime"} & set(predictor.calls)


def test_a_text_is_written_up_to_its_stop_string():
    whole = text_of(OrderTwo(), b"ab", 30)[0].tobytes()
    assert b"".join(write(OrderTwo(), b"ab", 30, SAMPLING)) == whole
    predictor = OrderTwo()
    written = b"".join(write(predictor, b"ab", 30, SAMPLING, [whole[12:15], b"never there"]))
    assert written == whole[: whole.find(whole[12:15])]
    assert predictor.calls.count("feed") < 16


@pytest.mark.parametrize("prompt", [b"", b"once"])
def test_lanes_are_streams_of_their_own(prompt):
    lanes = text_of(OrderTwo(4), prompt, 25)
    assert lanes.shape == (4, 25)
    assert np.array_equal(lanes[0], text_of(OrderTwo(1), prompt, 25)[0])
    assert len({lane.tobytes() for lane in lanes}) == 4


@pytest.mark.parametrize("lanes", [1, 3])
def test_a_predictor_that_writes_many_bytes_at_once_writes_the_same(lanes):
    fast = ContinuingOrderTwo(lanes)
    assert np.array_equal(text_of(fast, b"on", 75), text_of(OrderTwo(lanes), b"on", 75))
    assert [call for call in fast.calls if isinstance(call, int)] == [1, 2, 4, 8, 16, 32, 12]


def test_a_byte_is_given_out_before_it_is_fed():
    predictor = OrderTwo()
    next(generate(predictor, b"ab", 2, SAMPLING))
    assert "feed" not in predictor.calls


def test_at_the_end_every_byte_was_fed():
    predictor = OrderTwo()
    text = text_of(predictor, b"ab", 5)[0].tobytes()
    assert predictor.text == [b"\0ab" + text]


def test_nothing_asked_for_gives_nothing():
    assert list(generate(OrderTwo(), b"ab", 0, SAMPLING)) == []
    assert list(generate(ContinuingOrderTwo(), b"ab", 0, SAMPLING)) == []


def test_importing_loads_no_torch():
    rooms = "bbyte.generation.stream, bbyte.generation.metrics, bbyte.generation.characters"
    code = f"import sys, {rooms}; raise SystemExit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
