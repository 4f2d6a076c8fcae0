"""Stop strings: the text ends before the first one, however its bytes arrive."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bbyte.errors import UsageError
from bbyte.generation.stopping import Stopping


def reference(data, stops):
    """The text up to the first stop string that is complete, the longest where several end together."""
    for end in range(1, len(data) + 1):
        ends = [len(stop) for stop in stops if data[:end].endswith(stop)]
        if ends:
            return data[: end - max(ends)], True
    return data, False


few = st.binary(max_size=30).map(lambda data: bytes(byte % 3 for byte in data))


@given(few, st.lists(few.filter(bool), max_size=3), st.lists(st.integers(0, 5)))
def test_it_is_the_reference_however_the_bytes_arrive(data, stops, sizes):
    stopping, given_out = Stopping(stops), b""
    rest = data
    for size in [*sizes, len(data)]:
        given_out += stopping.push(rest[:size])
        rest = rest[size:]
        assert given_out == stopping.text
    given_out += stopping.close()
    assert (given_out, stopping.ended) == reference(data, stops)
    assert stopping.text == given_out


def test_only_what_may_begin_a_stop_string_is_held_back():
    stopping = Stopping([b"THE END", b"\n\n"])
    assert [stopping.push(part) for part in (b"a", b" T", b"HE", b" BOOK", b"\n", b"x")] == [
        b"a", b" ", b"", b"THE BOOK", b"", b"\nx",
    ]  # fmt: skip
    assert stopping.push(b"!THE END and more") == b"!"
    assert stopping.ended
    assert stopping.push(b"later") == b""
    assert stopping.close() == b""
    assert stopping.text == b"a THE BOOK\nx!"


def test_an_empty_stop_string_is_refused():
    with pytest.raises(UsageError, match="empty"):
        Stopping([b"a", b""])
