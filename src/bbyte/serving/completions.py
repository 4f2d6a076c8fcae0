"""Completions: what a model writes on from prompts, as it comes, in the shape of OpenAI's protocol."""

import secrets
import time
from collections.abc import Iterator, Sequence
from typing import Any

from bbyte.generation.stream import generate
from bbyte.serving import logprobs
from bbyte.serving.choice import Choice, Delta, joined
from bbyte.serving.completion_request import CompletionRequest
from bbyte.serving.expectations import expectations
from bbyte.serving.logprobs import Note, Watched, notes_of
from bbyte.serving.model import Served
from bbyte.serving.work import Heed

Document = dict[str, Any]


def complete(model: Served, request: CompletionRequest, heed: Heed) -> Iterator[Delta]:
    """Write every text that is asked for, in lanes of the model; a list of prompts one after another.

    Text j of prompt i is text i * n + j of the answer, and what `bbyte generate` writes as sample j.
    """
    for number, prompt in enumerate(request.prompts):
        yield from _continue(model, request, prompt, number * request.wanted.n, heed)


def _continue(
    model: Served, request: CompletionRequest, prompt: bytes, first: int, heed: Heed
) -> Iterator[Delta]:
    wanted = request.wanted
    choices = [Choice(first + lane, request.stops) for lane in range(wanted.n)]
    if wanted.echo:
        notes = _read(model, prompt, wanted.logprobs, heed)
        for choice in choices:
            yield choice.begin(prompt, notes)
    if wanted.max_tokens:
        yield from _write(model, request, prompt, choices)
    for choice in choices:
        if not choice.ended:
            yield choice.close()


def _write(
    model: Served, request: CompletionRequest, prompt: bytes, choices: Sequence[Choice]
) -> Iterator[Delta]:
    wanted, predictor = request.wanted, model.predictor(len(choices))
    watched = None if wanted.logprobs is None else Watched(predictor)
    for drawn in generate(watched or predictor, prompt, wanted.max_tokens, wanted):
        notes: Sequence[Note | None] = [None] * len(choices)
        if watched is not None and wanted.logprobs is not None:
            notes = watched.notes(drawn, wanted.logprobs)
        for choice, byte, note in zip(choices, drawn.tolist(), notes, strict=True):
            if not choice.ended:
                yield choice.take(byte, note)
        if all(choice.ended for choice in choices):
            return


def _read(model: Served, prompt: bytes, most: int | None, heed: Heed) -> list[Note]:
    if most is None:
        return []
    return [note for part in expectations(model, prompt, most, heed) for note in notes_of(part)]


class Shape:
    """The protocol's documents for one answer."""

    def __init__(self, model: Served, request: CompletionRequest) -> None:
        self._request, self._drawn = request, 0
        self._frame = {
            "id": f"cmpl-{secrets.token_hex(12)}",
            "object": "text_completion",
            "created": int(time.time()),
            "model": model.name,
            "seed": request.wanted.seed,
        }

    def whole(self, deltas: Sequence[Delta]) -> Document:
        """The answer, all at once."""
        choices = [self._choice(one) for one in self._count(deltas)]
        return {**self._frame, "choices": choices, "usage": self._usage()}

    def chunks(self, deltas: Sequence[Delta] | None) -> Iterator[Document]:
        """What is new of it, if anything can be shown; after all of it, None, what was used, where wanted."""
        if deltas is not None:
            if shown := [self._choice(one) for one in self._count(deltas) if one.data or one.reason]:
                yield {**self._frame, "choices": shown}
        elif self._request.include_usage:
            yield {**self._frame, "choices": [], "usage": self._usage()}

    def _count(self, deltas: Sequence[Delta]) -> list[Delta]:
        self._drawn += sum(delta.drawn for delta in deltas)
        return joined(deltas)

    def _choice(self, delta: Delta) -> Document:
        wanted = self._request.wanted
        costs = None if wanted.logprobs is None else logprobs.as_json(delta.notes, delta.offsets)
        choice = {
            "index": delta.index, "text": delta.text, "logprobs": costs, "finish_reason": delta.reason,
        }  # fmt: skip
        return {**choice, "token_ids": list(delta.data)} if wanted.return_token_ids else choice

    def _usage(self) -> dict[str, int]:
        asked = sum(map(len, self._request.prompts))
        return {
            "prompt_tokens": asked, "completion_tokens": self._drawn, "total_tokens": asked + self._drawn,
        }  # fmt: skip
