"""Writing until a word appears, and what tasks may ask of it."""

import numpy as np
import pytest

from bbyte.errors import UsageError
from bbyte.generation.sampling import Sampling
from bbyte.harness.writing import DEFAULT_LENGTH, Writing, write_until, writing_of

GREEDY = Sampling(temperature=0, top_k=0)


class Reciting:
    """A predictor that is sure of one text, whatever the prompt."""

    lanes = 1

    def __init__(self, text):
        self.text, self.prompt, self.place = text, None, 0

    def reset(self):
        self.prompt, self.place = b"", 0

    def prime(self, prompt):
        self.prompt += prompt

    def feed(self, data):
        assert data[0] == self.text[self.place]
        self.place += 1

    def logits(self):
        row = np.zeros((1, 256), np.float32)
        row[0, self.text[self.place % len(self.text)]] = 1
        return row


@pytest.mark.parametrize(
    ("stops", "written"),
    [
        ((), b"one two\nthree"),
        ((b"\n",), b"one two"),
        ((b"three", b"two"), b"one "),
        ((b"o\nt", b"\n"), b"one two"),
        ((b"wo", b"two", b"o"), b""),
        ((b"wo", b"two"), b"one "),
        ((b"missing",), b"one two\nthree"),
    ],
)
def test_it_stops_before_the_first_of_the_words(stops, written):
    predictor = Reciting(b"one two\nthree")
    assert write_until(predictor, b"count: ", Writing(13, stops, GREEDY)) == written
    assert predictor.prompt == b"count: "


def test_it_writes_no_more_than_asked():
    assert write_until(Reciting(b"abcdef"), b"", Writing(3, (), GREEDY)) == b"abc"
    assert write_until(Reciting(b"abcdef"), b"", Writing(0, (), GREEDY)) == b""


def test_it_is_greedy_unless_asked_otherwise():
    assert writing_of({"until": ["\n", "é", ""]}, 3) == Writing(
        DEFAULT_LENGTH, (b"\n", "é".encode(), b"\0"), Sampling(temperature=0, top_k=0, seed=3)
    )
    assert writing_of({"do_sample": False, "temperature": 0.7}, 0).sampling.temperature == 0
    assert writing_of({"temperature": 0.7}, 0).sampling.temperature == 0.7
    assert writing_of({"do_sample": True}, 0).sampling == Sampling(temperature=1.0, top_k=0)
    drawn = writing_of({"do_sample": True, "temperature": 0.5, "top_k": 9, "top_p": 0.9, "min_p": 0.1}, 0)
    assert drawn.sampling == Sampling(temperature=0.5, top_k=9, top_p=0.9, min_p=0.1)


def test_lengths_have_many_names():
    for name in ("max_gen_toks", "max_new_tokens", "max_tokens", "max_completion_tokens"):
        assert writing_of({name: 5, "until": "end", "num_beams": 1}, 0).length == 5
    assert writing_of({"max_tokens": 7, "max_gen_toks": 6}, 0).length == 6


@pytest.mark.parametrize("asked", [{"num_beams": 4}, {"repetition_penalty": 1.2}, {"typical_p": 0.5}])
def test_what_cannot_be_done_is_refused(asked):
    with pytest.raises(UsageError, match=next(iter(asked))):
        writing_of({"until": ["\n"], **asked}, 0)


def test_wrong_settings_are_told_in_a_sentence():
    with pytest.raises(UsageError, match="temperature"):
        writing_of({"temperature": -1.0}, 0)
