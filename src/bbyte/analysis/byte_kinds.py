"""The 256 bytes: what each is in a text of UTF-8, and how it is shown."""

KINDS = {
    "lower-case letter": "blue",
    "upper-case letter": "teal",
    "digit": "orange",
    "punctuation": "green",
    "whitespace": "purple",
    "control": "grey",
    "begins a character": "brown",
    "continues a character": "red",
    "never in UTF-8": "ink",
}
"""Each kind of byte with its colour (`theme.ROLES`)."""
_NAMES = {0x20: "space", 0x09: r"\t", 0x0A: r"\n", 0x0B: r"\v", 0x0C: r"\f", 0x0D: r"\r"}


def kind(byte: int) -> str:
    """The kind of a byte, one of `KINDS`."""
    if byte >= 0x80:
        if byte < 0xC0:
            return "continues a character"
        return "begins a character" if 0xC2 <= byte <= 0xF4 else "never in UTF-8"
    character = chr(byte)
    if byte in _NAMES:
        return "whitespace"
    if byte < 0x20 or byte == 0x7F:
        return "control"
    if character.isdigit():
        return "digit"
    if character.isalpha():
        return "upper-case letter" if character.isupper() else "lower-case letter"
    return "punctuation"


def shown(byte: int) -> str:
    r"""A short form of a byte: "e", "space", "\n"; in hexadecimal what is no printable ASCII: "1B", "C3"."""
    return _NAMES.get(byte) or (chr(byte) if 0x20 < byte < 0x7F else f"{byte:02X}")
