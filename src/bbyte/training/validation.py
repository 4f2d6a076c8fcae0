"""Which bytes a run learns from and which it is measured on: never the same."""

from bbyte.data.corpus import ByteCorpus
from bbyte.evaluation import ByteSource, Slice


def split(corpus: ByteCorpus, val_fraction: float, eval_bytes: int) -> tuple[int, ByteSource | None, str]:
    """How many of the corpus' first bytes to learn from, what to score, and a sentence that says so.

    Scored is the validation part that pack held out, or else the corpus' last bytes; at most `eval_bytes`.
    """
    if corpus.validation is not None:
        scored = Slice(corpus.validation, 0, min(corpus.validation.size, eval_bytes))
        return corpus.size, scored, f"validation: {scored.size:,} bytes that pack held out"
    held_out = int(corpus.size * val_fraction)
    train_size = corpus.size - held_out
    if held_out == 0:
        return train_size, None, "validation: none, no bytes of the corpus are held out"
    scored = Slice(corpus, train_size, min(held_out, eval_bytes))
    return train_size, scored, f"validation: {scored.size:,} of the corpus' last {held_out:,} bytes"
