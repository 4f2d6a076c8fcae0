"""JSON files that describe other files and carry their own digest: checkpoint.json and corpus.json.

A manifest is trusted only after its gate: bounded size and depth, no duplicate keys, no NaN, the format and
version this program knows, exactly the keys expected, and a digest that matches.
"""

import json
import math
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any, NoReturn

from blake3 import blake3

from bbyte.errors import DataError

LARGEST = 1 << 20
DEEPEST = 32
DIGEST = "digest"


def write_text(content: dict[str, Any]) -> str:
    """The manifest's text: `content` with its own digest as the last key."""
    return json.dumps({**content, DIGEST: _digest(content)}, indent=1, allow_nan=False) + "\n"


def read(path: Path, *, format: str, versions: Mapping[int, Collection[str]]) -> dict[str, Any]:
    """The content of the manifest at `path`, without its digest.

    Raises DataError, naming the file, for anything but a well-formed manifest of this format, of one of the
    `versions`, with exactly the keys of that version (besides "format" and "version").
    """
    content, text = _parse(path)
    if content.get("format") != format:
        _refuse(path, f"is not a {format}", "is this the right file?")
    version = content.get("version")
    if type(version) is not int or version not in versions:
        older = type(version) is int and version < max(versions)
        hint = "it was made by an earlier bbyte: make it again" if older else "a newer bbyte may read it"
        known = " and ".join(map(str, sorted(versions)))
        _refuse(path, f"has version {version!r}; this bbyte knows version {known}", hint)
    expected = {*versions[version], "format", "version", DIGEST}
    for key in sorted(expected ^ content.keys()):
        _refuse(path, f"{'lacks' if key in expected else 'has the unknown'} key {key!r}", DAMAGED)
    digest = content.pop(DIGEST)
    if digest != _digest(content):
        _refuse(path, "does not match its own digest", DAMAGED)
    if text != write_text(content):  # white space, or another way to write the same numbers
        _refuse(path, "was changed after it was written", DAMAGED)
    return content


DAMAGED = "the file is damaged or was edited by hand: restore it from a copy"


def _parse(path: Path) -> tuple[dict[str, Any], str]:
    try:
        with path.open("rb") as file:
            raw = file.read(LARGEST + 1)
        if len(raw) > LARGEST:
            _refuse(path, f"is larger than {LARGEST} bytes", DAMAGED)
        text = raw.decode()
        content = json.loads(
            text, object_pairs_hook=_distinct, parse_constant=_no_constant, parse_float=_finite
        )
        depth = _depth(content)
    except FileNotFoundError:
        _refuse(path, "is missing", "is this the right folder?")
    except (ValueError, RecursionError) as error:
        _refuse(path, f"is not valid JSON ({error})", DAMAGED)
    if not isinstance(content, dict) or depth > DEEPEST:
        _refuse(path, f"is not a JSON object of at most {DEEPEST} levels", DAMAGED)
    return content, text


def _distinct(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    result = dict(pairs)
    if len(result) != len(pairs):
        raise ValueError("a key stands twice")
    return result


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not a number")


def _finite(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise ValueError(f"{text} is too large a number")
    return number


def _depth(value: Any) -> int:
    children = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return 1 + max(map(_depth, children), default=0)


def _digest(content: dict[str, Any]) -> str:
    canonical = json.dumps(content, sort_keys=True, separators=(",", ":"), allow_nan=False)
    return blake3(canonical.encode()).hexdigest()


def _refuse(path: Path, problem: str, hint: str) -> NoReturn:
    raise DataError(f"{path} {problem}", hint)
