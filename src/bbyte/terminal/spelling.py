"""How flags may be spelled: underscores for hyphens, retired names, and what was probably meant."""

from collections.abc import Mapping, Sequence

from bbyte.config import suggest
from bbyte.errors import UsageError

RETIRED: Mapping[str, str] = {
    "--use-sdpa": "leave it out: attention always runs through PyTorch's fused kernel",
    "--amp": "use --precision bf16 (or auto)",
    "--cpu": "use --device cpu",
    "--inplace": "use --apply: the tagged checkpoint is written beside the old file, which is kept",
    "--block-size": "use --seq-len",
    "--save-best": "use --keep-best",
    "--ddp": "start the same command with: torchrun -m bbyte train FAMILY ...",
}
"""Flags of earlier scripts, and what to write instead."""


def spelled(args: Sequence[str], known: Mapping[str, int], *, interspersed: bool = True) -> list[str]:
    """The arguments with every long flag in its one true spelling; values are never touched.

    `known` maps each flag to the number of values it takes. With `interspersed=False` reading stops at the
    first word that is no flag (a command's name). Raises UsageError for unknown and retired flags, for a
    flag without its value, and for a value given to a switch.
    """
    rest = list(args)
    result: list[str] = []
    while rest:
        word = rest.pop(0)
        if word == "--" or not (interspersed or word.startswith("-")):
            return [*result, word, *rest]
        values = 0
        if word.startswith("--"):
            name, equals, value = word.partition("=")
            name = name.replace("_", "-")
            values = _values_of(name, known)
            if equals and not values:
                raise UsageError(
                    f"{name} takes no value", f"write {name} alone{_or_its_opposite(name, known)}"
                )
            word, values = name + equals + value, 0 if equals else values
        elif word.startswith("-"):
            values = _values_after_short_flags(word, known)
        if values > len(rest):
            raise UsageError(f"{word} needs a value")
        result += [word, *rest[:values]]
        del rest[:values]
    return result


def _values_of(name: str, known: Mapping[str, int]) -> int:
    if name in known:
        return known[name]
    if name in RETIRED:
        raise UsageError(f"{name} is retired", RETIRED[name])
    raise UsageError(f"unknown flag {name}", suggest(name, known))


def _or_its_opposite(name: str, known: Mapping[str, int]) -> str:
    opposite = "--" + name[5:] if name.startswith("--no-") else "--no-" + name[2:]
    return f", or {opposite}" if opposite in known else ""


def _values_after_short_flags(word: str, known: Mapping[str, int]) -> int:
    for place, letter in enumerate(word[1:], start=1):
        values = known.get("-" + letter)
        if values is None and (letter.isdigit() or letter == "."):
            return 0  # a negative number
        if values is None:
            raise UsageError(f"unknown flag -{letter}", suggest("-" + word, known) if len(word) > 2 else "")
        if values:
            return 0 if place < len(word) - 1 else values
    return 0
