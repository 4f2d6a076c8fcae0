"""Writing on from a prompt until one of some words appears, as the harness's tasks ask for it."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from bbyte.errors import UsageError
from bbyte.generation.sampling import Sampling
from bbyte.generation.stream import write
from bbyte.models.contract import Predictor

END_OF_DOCUMENT = b"\0"
DEFAULT_LENGTH = 256
"""Bytes written where a task does not say how many: the harness's own default."""
LENGTHS = ("max_gen_toks", "max_new_tokens", "max_tokens", "max_completion_tokens")
"""What the harness calls the most bytes to write; the first that is given counts."""


@dataclass(frozen=True)
class Writing:
    """What a task asks for: at most `length` bytes, up to the first of `stops`, drawn as `sampling` says."""

    length: int
    stops: tuple[bytes, ...]
    sampling: Sampling


def writing_of(arguments: Mapping[str, Any], seed: int) -> Writing:
    """The `generation_kwargs` of a task: until, max_gen_toks, do_sample, temperature, top_k, top_p, min_p.

    The likeliest byte is taken unless `do_sample` or a temperature asks for a draw, and a draw is from all
    bytes unless the task says otherwise. The end of the document always ends the text.
    Raises UsageError for what bbyte does not do.
    """
    asked = {name: value for name, value in arguments.items() if value is not None}
    until = asked.pop("until", [])
    if not isinstance(until, str) and not (
        isinstance(until, list | tuple) and all(isinstance(word, str) for word in until)
    ):
        raise UsageError(f"the task's until is {until!r}, no words", "until takes a text or a list of texts")
    lengths = [asked.pop(name) for name in LENGTHS if name in asked]
    if not all(type(length) is int and length > 0 for length in lengths):
        raise UsageError(f"the task's max_gen_toks is {lengths[0]!r}", "it takes a number of bytes")
    samples = asked.pop("do_sample", None)
    temperature = float(asked.pop("temperature", 1.0 if samples else 0.0))
    if asked.get("num_beams") == 1:
        del asked["num_beams"]
    kept = {
        name: asked.pop(name, default) for name, default in (("top_k", 0), ("top_p", 1.0), ("min_p", 0.0))
    }
    if asked:
        raise UsageError(
            f"the task asks for text written with {', '.join(asked)}, which bbyte does not do",
            "take it out of the task's generation_kwargs",
        )
    sampling = Sampling(
        temperature=0.0 if samples is False else temperature,
        top_k=int(kept["top_k"]),
        top_p=float(kept["top_p"]),
        min_p=float(kept["min_p"]),
        seed=seed,
    )
    words = [until] if isinstance(until, str) else until
    stops = tuple(word.encode() for word in words if word)
    return Writing(lengths[0] if lengths else DEFAULT_LENGTH, (*stops, END_OF_DOCUMENT), sampling)


def write_until(predictor: Predictor, prompt: bytes, writing: Writing) -> bytes:
    """What a predictor of one lane writes after `prompt` at the beginning of a document, without the stop."""
    return b"".join(write(predictor, prompt, writing.length, writing.sampling, writing.stops))
