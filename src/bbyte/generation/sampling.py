"""The settings of the sampler; what they do exactly is said in `bbyte.generation.sampler`."""

from dataclasses import dataclass
from typing import Literal

from bbyte.config import Problems, setting


@dataclass(frozen=True)
class Sampling:
    """How the next byte is drawn from a model's distribution."""

    temperature: float = setting(
        0.9, "Below 1 sharpens the distribution, above 1 flattens it; 0 takes the likeliest byte"
    )
    top_k: int = setting(50, "Keep only the k likeliest bytes; 0 keeps all")
    top_p: float = setting(1.0, "Keep the likeliest bytes that together have this probability; 1 keeps all")
    min_p: float = setting(0.0, "Keep bytes at least this fraction as likely as the likeliest; 0 keeps all")
    repetition_penalty: float = setting(1.0, "Above 1 makes bytes of the last --penalty-window less likely")
    penalty_window: int = setting(64, "How many bytes back the repetition penalty looks")
    utf8: Literal["any", "valid"] = setting("any", "valid: only bytes that can go on a text in UTF-8")
    seed: int = setting(0, "The same seed gives the same bytes")

    def __post_init__(self) -> None:
        problems = Problems()
        if problems.check_types(self):
            problems.check(
                self.temperature == 0 or 0.01 <= self.temperature <= 100,
                f"temperature {self.temperature} is neither 0 nor between 0.01 and 100",
                "0 always takes the likeliest byte, 0.9 is a good start",
            )
            problems.check(self.top_k >= 0, f"top_k {self.top_k} is negative", "0 keeps all bytes")
            problems.check(
                0 < self.top_p <= 1, f"top_p {self.top_p} is not above 0 and at most 1", "1 keeps all bytes"
            )
            problems.check(
                0 <= self.min_p <= 1, f"min_p {self.min_p} is not between 0 and 1", "0 keeps all bytes"
            )
            problems.check(
                0.01 <= self.repetition_penalty <= 100,
                f"repetition_penalty {self.repetition_penalty} is not between 0.01 and 100",
                "1 is no penalty, 1.1 a mild one",
            )
            problems.check(
                self.penalty_window >= 1, f"penalty_window {self.penalty_window} is not at least 1"
            )
            problems.check(0 <= self.seed < 1 << 64, f"seed {self.seed} is not between 0 and 2^64 - 1")
        problems.raise_if_any()
