"""Which bytes a run learns from and which it is measured on: never the same."""

from dataclasses import dataclass

from bbyte.data import part
from bbyte.data.corpus import ByteCorpus
from bbyte.data.part import Part
from bbyte.evaluation import ByteSource, Slice


@dataclass(frozen=True)
class Division:
    """What a run does with its corpus.

    train: the bytes to learn from. validation: those to score, or None. val_fraction: what it takes to divide
    the corpus like this again; 0 where all of it is trained on. sentence: all that in words.
    """

    corpus: ByteCorpus
    train: ByteCorpus | Part
    validation: ByteSource | None
    val_fraction: float
    sentence: str


def divide(corpus: ByteCorpus, val_fraction: float, eval_bytes: int) -> Division:
    """Hold out what is to be scored: at most the first `eval_bytes` of the validation part.

    That is the part that `pack` held out, and all of the corpus is trained on; or else about `val_fraction`
    of the corpus, chosen by the digests of its documents (see `bbyte.data.part.divide`, which reads all of it
    once).
    """
    if corpus.validation is not None:
        scored = Slice(corpus.validation, 0, min(corpus.validation.size, eval_bytes))
        return Division(corpus, corpus, scored, 0.0, f"validation: {scored.size:,} bytes that pack held out")
    train, held_out = part.divide(corpus, val_fraction)
    if held_out is None:
        why = "it is too small or all the same" if val_fraction else "as was asked for"
        sentence = f"validation: none, no bytes of the corpus are held out: {why}"
        return Division(corpus, train, None, 0.0, sentence)
    scored = Slice(held_out, 0, min(held_out.size, eval_bytes))
    sentence = f"validation: {scored.size:,} of {held_out.size:,} bytes held out by their digests"
    return Division(corpus, train, scored, val_fraction, sentence)
