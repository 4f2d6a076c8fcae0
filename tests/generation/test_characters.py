"""Whole characters: nothing is lost, nothing valid is cut, nothing invalid waits."""

from hypothesis import given
from hypothesis import strategies as st

from bbyte.generation.characters import WholeCharacters


def pieces_of(data):
    characters = WholeCharacters()
    return [characters.push(data[index : index + 1]) for index in range(len(data))], characters.flush()


@given(text=st.text())
def test_text_comes_character_by_character(text):
    pieces, rest = pieces_of(text.encode())
    assert [piece.decode() for piece in pieces if piece] == list(text)
    assert rest == b""


@given(data=st.binary(), cut=st.integers(0, 20))
def test_no_byte_is_lost_and_at_most_three_wait(data, cut):
    characters = WholeCharacters()
    given_out = characters.push(data[:cut]) + characters.push(data[cut:])
    rest = characters.flush()
    assert given_out + rest == data
    assert len(rest) <= 3
    assert characters.flush() == b""


def test_invalid_bytes_do_not_wait():
    assert pieces_of(b"\xe2(\xa1") == ([b"", b"\xe2(", b"\xa1"], b"")
    assert pieces_of(b"\xff\xc0a") == ([b"\xff", b"\xc0", b"a"], b"")
    assert pieces_of(b"\xf5\x80") == ([b"\xf5", b"\x80"], b"")
    assert pieces_of(b"\xf0\x9f\x98") == ([b"", b"", b""], b"\xf0\x9f\x98")


def test_after_a_flush_it_starts_anew():
    characters = WholeCharacters()
    characters.push(b"\xe2\x82")
    assert characters.flush() == b"\xe2\x82"
    assert characters.push(b"\xac") == b"\xac"
