"""How much one request, and all of them together, may ask of a server. Imports neither torch nor numpy."""

from dataclasses import dataclass, fields

from bbyte.config import Problems, setting


@dataclass(frozen=True)
class Limits:
    """What a request may be, and how many there may be at a time; what is beyond is refused in words."""

    max_requests: int = setting(16, "Requests computed or waiting at a time; more are told to come again")
    max_body_bytes: int = setting(1 << 20, "Bytes of a request's body at most")
    max_prompt_bytes: int = setting(1 << 16, "Bytes of all prompts of a request at most")
    max_new_tokens: int = setting(1 << 14, "Bytes a request may have written in each text at most")
    max_texts: int = setting(16, "Texts in one answer at most: prompts times n")

    def __post_init__(self) -> None:
        problems = Problems()
        if problems.check_types(self):
            for field in fields(self):
                value = getattr(self, field.name)
                problems.check(value >= 1, f"{field.name} {value} is not at least 1")
        problems.raise_if_any()


MOST_STOPS = 4
MOST_LIKELIEST = 20
"""Likeliest bytes shown at each place of a text."""
HEADER_SECONDS = 10.0
"""For a client to send the head of a request; its body has as long again."""
SEND_SECONDS = 30.0
"""For a client to take what is sent to it."""
MOST_CONNECTIONS = 256
