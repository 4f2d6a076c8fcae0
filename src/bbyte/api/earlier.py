"""Names of earlier byte-LM scripts, for programs that were written for those. Imports no torch."""

from dataclasses import dataclass
from pathlib import Path

from bbyte.api.model import load
from bbyte.errors import UsageError


@dataclass
class InferenceConfig:
    """How `ByteLevelGenerator` writes; the fields may be changed between two texts.

    max_seq_len: bytes that the repetition penalty looks back. vocab_size: 256, as bytes have no other. seed:
    the same seed gives the same text.
    """

    max_new_bytes: int = 256
    temperature: float = 0.8
    top_k: int = 50
    top_p: float = 0.9
    repetition_penalty: float = 1.1
    max_seq_len: int = 512
    vocab_size: int = 256
    seed: int = 0


class ByteLevelGenerator:
    """Writes text with the model of a checkpoint. Raises what `bbyte.load` raises.

    A `.pt` file has to be converted first: `bbyte tag-ckpt FILE --apply`.
    """

    def __init__(self, model_path: str | Path, config: InferenceConfig | None = None) -> None:
        self.config = config if config is not None else InferenceConfig()
        self.model = load(model_path)

    def generate(self, prompt: str, max_new_bytes: int | None = None) -> str:
        """The continuation of `prompt`, without it. Bytes that are no UTF-8 are left out."""
        config = self.config
        if config.vocab_size != 256:
            raise UsageError(f"vocab_size {config.vocab_size} is not 256", "there are 256 bytes")
        written = self.model.generate(
            prompt,
            config.max_new_bytes if max_new_bytes is None else max_new_bytes,
            temperature=config.temperature,
            top_k=config.top_k,
            top_p=config.top_p,
            repetition_penalty=config.repetition_penalty,
            penalty_window=config.max_seq_len,
            seed=config.seed,
        )
        return written.decode("utf-8", "ignore")
