"""Bytes as people read them: with escapes, and as a hex dump."""

_NAMED = {0x09: "\\t", 0x0A: "\\n", 0x0D: "\\r", 0x5C: "\\\\"}
_ROW = 16


def escaped(data: bytes) -> str:
    r"""Printable ASCII as it is, all else as \n, \t, \r, \\ or \x1b: no two texts look the same."""
    return "".join(_NAMED.get(byte) or _printable(byte) or f"\\x{byte:02x}" for byte in data)


def hex_dump(data: bytes) -> str:
    """Sixteen bytes a line: where they begin, their hexadecimal values, and what of them is printable."""
    return "\n".join(_line(start, data[start : start + _ROW]) for start in range(0, len(data), _ROW))


def _line(start: int, row: bytes) -> str:
    halves = "  ".join(half.hex(" ").ljust(23) for half in (row[:8], row[8:]))
    return f"{start:08x}  {halves}  |{''.join(_printable(byte) or '.' for byte in row)}|"


def _printable(byte: int) -> str:
    return chr(byte) if 0x20 <= byte < 0x7F else ""
