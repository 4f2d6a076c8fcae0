"""JSON files that describe other files and carry their own digest: checkpoint.json and corpus.json.

A manifest is trusted only after its gate: bounded size and depth, no duplicate keys, no NaN, the format and
version this program knows, exactly the keys expected, and a digest that matches. It and the files it
describes are plain files in their folder, and to be checked they are read, not mapped: one that is cut off
meanwhile is then an error in words, not the end of the process.
"""

import errno
import json
import math
import os
import stat
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO, NoReturn

from blake3 import blake3

from bbyte.errors import DataError

LARGEST = 1 << 20
DEEPEST = 32
LARGEST_NUMBER = 1 << 63
DIGEST = "digest"
DAMAGED = "the file is damaged or was edited by hand: restore it from a copy"
_AT_ONCE = 4 << 20


def write_text(content: dict[str, Any]) -> str:
    """The manifest's text: `content` with its own digest as the last key."""
    return json.dumps({**content, DIGEST: _digest(content)}, indent=1, allow_nan=False) + "\n"


def read(path: Path, *, format: str, versions: Mapping[int, Collection[str]]) -> dict[str, Any]:
    """The content of the manifest at `path`, without its digest.

    Raises DataError, naming the file, for anything but a well-formed manifest of this format, of one of the
    `versions`, with exactly the keys of that version (besides "format" and "version").
    """
    content, text = parse(path)
    if content.get("format") != format:
        _refuse(path, f"is not a {format}", "is this the right file?")
    version = content.get("version")
    if type(version) is not int or version not in versions:
        older = type(version) is int and version < max(versions)
        hint = "it was made by an earlier bbyte: make it again" if older else "a newer bbyte may read it"
        known = " and ".join(map(str, sorted(versions)))
        _refuse(path, f"has version {shown(version)}; this bbyte knows version {known}", hint)
    expected = {*versions[version], "format", "version", DIGEST}
    for key in sorted(expected ^ content.keys()):
        _refuse(path, f"{'lacks' if key in expected else 'has the unknown'} key {shown(key)}", DAMAGED)
    digest = content.pop(DIGEST)
    if digest != _digest(content):
        _refuse(path, "does not match its own digest", DAMAGED)
    if text != write_text(content):  # white space, or another way to write the same numbers
        _refuse(path, "was changed after it was written", DAMAGED)
    return content


@contextmanager
def opened(path: Path, hint: str) -> Iterator[BinaryIO]:
    """Open a manifest, or a file that one describes, for reading.

    Raises DataError for one that is missing, a folder, a pipe or a device (none of them is waited for), or a
    link that leads out of its folder; OSError, with the path, where the system does not let it be read.
    """
    try:
        _check_plain(path, hint)
        # A pipe that has just taken the file's place must not be waited for either.
        flags = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)
        with os.fdopen(os.open(path, flags), "rb") as file:
            yield file
    except FileNotFoundError:
        _refuse(path, "is missing", hint)
    except OSError as error:
        error.filename = error.filename or str(path)
        raise


def digest_of(file: BinaryIO, on_bytes: Callable[[int], None] | None = None) -> str:
    """The BLAKE3 digest of what is left to read of a file, in hexadecimal.

    `on_bytes` is told the size of each piece as soon as it was read.
    """
    hasher, buffer = blake3(max_threads=blake3.AUTO), memoryview(bytearray(_AT_ONCE))
    while count := file.readinto(buffer):  # type: ignore[attr-defined]
        hasher.update(buffer[:count])
        if on_bytes is not None:
            on_bytes(count)
    return hasher.hexdigest()


def shown(value: Any) -> str:
    """A value of a manifest as an error shows it: in one short line."""
    text = repr(value)
    return text if len(text) <= 80 else f"{text[:80]}…"


def _check_plain(path: Path, hint: str) -> None:
    try:
        kind = path.stat().st_mode
    except OSError as error:
        if error.errno in (errno.ENOENT, errno.ENOTDIR, errno.ELOOP):
            _refuse(path, "is missing", hint)
        raise
    if not stat.S_ISREG(kind):
        _refuse(path, "is no plain file", hint)
    if path.is_symlink() and not path.resolve().is_relative_to(path.parent.resolve()):
        _refuse(path, "is a link that leads out of its folder", "put a copy of the file in its place")


def parse(path: Path) -> tuple[dict[str, Any], str]:
    """The JSON object in the file at `path` and its text, whoever wrote it, once it is through the gate.

    That is: at most 1 MiB, and what `document` asks for. Raises DataError, naming the file.
    """
    try:
        with opened(path, "is this the right folder?") as file:
            raw = file.read(LARGEST + 1)
        if len(raw) > LARGEST:
            _refuse(path, f"is larger than {LARGEST} bytes", DAMAGED)
        return document(raw), raw.decode()
    except (ValueError, RecursionError) as error:
        _refuse(path, f"is not valid JSON ({error})", DAMAGED)


def document(raw: bytes) -> dict[str, Any]:
    """The JSON object in some bytes: at most 32 levels, no key twice, no NaN, no number beyond 64 bits.

    Raises ValueError or RecursionError.
    """
    content = json.loads(
        raw.decode(),
        object_pairs_hook=_distinct,
        parse_constant=_no_constant,
        parse_float=_finite,
        parse_int=_whole,
    )
    if not isinstance(content, dict) or _depth(content) > DEEPEST:
        raise ValueError(f"no object of at most {DEEPEST} levels")
    return content


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
        raise ValueError(f"{text[:40]} is too large a number")
    return number


def _whole(text: str) -> int:
    if len(text) > 20 or not -LARGEST_NUMBER <= (number := int(text)) < LARGEST_NUMBER:
        raise ValueError(f"{text[:40]} is too large a number")
    return number


def _depth(value: Any) -> int:
    children = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return 1 + max(map(_depth, children), default=0)


def _digest(content: dict[str, Any]) -> str:
    canonical = json.dumps(content, sort_keys=True, separators=(",", ":"), allow_nan=False)
    return blake3(canonical.encode()).hexdigest()


def _refuse(path: Path, problem: str, hint: str) -> NoReturn:
    raise DataError(f"{path} {problem}", hint)
