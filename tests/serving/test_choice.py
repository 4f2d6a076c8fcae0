"""A text as it is given out: whole characters, before a stop text, with what each byte cost."""

import pytest

from bbyte.serving.choice import Choice, joined
from bbyte.serving.logprobs import Note, as_json, offsets, token


def written(data, stops=(), prompt=b"", notes=None):
    """All deltas of a text whose bytes come one by one."""
    choice, deltas = Choice(0, stops), []
    if prompt:
        deltas.append(choice.begin(prompt, (notes or [])[: len(prompt)]))
    for place, byte in enumerate(data):
        if not choice.ended:
            deltas.append(choice.take(byte, notes[len(prompt) + place] if notes else None))
    return deltas if choice.ended else [*deltas, choice.close()]


@pytest.mark.parametrize(
    ("data", "pieces"),
    [
        (b"ab", ["a", "b", ""]),
        ("aé🙂".encode(), ["a", "", "é", "", "", "", "🙂", ""]),
        (b"\xffa", ["�", "a", ""]),
        (b"\xf0\x9fa", ["", "", "�a", ""]),
        (b"a\xe2\x82", ["a", "", "", "�"]),
    ],
)
def test_characters_are_held_back_until_they_are_whole(data, pieces):
    deltas = written(data)
    assert [delta.text for delta in deltas] == pieces
    assert b"".join(delta.data for delta in deltas) == data
    assert "".join(pieces) == data.decode("utf-8", "replace")
    assert [delta.reason for delta in deltas] == [None] * len(data) + ["length"]
    assert sum(delta.drawn for delta in deltas) == len(data)


def test_a_stop_text_ends_it_and_is_no_part_of_it():
    (whole,) = joined(written(b"one END two", (b"END", b"never")))
    assert (whole.text, whole.reason, whole.drawn) == ("one ", "stop", 7)
    (cut,) = joined(written(b"a\xc3 END", (b" END",)))
    assert (cut.text, cut.data, cut.reason) == ("a�", b"a\xc3", "stop")


def test_a_stop_text_in_the_prompt_does_not_count():
    (whole,) = joined(written(b"go on", (b"END",), b"THE END "))
    assert (whole.text, whole.reason, whole.drawn) == ("THE END go on", "length", 5)


def test_a_character_of_the_prompt_goes_on_in_what_is_written():
    (whole,) = joined(written("é".encode()[1:], (), b"caf" + "é".encode()[:1]))
    assert whole.text == "café"


def test_costs_go_with_their_bytes():
    data = "a é".encode() + b"\xff STOP"
    notes = [Note(byte, -float(place), ((byte, -float(place)),)) for place, byte in enumerate(data)]
    deltas = written(data[2:], (b"STOP",), data[:2], notes)
    for delta in deltas:
        assert [note.byte for note in delta.notes] == list(delta.data)
    (whole,) = joined(deltas)
    assert [note.logprob for note in whole.notes] == [-0.0, -1.0, -2.0, -3.0, -4.0, -5.0]
    assert whole.offsets == (0, 1, 2, 2, 3, 4)


@pytest.mark.parametrize(
    ("data", "places"),
    [
        ("é🙂a".encode(), [0, 0, 1, 1, 1, 1, 2]),
        (b"\xc3a", [0, 1]),
        (b"\xe2\x82\xc3\xa9", [0, 0, 1, 1]),
        (b"\xff\xffa", [0, 1, 2]),
    ],
)
def test_where_a_bytes_character_stands(data, places):
    assert offsets(data, 10) == [10 + place for place in places]


def test_every_byte_is_a_token_of_its_own():
    assert len({token(byte) for byte in range(256)}) == 256
    assert [token(byte) for byte in (0x41, 0x0A, 0xFF)] == ["A", "\n", "bytes:\\xff"]


def test_what_has_no_probability_is_a_number_still():
    told = as_json([Note(65, float("-inf"), ((66, -0.5),))], [0])
    assert told["token_logprobs"] == [-9999.0]
    assert told["top_logprobs"] == [{"B": -0.5, "A": -9999.0}]
