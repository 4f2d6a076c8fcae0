"""What a legacy file is: which script wrote it, which of our families it belongs to, and why. No torch."""

import re
from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import Any

from bbyte.checkpoint.legacy.extract import Extracted
from bbyte.errors import BbyteError, UsageError

OURS = {"bitbyte": "ar", "ar": "ar", "mamba": "mamba", "diffusion": "diffusion"}
"""The families' names in old scripts and here, with the family each means."""
DIFFUSION_SETTINGS = ("diffusion_steps", "mask_token_id", "min_mask_prob", "max_mask_prob")
MAMBA_SETTINGS = ("d_state", "d_conv", "expand")
OTHER_MODEL = "train one of bbyte's own on the same bytes: bbyte train"


@dataclass(frozen=True)
class Recognised:
    """A legacy file by name: `script` wrote it, `family` is ours ("" where none is), `why` says the evidence.

    `reason` says why it cannot be converted, or is empty.
    """

    script: str
    family: str
    why: str
    reason: str = ""


def recognise(found: Extracted) -> Recognised:
    """Name what `extract` found. Raises UsageError where it is no legacy checkpoint at all."""
    names = found.tensors.keys()
    for script, holds, reason in _OTHERS:
        if holds(found):
            return Recognised(script, "", f"keys {_listed(found.top)}", reason)
    for family, settings in (("diffusion", DIFFUSION_SETTINGS), ("mamba", MAMBA_SETTINGS)):
        given = [name for name in settings if found.settings.get(name) is not None]
        if given:
            return _bitbyte(family, f"settings {_listed(given)}", names)
    for family, pattern in _NAMED.items():
        example = next((name for name in names if pattern.search(name)), None)
        if example:
            return _bitbyte(family, f"tensor {example}", names)
    raise UsageError(
        f"{found.path} is no checkpoint of a byte model that bbyte knows: it holds {_listed(sorted(names))}",
        "BitByte, BLM and Muon LM checkpoints are known",
    )


def agreed_family(
    found: Extracted, guess: Recognised, family: str | None, variant: str | None, *, force: bool
) -> tuple[str, str]:
    """The family to convert to, and why, from what is asked for, what the file's tags say and the guess.

    Without `force` all must agree. With it what is asked for wins, else the guess. Raises UsageError for a
    word that means no family and for a contradiction.
    """
    said: dict[str, str] = {}
    for where, word, is_family in (
        ("--family", family, True),
        ("--variant", variant, False),
        ("its tag model_family", found.labels.get("model_family"), True),
        ("its tag variant", found.labels.get("variant"), False),
    ):
        if not where.startswith("--") and word is not None and word not in OURS:
            if not force:
                raise UsageError(f"{found.path}: {where} {word!r} means no family", "--force leaves it aside")
            continue
        meant = _family_of(word, guess.family, is_family=is_family)
        if meant:
            said[f"{where} {word}"] = meant
    said[guess.why] = guess.family
    if len(set(said.values())) > 1 and not force:
        each = "; ".join(f"{where} says {meant}" for where, meant in said.items())
        raise UsageError(f"{found.path}: {each}", "--force takes what is asked for, else what is inferred")
    asked = next((meant for where, meant in said.items() if where.startswith("--")), None)
    if asked and asked != guess.family:
        return asked, f"forced; {guess.why}"
    tagged = found.labels.get("model_family") or found.labels.get("variant")
    return guess.family, f"{guess.why}; tags agree" if tagged and len(set(said.values())) == 1 else guess.why


def agrees(word: str, family: str, *, is_variant: bool) -> bool:
    """Whether an old or new word for a family means this one; "ar" is also the variant of a Mamba.

    Raises UsageError for a word that means none.
    """
    return _family_of(word, family, is_family=not is_variant) == family


def check_convertible(found: Extracted, guess: Recognised) -> None:
    """Raise BbyteError, with the reason, for a model that none of ours computes."""
    if guess.reason:
        raise BbyteError(f"{found.path} is a {guess.script} checkpoint: {guess.reason}", OTHER_MODEL)


def _family_of(word: Any, guess: str, *, is_family: bool) -> str:
    """The family that an old or new word means; of variants "ar" says nothing between ar and mamba."""
    if word is None:
        return ""
    if word not in OURS:
        raise UsageError(f"{word!r} means no family", f"one of {', '.join(OURS)}")
    if not is_family and word == "ar" and guess == "mamba":
        return "mamba"
    return OURS[word]


def _bitbyte(family: str, why: str, names: Collection[str]) -> Recognised:
    script = {"ar": "BitByte", "mamba": "BitByte Mamba", "diffusion": "BitByte diffusion"}[family]
    conditioned = next((name for name in names if _CONDITION.search(name)), None)
    if family == "mamba":
        reason = (
            "its blocks hold a state space with step sizes of full width and a feed-forward after it, which "
            "neither Mamba nor Mamba-2 has"
        )
        return Recognised(script, family, why, reason)
    if conditioned:
        reason = f"it is told the noise level ({conditioned}), which bbyte's models are not"
        return Recognised(script, family, why, reason)
    return Recognised(script, family, why)


def _listed(words: Collection[str]) -> str:
    first = list(words)[:4]
    return ", ".join(first) + (", …" if len(words) > len(first) else "") if first else "nothing"


_NAMED = {
    "mamba": re.compile(r"ssm|mamba|A_log"),
    "diffusion": re.compile(r"^(t_emb|t_embed)\.|\.adaLN\."),
    "ar": re.compile(r"^blocks\.\d+\.attn\.q_proj\.weight$"),
}
_CONDITION = re.compile(r"^(t_emb|t_embed)\.|\.adaLN\.")
_Holds = Callable[[Extracted], bool]
_OTHERS: tuple[tuple[str, _Holds, str], ...] = (
    (
        "BLM",
        lambda found: found.weights_key == "model_state",
        "a GPT with learned positions, biases and GELU, which no family of bbyte computes",
    ),
    (
        "Muon LM",
        lambda found: found.weights_key == "model_state_dict",
        "a GPT with scaled embeddings and a feed-forward without a gate, which no family of bbyte computes",
    ),
)
