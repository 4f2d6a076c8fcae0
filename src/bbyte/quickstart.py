"""The guided tour: train a ternary model on a corpus every machine has, score it, and let it write."""

from dataclasses import dataclass
from pathlib import Path

from bbyte.anchors import Anchor, anchors
from bbyte.checkpoint import find
from bbyte.data.corpus import ByteCorpus
from bbyte.evaluation import Score
from bbyte.generation.sampling import Sampling
from bbyte.scoring import primer, score_checkpoint
from bbyte.starter import DATASETS, NAME, pack_documentation
from bbyte.training.request import Request
from bbyte.training.start import start
from bbyte.training.trainer import Trainer

SECONDS = 105
PROMPT = b"Return the "
BYTES_WRITTEN = 400
SAMPLING = Sampling(temperature=0.6, top_k=50)

TRAINING = {"seq_len": 128, "batch_size": 16, "eval_bytes": 32768, "save_every": 0, "log_every": 20}


@dataclass(frozen=True)
class Result:
    """What the tour measured on the held-out slice, each byte counted once."""

    score: Score
    anchors: tuple[Anchor, ...]

    def best_alone(self) -> Anchor:
        """The classical compressor that did best without having seen the training text."""
        return min((a for a in self.anchors if not a.primed), key=lambda a: a.bits_per_byte)


def corpus(datasets: Path = DATASETS) -> ByteCorpus:
    """Python's own documentation, packed if it is not there yet."""
    return pack_documentation(datasets / NAME)


def trainer(learned: ByteCorpus, *, seconds: float = SECONDS, out: Path | None = None) -> Trainer:
    """A tiny ternary model and as many steps as take about `seconds` here."""
    return start(
        Request(
            family="ar", data=learned.path, preset="tiny", training=TRAINING,
            name="quickstart", out=out, seconds=seconds, planned=True,
        )
    )  # fmt: skip


def score(trained: Trainer) -> Result:
    """Score the trained model and the classical compressors on the whole held-out slice."""
    held_out = trained.data.corpus.validation
    assert held_out is not None  # noqa: S101
    found = find.find(trained.folder)
    seen = primer(found.meta)
    compared = anchors(held_out.read(0, held_out.size).tobytes(), seen[0] if seen else None)
    return Result(score_checkpoint(found, held_out, trained.placement), tuple(compared))


def text(trained: Trainer) -> bytes:
    """What the model writes after `PROMPT`."""
    from bbyte.generation.stream import generate

    build = trained.family.predictor
    assert build is not None  # noqa: S101
    predictor = build(trained.model, trained.schedule.longest, 1)
    return b"".join(step.tobytes() for step in generate(predictor, PROMPT, BYTES_WRITTEN, SAMPLING))
