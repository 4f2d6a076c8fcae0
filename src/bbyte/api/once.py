"""What is asked of a checkpoint only once, in one call. Imports no torch."""

from pathlib import Path
from typing import Any

from bbyte.api.model import Scorable, Text, load


def generate(
    prompt: Text = b"", max_new_tokens: int = 300, checkpoint: str | Path | None = None, **settings: Any
) -> bytes:
    """What the model of a checkpoint writes after `prompt`: `load(checkpoint).generate(…)`.

    settings: `stop`, and those of `bbyte.Sampling`.
    """
    return load(checkpoint).generate(prompt, max_new_tokens, **settings)


def infill(text: Text, checkpoint: str | Path | None = None, **settings: Any) -> bytes:
    """The text with its holes filled by the model of a checkpoint: `load(checkpoint).infill(…)`."""
    return load(checkpoint).infill(text, **settings)


def bits_per_byte(data: Scorable, checkpoint: str | Path | None = None, **settings: Any) -> float:
    """The mean code length of a byte of `data` under the model of a checkpoint, in bits.

    settings: context and stride, as `Model.score` has them.
    """
    return load(checkpoint).bits_per_byte(data, **settings)
