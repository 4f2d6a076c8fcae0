"""Makes any text safe to show on a terminal: what could steer the terminal is shown, never obeyed.

Newline, tab and printable Unicode are kept. Control characters appear as control pictures, and bidirectional,
zero-width, tag, private, unassigned and surrogate characters as `\\u{...}`. Invalid UTF-8 is shown as U+FFFD.
"""

import codecs
import unicodedata

# Default_Ignorable_Code_Point of Unicode, less the two that choose between text and emoji look (U+FE0E,
# U+FE0F): they are invisible wherever they stand, and not all of them are format characters by category.
_INVISIBLE = (
    (0x034F, 0x034F),
    (0x115F, 0x1160),
    (0x17B4, 0x17B5),
    (0x180B, 0x180F),
    (0x3164, 0x3164),
    (0xFE00, 0xFE0D),
    (0xFFA0, 0xFFA0),
    (0xE0000, 0xE0FFF),
)
_HIDDEN_CATEGORIES = {"Cc", "Cf", "Cn", "Co", "Cs", "Zl", "Zp"}


def sanitize(text: str) -> str:
    """The text as a terminal may show it."""
    if text.isascii() and text.isprintable():
        return text
    return text.translate(_SHOWN)


def sanitize_bytes(data: bytes) -> str:
    """Bytes read as UTF-8, as a terminal may show them."""
    return sanitize(data.decode("utf-8", "replace"))


class StreamSanitizer:
    """Sanitises bytes that arrive in pieces; a character cut in two waits for its rest."""

    def __init__(self) -> None:
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")

    def feed(self, data: bytes) -> str:
        """The text that is complete so far."""
        return sanitize(self._decoder.decode(data))

    def close(self) -> str:
        """What was still waiting, now that no more bytes come."""
        return sanitize(self._decoder.decode(b"", final=True))


class _Shown(dict[int, str | int]):
    """How each character is shown, worked out when first met."""

    def __missing__(self, code: int) -> str | int:
        shown = _show(code)
        if shown == code:  # the others are too many to remember, and rare in honest text
            self[code] = code
        return shown


def _show(code: int) -> str | int:
    if code in (0x09, 0x0A):
        return code
    if code < 0x20:
        return chr(0x2400 + code)
    if code == 0x7F:
        return "\u2421"
    hidden = unicodedata.category(chr(code)) in _HIDDEN_CATEGORIES
    if hidden or any(first <= code <= last for first, last in _INVISIBLE):
        return f"\\u{{{code:x}}}"
    return code


_SHOWN = _Shown()
