"""Scoring a checkpoint on bytes it was not trained on, and what a fair classical rival may have seen."""

import math
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import numpy as np

from bbyte.anchors import PRIMER_BYTES
from bbyte.checkpoint import find
from bbyte.checkpoint.find import Found
from bbyte.checkpoint.meta import CheckpointMeta
from bbyte.data import meta as described
from bbyte.data.corpus import ByteCorpus
from bbyte.data.part import divide
from bbyte.device import Placement
from bbyte.errors import BbyteError, UsageError
from bbyte.evaluation import (
    KEYS_A_SEED,
    ByteSource,
    Score,
    bits_per_byte,
    bits_per_byte_carried,
    carried_measure,
    objective_measure,
    whole_windows,
)
from bbyte.models.families import families

if TYPE_CHECKING:
    from bbyte.checkpoint.store import Loaded

POSITIONS_AT_ONCE = 16384
RATES = tuple(tenth / 10 for tenth in range(1, 11))
CARRIED_AT_ONCE = 4096
HELD_OUT = "the held-out part"
_ENTRIES_MET = 10_000


def score_checkpoint(
    checkpoint: "Found | Loaded",
    source: ByteSource,
    placement: Placement,
    *,
    context: int | Literal["full"] | None = None,
    stride: int | None = None,
    batch_size: int | None = None,
    draws: int | None = None,
    seed: int = 0,
    on_progress: Callable[[int, int], None] | None = None,
) -> Score:
    """Bits per byte of `source` under a checkpoint's model, which is loaded unless it is already.

    The context is the longest window the model was trained on by default, and at most; a family that carries
    a state may have more. With "full" it has everything before each byte: the state goes through the whole
    source. The stride is half the context by default. Where the figure is a bound, it is estimated from
    `draws` random masks of each window, which `seed` decides. Raises what `store.load` and `bits_per_byte`
    raise, and UsageError where "full" is asked of a family without a state.
    """
    from bbyte.checkpoint import store

    family = families()[checkpoint.meta.family]
    if context == "full":
        check_full(family.name)
    loaded = store.load(checkpoint, placement.device) if isinstance(checkpoint, Found) else checkpoint
    objective = family.objective(loaded.model, family.objective_config()).to(placement.device)
    is_bound = bool(objective.is_bound)
    if is_bound and draws is not None:
        objective.draws = draws  # type: ignore[assignment]
    with placement.autocast():
        if context == "full":
            measure = carried_measure(objective, placement.device)
            return bits_per_byte_carried(
                measure, source, block=CARRIED_AT_ONCE, is_bound=is_bound, on_progress=on_progress
            )
        length = longest_context(checkpoint.meta, context)
        return bits_per_byte(
            objective_measure(objective, placement.device, seed),
            source,
            context=length,
            stride=stride or max(1, length // 2),
            batch_size=batch_size or max(1, min(64, POSITIONS_AT_ONCE // length)),
            is_bound=is_bound,
            on_progress=on_progress,
        )


def masked_curve(
    found: Found, source: ByteSource, placement: Placement, *, context: int | None = None, seed: int = 0
) -> list[tuple[float, float]]:
    """Bits that each hidden byte costs on average, where so large a part of a window is hidden, by that part.

    This is no code length: at a low rate almost everything is known. Raises UsageError for a family that
    hides nothing.
    """
    from bbyte.checkpoint import store

    family = families()[found.meta.family]
    check_rates(family.name)
    length = longest_context(found.meta, context)
    objective = family.objective(store.load(found, placement.device).model, family.objective_config()).eval()
    sums = np.zeros((len(RATES), 2))
    key = seed << KEYS_A_SEED
    for rows in whole_windows(source, length, max(1, POSITIONS_AT_ONCE // length)):
        keys, key = np.arange(key, key + len(rows)), key + len(rows)
        with placement.autocast():
            for total, rate in zip(sums, RATES, strict=True):
                cost = objective.masked(rows, rate, keys)  # type: ignore[operator]
                total += float(cost.nats), cost.count
    return [(rate, nats / count / math.log(2)) for rate, (nats, count) in zip(RATES, sums, strict=True)]


def check_full(name: str) -> None:
    """Raise UsageError where the family's models do not carry a state through a whole text."""
    if not families()[name].carries_state:
        able = ", ".join(other.name for other in families().values() if other.carries_state)
        raise UsageError(
            f"family {name} keeps no state, so its context cannot be full",
            f"--context with a number of bytes; full is for {able}",
        )


def longest_context(model: CheckpointMeta, asked: int | None) -> int:
    """The context that is scored with where `asked` was asked for: beyond its window a model may collapse."""
    if asked is None or families()[model.family].carries_state:
        return asked or model.context
    return min(asked, model.context)


def held_out(corpus: ByteCorpus, models: Sequence[CheckpointMeta]) -> tuple[ByteSource, str, bool]:
    """The part of a corpus that none of the models was trained on, in words, and whether it is new to them.

    It is what pack held out, else what training held out: of several models the one that held out least, as a
    larger fraction only adds to the part (`divide`). Where there is no such part it is all of the corpus: new
    to models that were trained on other bytes, not new to those that were trained on these.
    """
    if corpus.validation is not None:
        return corpus.validation, HELD_OUT, True
    trained = [model.corpus for model in models if model.corpus.get("fingerprint") == corpus.fingerprint]
    if not trained:
        return corpus, "", True
    _, part = divide(corpus, min(float(entry.get("val_fraction", 0)) for entry in trained))
    return (corpus, "", False) if part is None else (part, HELD_OUT, True)


def primer(model: CheckpointMeta) -> tuple[bytes, str] | None:
    """The last bytes the model was trained on, as many as a compressor is primed with, and what to call them.

    None where the corpus is no longer where it was, or was a pattern of files: what a checkpoint names may be
    any place of the machine, so it is looked at before anything below it is read.
    """
    path = Path(model.corpus.get("path", ""))
    try:
        if not _may_be_corpus(path, model.corpus["size"]):
            return None
        corpus = ByteCorpus.open(path)
    except (BbyteError, OSError):
        return None
    if corpus.fingerprint != model.corpus.get("fingerprint"):
        return None
    train, _ = divide(corpus, float(model.corpus.get("val_fraction", 0)))
    start = max(0, train.size - PRIMER_BYTES)
    last = train.read(start, train.size).tobytes()
    return last, f"the last {len(last):,} training bytes of {path}"


def expand(paths: Sequence[Path], *, all_steps: bool = False) -> list[Path]:
    """The paths themselves; with `all_steps` every checkpoint of those that are runs, unchecked."""
    if not all_steps:
        return list(paths)
    return [step for path in paths for step in sorted(find.steps(path)) or [path]]


def check_rates(name: str) -> None:
    """Raise UsageError where the family's models are not trained with hidden bytes."""
    if families()[name].infiller is None:
        able = ", ".join(other.name for other in families().values() if other.infiller is not None)
        raise UsageError(f"family {name} hides nothing, so there are no rates", f"--rates is for {able}")


def _may_be_corpus(path: Path, size: int) -> bool:
    """Whether a corpus of so many bytes may lie at `path`, found out without a long walk."""
    if path.is_file():
        return path.stat().st_size == size
    if not path.is_dir():
        return False
    names = [entry.name for entry in path.iterdir()]
    if described.FILE in names or any(map(described.is_shard_name, names)):
        return True
    total = met = 0
    for folder, inside, files in os.walk(path):
        met += len(inside) + len(files)
        total += sum(file.lstat().st_size for file in (Path(folder, name) for name in files) if _is_own(file))
        if met > _ENTRIES_MET or total > size:
            return False
    return total == size


def _is_own(file: Path) -> bool:
    return file.is_file() and not file.is_symlink()
