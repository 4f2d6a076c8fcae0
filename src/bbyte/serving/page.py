"""The page of the server: one file, read once, with a policy that lets it run nothing but its own script."""

import re
from base64 import b64encode
from hashlib import sha256
from pathlib import Path

FILE = Path(__file__).with_name("page.html")


def read() -> tuple[bytes, str]:
    """The page and its Content-Security-Policy."""
    data = FILE.read_bytes()
    script, style = (_hashes(data, tag) for tag in (b"script", b"style"))
    return data, (
        f"default-src 'none'; script-src {script}; style-src {style}; connect-src 'self'; img-src data:; "
        "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    )


def _hashes(data: bytes, tag: bytes) -> str:
    parts = re.findall(b"<%s>(.*?)</%s>" % (tag, tag), data, re.DOTALL)
    return " ".join(f"'sha256-{b64encode(sha256(part).digest()).decode()}'" for part in parts)
