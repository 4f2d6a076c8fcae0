"""Damaged copies of a file, from a seed: what disks, transfers, editors and attackers do to it.

Every generator gives (kind, bytes) without end, never the good file itself.
"""

import copy
import json
import random
import re

from bbyte import manifest

PAGE = 4096
NUMBERS = (
    "0",
    "1",
    "-1",
    "1.0",
    "1e0",
    "01",
    "+1",
    "-0",
    "-0.0",
    "1E400",
    "1e-400",
    "NaN",
    "Infinity",
    "-Infinity",
)
HUGE = ("9" * 19, "9" * 20, "9" * 400, "9" * 5000, "1" + "0" * 10_000, "1.5e309")
VALUES = (
    None, True, False, 0, 1, -1, 2, 3, 255, 256, 1024, 1 << 18, 1 << 31, 1 << 62, 1 << 64, 10**400,
    0.0, -0.0, 0.5, 1.0, 1e-300, 1e308,
    "", "ar", "mamba", "resume", "..", "/etc/passwd", "a\0b", "\ud800", "\u202e", "x" * 5000,
    [], {}, [1], [[]], {"a": 1}, {"": None},
)  # fmt: skip


def binary(good, seed, donor=b""):
    """Mutants of any file. donor: the like of it, from another checkpoint or corpus, to take blocks from."""
    dice = random.Random(seed)
    while True:
        kind = dice.choice(BINARY if donor else BINARY[:-2])
        mutant = bytes(_binary(dice, kind, bytearray(good), donor))
        if mutant != good:
            yield kind, mutant


def text(good, seed, donor=b""):
    """Mutants of a JSON file; half of them by someone who knows JSON, but not the digest."""
    dice, blind = random.Random(seed), binary(good, seed, donor)
    while True:
        if dice.random() < 0.5:
            yield next(blind)
            continue
        kind = dice.choice(TEXT)
        mutant = _text(dice, kind, good)
        if mutant != good:
            yield kind, mutant


def signed(good, seed):
    """Mutants of a manifest's values, each signed with the digest that fits it."""
    dice = random.Random(seed)
    content = json.loads(good)
    del content[manifest.DIGEST]
    while True:
        mutant = copy.deepcopy(content)
        for _ in range(dice.choice((1, 1, 1, 2, 4))):
            kind = dice.choice(VALUE)
            _value(dice, kind, mutant)
        if mutant != content:
            yield f"signed: {kind}", manifest.write_text(mutant).encode()


def header(good, seed):
    """Mutants of a safetensors file whose header is another, its length told rightly; the data stay."""
    length = int.from_bytes(good[:8], "little")
    for kind, mutant in text(good[8 : 8 + length], seed):
        yield f"header: {kind}", len(mutant).to_bytes(8, "little") + mutant + good[8 + length :]


BINARY = (
    "bit", "bit", "bit", "byte", "bytes", "insert", "delete", "duplicate", "swap", "truncate", "extend",
    "zero page", "zero range", "block of another", "another",
)  # fmt: skip


def _binary(dice, kind, data, donor):
    at = dice.randrange(len(data))
    size = min(len(data) - at, dice.choice((1, 2, 8, 64, 512, PAGE)))
    match kind:
        case "bit":
            data[at] ^= 1 << dice.randrange(8)
        case "byte":
            data[at] = dice.randrange(256)
        case "bytes":
            data[at : at + size] = dice.randbytes(size)
        case "insert":
            data[at:at] = dice.randbytes(size)
        case "delete":
            del data[at : at + size]
        case "duplicate":
            data[at:at] = data[at : at + size]
        case "swap":
            other = dice.randrange(len(data) - size + 1)
            low, high = sorted((at, other))
            if low + size <= high:
                data[low : low + size], data[high : high + size] = (
                    data[high : high + size],
                    data[low : low + size],
                )
        case "truncate":
            del data[at:]
        case "extend":
            data += dice.choice((b"\0", b"\n", b" ", dice.randbytes(size), bytes(data[:size])))
        case "zero page":
            at = at // PAGE * PAGE
            data[at : at + PAGE] = bytes(len(data[at : at + PAGE]))
        case "zero range":
            data[at : at + size] = bytes(size)
        case "block of another":
            data[at : at + size] = donor[at : at + size].ljust(size, b"\0")
        case "another":
            data[:] = donor
    return data


TEXT = (
    "digit", "number", "huge number", "rename", "duplicate key", "move key", "escape", "nest", "bom", "nul",
    "surrogate", "raw surrogate", "crlf", "space", "comma", "constant", "quote",
)  # fmt: skip


def _text(dice, kind, good):
    source = good.decode("utf-8")

    def replaced(pattern, new):
        found = list(re.finditer(pattern, source))
        if not found:
            return source
        chosen = dice.choice(found)
        return source[: chosen.start()] + new(chosen[0]) + source[chosen.end() :]

    match kind:
        case "digit":
            source = replaced(r"\d", lambda old: dice.choice("0123456789"))
        case "number":
            source = replaced(
                r"-?\d+(\.\d+)?", lambda old: dice.choice((*NUMBERS, f"{old}.0", f"{old}e0", f"0{old}"))
            )
        case "huge number":
            source = replaced(r"-?\d+(\.\d+)?", lambda old: dice.choice(HUGE))
        case "constant":
            source = replaced(
                r"\b(true|false|null)\b", lambda old: dice.choice(("true", "false", "null", "NaN", "0"))
            )
        case "rename":
            source = replaced(r'"\w+":', lambda old: dice.choice((old.upper(), '"x":', f'" {old[1:]}')))
        case "duplicate key":
            source = replaced(
                r'"\w+": [^,{\[]*,', lambda old: old + dice.choice((old, old.replace("1", "2")))
            )
        case "move key":
            source = _moved(dice, source)
        case "escape":
            source = replaced(r"(?<=\")[a-z]", lambda old: f"\\u{ord(old):04x}")
        case "nest":
            depth = dice.choice((1, 40, 500, 20_000))
            opening, closing = dice.choice((("[", "]"), ('{"a":', "}")))
            source = replaced(r"(?<=: )\d+", lambda old: opening * depth + old + closing * depth)
        case "bom":
            source = "\ufeff" + source
        case "nul" | "space":
            at = dice.randrange(len(source))
            source = source[:at] + ("\0" if kind == "nul" else dice.choice(" \t\n\r")) + source[at:]
        case "surrogate":
            source = replaced(r"(?<=\")[a-z]", lambda old: old + "\\ud800")
        case "crlf":
            source = source.replace("\n", "\r\n", dice.choice((1, -1)))
        case "comma":
            source = replaced(r"[,}\]]", lambda old: dice.choice((f",{old}", f"{old},", "")))
        case "quote":
            source = replaced(r'"', lambda old: dice.choice(("'", '\\"', "", '""')))
    encoded = source.encode("utf-8")
    if kind == "raw surrogate":
        at = dice.randrange(len(encoded))
        return encoded[:at] + b"\xed\xa0\x80" + encoded[at:]
    return encoded


def _moved(dice, source):
    content = json.loads(source)
    place = dice.choice([one for one in _places(content) if isinstance(one, dict) and len(one) > 1])
    key = dice.choice(list(place))
    place[key] = place.pop(key)
    return json.dumps(content, indent=1) + "\n"


VALUE = ("value", "value", "value", "near", "remove", "add", "rename", "exchange", "order")


def _value(dice, kind, content):
    place = dice.choice([one for one in _places(content) if len(one)])
    keys = list(place) if isinstance(place, dict) else list(range(len(place)))
    key, other = dice.choice(keys), dice.choice(keys)
    match kind:
        case "value":
            place[key] = copy.deepcopy(dice.choice(VALUES))
        case "near" if isinstance(place[key], int | float):
            place[key] += dice.choice((1, -1, 0.5, place[key]))
        case "near" if isinstance(place[key], str):
            place[key] = place[key][:-1] + dice.choice(("", "x", "0"))
        case "remove":
            del place[key]
        case "add" if isinstance(place, dict):
            place["added"] = copy.deepcopy(dice.choice(VALUES))
        case "add" if isinstance(place, list):
            place.append(copy.deepcopy(place[key]))
        case "rename" if isinstance(place, dict):
            place[f"{key}s"] = place.pop(key)
        case "exchange":
            place[key], place[other] = place[other], place[key]
        case "order" if isinstance(place, dict):
            place[key] = place.pop(key)


def _places(value):
    """Every object and list in a value, itself first."""
    if isinstance(value, dict | list):
        yield value
        for inner in value.values() if isinstance(value, dict) else value:
            yield from _places(inner)
