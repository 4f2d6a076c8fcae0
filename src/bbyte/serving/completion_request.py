"""A request of OpenAI's completions protocol, as far as a model of bytes can answer it."""

import secrets
from dataclasses import dataclass, fields
from typing import Any

from bbyte.config import Problems, from_dict, setting
from bbyte.generation.sampling import Sampling
from bbyte.serving.fields import check_known, check_model, check_size, given, read_bytes
from bbyte.serving.limits import MOST_LIKELIEST, MOST_STOPS, Limits
from bbyte.serving.refusals import RefusedError

UNSUPPORTED: dict[str, tuple[Any, ...]] = {
    "best_of": (1,),
    "frequency_penalty": (0,),
    "presence_penalty": (0,),
    "logit_bias": ({},),
    "suffix": ("",),
}
"""Fields of the protocol that nothing here answers to, and values by which they ask for nothing."""
_LONGEST_STOP = 1024


@dataclass(frozen=True)
class Wanted(Sampling):
    """How much is written and how; the defaults are the protocol's, not those of `bbyte generate`."""

    temperature: float = setting(1.0, "as for bbyte generate")
    top_k: int = setting(0, "as for bbyte generate")
    max_tokens: int = setting(16, "How many bytes are written at most")
    n: int = setting(1, "How many texts for each prompt, each with random bits of its own")
    echo: bool = setting(False, "Give the prompt before its continuation")
    logprobs: int | None = setting(None, "Say what each byte cost, and so many of the likeliest ones")
    stream: bool = setting(False, "Send what is written as it comes")
    return_token_ids: bool = setting(False, "Give the bytes as numbers as well")

    def __post_init__(self) -> None:
        problems = Problems()
        problems.attempt(super().__post_init__)
        if problems.none:
            problems.check(self.max_tokens >= 0, f"max_tokens {self.max_tokens} is negative")
            problems.check(self.n >= 1, f"n {self.n} is not at least 1")
            problems.check(
                self.logprobs is None or 0 <= self.logprobs <= MOST_LIKELIEST,
                f"logprobs {self.logprobs} is not between 0 and {MOST_LIKELIEST}",
            )
            problems.check(
                self.max_tokens > 0 or self.echo, "max_tokens 0 asks for nothing", 'it goes with "echo": true'
            )
        problems.raise_if_any()


@dataclass(frozen=True)
class CompletionRequest:
    """What to go on from, what to end before, and the rest."""

    prompts: tuple[bytes, ...]
    stops: tuple[bytes, ...]
    wanted: Wanted
    include_usage: bool


def read(body: dict[str, Any], served: str, limits: Limits) -> CompletionRequest:
    """The request in a body. Without a seed one is chosen. Raises RefusedError and UsageError."""
    values = given(body)
    check_model(values, served)
    prompts = _prompts(values.pop("prompt", ""))
    stops = _stops(values.pop("stop", []))
    include_usage = _include_usage(values)
    user = values.pop("user", "")
    if not isinstance(user, str):
        raise RefusedError(400, "user is no text", param="user")
    for name, nothing in UNSUPPORTED.items():
        if name in values and not _is_one_of(values.pop(name), nothing):
            raise RefusedError(400, f"{name} is not supported: leave it out", param=name)
    check_known(values, [field.name for field in fields(Wanted)])
    values.setdefault("seed", secrets.randbits(32))
    wanted = from_dict(Wanted, values, where="the request")
    _check(prompts, wanted, limits)
    return CompletionRequest(tuple(prompts), tuple(stops), wanted, include_usage)


def _prompts(value: Any) -> list[bytes]:
    several = isinstance(value, list) and value and all(isinstance(one, str | list) for one in value)
    return [read_bytes(one, "prompt") for one in (value if several else [value])]


def _stops(value: Any) -> list[bytes]:
    several = value if isinstance(value, list) else [value]
    if len(several) > MOST_STOPS or not all(isinstance(one, str) and one for one in several):
        raise RefusedError(
            400, f"stop is neither a text nor a list of up to {MOST_STOPS}, none empty", param="stop"
        )
    stops = [read_bytes(one, "stop") for one in several]
    if any(len(stop) > _LONGEST_STOP for stop in stops):
        raise RefusedError(400, f"a stop text has more than {_LONGEST_STOP} bytes", param="stop")
    return stops


def _include_usage(values: dict[str, Any]) -> bool:
    options = values.pop("stream_options", None)
    if options is None:
        return False
    if not values.get("stream"):
        raise RefusedError(400, "stream_options are for stream: true", param="stream_options")
    if not (isinstance(options, dict) and options.keys() <= {"include_usage"}):
        raise RefusedError(400, 'stream_options knows only {"include_usage": true}', param="stream_options")
    wanted = options.get("include_usage") or False
    if not isinstance(wanted, bool):
        raise RefusedError(400, "include_usage is neither true nor false", param="stream_options")
    return wanted


def _is_one_of(value: Any, known: tuple[Any, ...]) -> bool:
    return not isinstance(value, bool) and value in known


def _check(prompts: list[bytes], wanted: Wanted, limits: Limits) -> None:
    check_size(prompts, limits)
    if wanted.max_tokens > limits.max_new_tokens:
        raise RefusedError(
            400,
            f"max_tokens is {wanted.max_tokens}; this server writes at most {limits.max_new_tokens}",
            param="max_tokens",
        )
    texts = len(prompts) * wanted.n
    if texts > limits.max_texts:
        raise RefusedError(
            400,
            f"{texts} texts are asked for; this server writes at most {limits.max_texts} at once",
            param="n",
        )
