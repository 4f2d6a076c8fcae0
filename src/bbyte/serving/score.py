"""What each byte of a text costs a model, and what it expected instead. Imports no torch."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields
from typing import Any

import numpy as np

from bbyte.config import Problems, from_dict, setting
from bbyte.probabilities import entropy_of, log_probabilities
from bbyte.serving.expectations import Expectations, expectations, joined, likeliest
from bbyte.serving.fields import check_known, check_model, check_size, given, read_bytes
from bbyte.serving.limits import MOST_LIKELIEST, Limits
from bbyte.serving.model import Served
from bbyte.serving.work import Heed

Document = dict[str, Any]
_DIGITS = 4


@dataclass(frozen=True)
class Scoring:
    """What is wanted to be known of a text."""

    top: int = setting(10, "How many of the likeliest bytes at each place")
    start: int = setting(0, "The first byte of interest: those before it are read, and not told of")
    stream: bool = setting(False, "Send what is known as it comes")

    def __post_init__(self) -> None:
        problems = Problems()
        if problems.check_types(self):
            problems.check(
                0 <= self.top <= MOST_LIKELIEST, f"top {self.top} is not between 0 and {MOST_LIKELIEST}"
            )
            problems.check(self.start >= 0, f"start {self.start} is negative")
        problems.raise_if_any()


@dataclass(frozen=True)
class ScoreRequest:
    """A text, and what is to be known of it."""

    data: bytes
    wanted: Scoring


def read(body: Document, served: str, limits: Limits) -> ScoreRequest:
    """The request in a body. Raises RefusedError and UsageError."""
    values = given(body)
    check_model(values, served)
    data = read_bytes(values.pop("prompt", ""), "prompt")
    check_size([data], limits)
    check_known(values, [field.name for field in fields(Scoring)])
    return ScoreRequest(data, from_dict(Scoring, values, where="the request"))


def score(model: Served, request: ScoreRequest, heed: Heed) -> Iterator[Document]:
    """The documents of an answer: parts as they come, if they are wanted, then what is left to tell."""
    wanted, parts, place = request.wanted, [], request.wanted.start
    for part in expectations(model, request.data, wanted.top, heed, wanted.start):
        parts.append(part)
        yield {"object": "score.part", "start": place, **_figures([part])} if wanted.stream else {}
        place += len(part.data)
    bits = float(sum(part.bits.sum() for part in parts))
    answer = {
        "object": "score",
        "model": model.name,
        "bytes": place - wanted.start if parts else 0,
        "bits_per_byte": bits / (place - wanted.start) if parts else None,
        "next": _after(model, request),
    }
    yield answer if wanted.stream else {**answer, **_figures(parts)}


def _figures(parts: Sequence[Expectations]) -> Document:
    if not parts:
        return {"bits": [], "entropy": [], "likeliest": [], "probabilities": []}
    all_ = joined(parts)
    return {
        "bits": np.round(all_.bits, _DIGITS).tolist(),
        "entropy": np.round(all_.entropy, _DIGITS).tolist(),
        "likeliest": all_.likeliest.tolist(),
        "probabilities": np.round(np.exp(all_.logs), _DIGITS).tolist(),
    }


def _after(model: Served, request: ScoreRequest) -> Document:
    predictor = model.predictor()
    predictor.reset()
    predictor.prime(request.data)
    logs = log_probabilities(predictor.logits())
    bytes_, values = likeliest(logs, request.wanted.top)
    return {
        "entropy": round(float(entropy_of(logs)[0]), _DIGITS),
        "likeliest": bytes_[0].tolist(),
        "probabilities": np.round(np.exp(values[0]), _DIGITS).tolist(),
    }
