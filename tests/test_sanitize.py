"""Nothing that could steer a terminal gets through, and nothing else is lost."""

import random
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bbyte.sanitize import StreamSanitizer, sanitize, sanitize_bytes

HIDDEN = {"Cc", "Cf", "Cn", "Co", "Cs", "Zl", "Zp"}


def is_safe(text: str) -> bool:
    return all(character in "\n\t" or unicodedata.category(character) not in HIDDEN for character in text)


@pytest.mark.parametrize(
    "attack",
    [
        "\x1b]0;owned\x07",  # OSC: window title
        "\x1b]52;c;cm0gLXJm\x1b\\",  # OSC 52: clipboard
        "\x1b]8;;http://x\x1b\\link\x1b]8;;\x1b\\",  # OSC 8: link
        "\x1b[2J\x1b[H\x1b[31m",  # CSI: clear, home, colour
        "\x1b[?1049h",  # CSI: other screen
        "\x1b[6n",  # CSI: makes the terminal type an answer
        "\x1bP+q544e\x1b\\",  # DCS: asks for terminfo
        "\x9b31m\x9d0;x\x9c\x90q\x9c",  # the same as C1
        "\x1b_x\x1b\\\x1b^x\x1b\\\x1bX\x1b\\",  # APC, PM, SOS
        "\x07\x08\x0b\x0c\r\x0e\x0f\x7f",
        "\u202eevil\u2066x\u200b\u200d\ufeff\u00ad\u061c",  # bidirectional, zero width
        "\U000e0041\U000e007f\U000e0100",  # tags, variation selectors that hide data
        "\ue000\U0010ffff\ud800\u0378\u2028\u2029\u3164\u115f",
    ],
)
def test_control_is_shown_not_obeyed(attack):
    shown = sanitize(attack)
    assert is_safe(shown)
    assert "\x1b" not in shown


def test_how_things_are_shown():
    assert sanitize("a\x1b[31m\x7f\r\n\t") == "a␛[31m␡␍\n\t"
    assert sanitize("\u202e\x9b\U000e0041") == "\\u{202e}\\u{9b}\\u{e0041}"
    assert sanitize_bytes(b"\xffa\xc3") == "\ufffda\ufffd"


@pytest.mark.parametrize("text", ["", "plain", "naïve Ünïcode", "日本語", "😀 ❤\ufe0f", "ა\u0301", "العربية"])
def test_printable_text_is_kept(text):
    assert sanitize(text) == text


def test_a_million_random_bytes():
    shown = sanitize_bytes(random.Random(0).randbytes(1_000_000))
    assert is_safe(shown)


@given(st.text(st.characters()))
def test_any_text_becomes_safe_and_safe_text_stays(text):
    shown = sanitize(text)
    assert is_safe(shown)
    assert sanitize(shown) == shown


@given(st.binary(max_size=300), st.integers(1, 7))
def test_a_stream_in_pieces_reads_like_the_whole(data, size):
    stream = StreamSanitizer()
    pieces = [stream.feed(data[start : start + size]) for start in range(0, len(data), size)]
    assert "".join(pieces) + stream.close() == sanitize_bytes(data)
