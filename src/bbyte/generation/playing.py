"""The settings of a session, and what they are until they are changed. Imports neither torch nor numpy."""

from dataclasses import dataclass, fields
from typing import Any

from bbyte.config import Problems, setting
from bbyte.generation.sampling import Sampling

_HELP: dict[str, str] = {field.name: field.metadata["help"] for field in fields(Sampling)}


def _from(default: Any, name: str) -> Any:
    return setting(default, _HELP[name])


@dataclass(frozen=True)
class Playing(Sampling):
    """How the next byte is drawn in a session, and how many are written at a time."""

    temperature: float = _from(0.8, "temperature")
    top_k: int = _from(50, "top_k")
    top_p: float = _from(0.9, "top_p")
    repetition_penalty: float = _from(1.1, "repetition_penalty")
    length: int = setting(1024, "How many bytes are written before you are asked again")

    def __post_init__(self) -> None:
        problems = Problems()
        problems.attempt(super().__post_init__)
        if type(self.length) is int:
            problems.check(self.length >= 1, f"length {self.length} is not at least 1", "1024 is the default")
        problems.raise_if_any()
