"""The settings of infilling; what they do exactly is said in `bbyte.generation.infill`."""

from dataclasses import dataclass
from typing import Literal

from bbyte.config import Problems, setting
from bbyte.generation.sampling import Sampling


@dataclass(frozen=True)
class Infilling:
    """In which order holes are filled, and how each byte is drawn."""

    steps: int | None = setting(
        None, "Steps to fill a window in (default: one a hidden byte, at most 256); fewer are faster"
    )
    order: Literal["confidence", "random", "left"] = setting(
        "confidence", "Which byte comes next: the surest, any one, or the leftmost"
    )
    temperature: float = setting(
        Sampling.temperature, "Below 1 sharpens the distribution, above 1 flattens it; 0 takes the likeliest"
    )
    top_k: int = setting(Sampling.top_k, "Keep only the k likeliest bytes; 0 keeps all")
    top_p: float = setting(
        Sampling.top_p, "Keep the likeliest bytes that together have this probability; 1 keeps all"
    )
    remask: bool = setting(False, "Hide the least sure of the new bytes again at each step, to mend them")
    utf8: Literal["any", "valid"] = setting("any", "valid: the filled text is valid UTF-8")
    seed: int = setting(Sampling.seed, "The same seed gives the same bytes")

    def __post_init__(self) -> None:
        problems = Problems()
        if problems.check_types(self):
            steps = self.steps
            problems.check(steps is None or steps >= 1, f"steps {steps} is not at least 1")
            problems.attempt(self.sampling)
        problems.raise_if_any()

    def sampling(self) -> Sampling:
        """How a byte is drawn from its distribution."""
        return Sampling(temperature=self.temperature, top_k=self.top_k, top_p=self.top_p, seed=self.seed)
