"""Filling holes on request, all at once or to be watched step by step. Imports no torch."""

import secrets
from collections.abc import Iterator
from dataclasses import dataclass, fields
from typing import Any

import numpy as np

from bbyte.config import Problems, from_dict, setting
from bbyte.generation.holes import HIDDEN, Text, hide, parse, ranges_of
from bbyte.generation.infill import Infill
from bbyte.generation.infilling import Infilling
from bbyte.models.contract import Infiller
from bbyte.models.families import families
from bbyte.serving.fields import check_known, check_model, check_size, given, read_bytes
from bbyte.serving.limits import Limits
from bbyte.serving.model import Served
from bbyte.serving.refusals import RefusedError


@dataclass(frozen=True)
class Filling(Infilling):
    """How holes are filled, in how many ways, and whether each step is shown."""

    n: int = setting(1, "In how many ways, each with random bits of its own")
    stream: bool = setting(False, "Send what each step changes")

    def __post_init__(self) -> None:
        problems = Problems()
        problems.attempt(super().__post_init__)
        if problems.none:
            problems.check(self.n >= 1, f"n {self.n} is not at least 1")
        problems.raise_if_any()


@dataclass(frozen=True)
class InfillRequest:
    """A text with holes, and how they are filled."""

    text: Text
    wanted: Filling


def read(body: dict[str, Any], model: Served, limits: Limits) -> InfillRequest:
    """The request in a body. Without a seed one is chosen. Raises RefusedError and UsageError."""
    if model.infiller is None:
        able = " or ".join(name for name, family in families().items() if family.infiller is not None)
        raise RefusedError(
            400,
            f"{model.name} is of family {model.family}, which cannot fill holes: serve one of family {able}",
        )
    values = given(body)
    check_model(values, model.name)
    data, holes = read_bytes(values.pop("prompt", ""), "prompt"), values.pop("holes", None)
    check_size([data], limits)
    most = limits.max_prompt_bytes
    text = parse(data, most) if holes is None else hide(data, _ranges(holes, len(data)))
    check_known(values, [field.name for field in fields(Filling)])
    values.setdefault("seed", secrets.randbits(32))
    wanted = from_dict(Filling, values, where="the request")
    if wanted.n > limits.max_texts:
        raise RefusedError(
            400, f"n is {wanted.n}, and at most {limits.max_texts} texts are filled at once", param="n"
        )
    return InfillRequest(text, wanted)


def _ranges(value: Any, length: int) -> list[tuple[int, int]]:
    wrong = RefusedError(400, 'holes are lists of two places, as "holes": [[16, 48]]', param="holes")
    if not isinstance(value, list):
        raise wrong
    for one in value:
        if not (isinstance(one, list) and len(one) == 2 and all(type(place) is int for place in one)):
            raise wrong
        if not 0 <= one[0] < one[1] <= length:
            raise RefusedError(
                400, f"the hole {one} is none of a text of {length} bytes, 0 to {length}", param="holes"
            )
    return [(begin, end) for begin, end in value]


def fill(infiller: Infiller, request: InfillRequest, name: str) -> Iterator[dict[str, Any]]:
    """The documents of an answer: one for each step, if they are wanted, then the result."""
    run = Infill(infiller, request.text, request.wanted, request.wanted.n)
    before = run.tokens.copy()
    for step in run.steps():
        if not request.wanted.stream:
            yield {}
            continue
        changed = np.argwhere(run.tokens != before)
        values = run.tokens[changed[:, 0], changed[:, 1]]
        yield {
            "object": "infill.step",
            "done": step.done,
            "total": step.total,
            "changed": np.column_stack([changed, values]).tolist(),
        }
        before = run.tokens.copy()
    yield _result(run, request, name)


def _result(run: Infill, request: InfillRequest, name: str) -> dict[str, Any]:
    figures, hidden = run.metrics(), request.text == HIDDEN
    choices = [
        {
            "index": index,
            "text": tokens.astype(np.uint8).tobytes().decode("utf-8", "replace"),
            "token_ids": tokens.tolist(),
            "bits": [round(float(value), 4) for value in bits[hidden]],
        }
        for index, (tokens, bits) in enumerate(zip(run.tokens, run.bits, strict=True))
    ]
    return {
        "object": "infill",
        "model": name,
        "seed": request.wanted.seed,
        "holes": ranges_of(request.text),
        "choices": choices,
        "usage": {"hidden": figures.bytes, "passes": figures.passes},
    }
