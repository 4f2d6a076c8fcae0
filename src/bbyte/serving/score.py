"""What each byte of a text costs a model, and what it expected instead. Imports no torch."""

from dataclasses import dataclass, fields
from typing import Any

import numpy as np

from bbyte.analysis.surprisal import entropy_of, log_probabilities
from bbyte.config import Problems, from_dict, setting
from bbyte.serving.expectations import expectations, likeliest
from bbyte.serving.fields import check_known, check_model, check_size, given, read_bytes
from bbyte.serving.limits import MOST_LIKELIEST, Limits
from bbyte.serving.model import Served
from bbyte.serving.work import Heed

_DIGITS = 4


@dataclass(frozen=True)
class Scoring:
    """What is wanted to be known of a text."""

    top: int = setting(10, "How many of the likeliest bytes at each place")

    def __post_init__(self) -> None:
        problems = Problems()
        if problems.check_types(self):
            problems.check(
                0 <= self.top <= MOST_LIKELIEST, f"top {self.top} is not between 0 and {MOST_LIKELIEST}"
            )
        problems.raise_if_any()


@dataclass(frozen=True)
class ScoreRequest:
    """A text, and how much is to be known of it."""

    data: bytes
    wanted: Scoring


def read(body: dict[str, Any], served: str, limits: Limits) -> ScoreRequest:
    """The request in a body. Raises RefusedError and UsageError."""
    values = given(body)
    check_model(values, served)
    data = read_bytes(values.pop("prompt", ""), "prompt")
    check_size([data], limits)
    check_known(values, [field.name for field in fields(Scoring)])
    return ScoreRequest(data, from_dict(Scoring, values, where="the request"))


def score(model: Served, request: ScoreRequest, heed: Heed) -> dict[str, Any]:
    """The answer's document: figures for each byte, and what is expected after the last."""
    answer: dict[str, Any] = {"object": "score", "model": model.name, "bytes": len(request.data)}
    top = request.wanted.top
    if request.data:
        read = expectations(request.data, model.open_scorer(), top, lambda done, total: heed())
        answer |= {
            "bits_per_byte": read.found.score.bits_per_byte,
            "bits": np.round(read.found.bits, _DIGITS).tolist(),
            "entropy": np.round(read.found.entropy, _DIGITS).tolist(),
            "likeliest": read.likeliest.tolist(),
            "probabilities": np.round(np.exp(read.logs), _DIGITS).tolist(),
        }
    else:
        answer |= {"bits_per_byte": None, "bits": [], "entropy": [], "likeliest": [], "probabilities": []}
    heed()
    predictor = model.predictor()
    predictor.reset()
    predictor.prime(request.data)
    logs = log_probabilities(predictor.logits())
    bytes_, values = likeliest(logs, top)
    answer["next"] = {
        "entropy": round(float(entropy_of(logs)[0]), _DIGITS),
        "likeliest": bytes_[0].tolist(),
        "probabilities": np.round(np.exp(values[0]), _DIGITS).tolist(),
    }
    return answer
