"""A legacy file as a checkpoint folder beside it; the file itself is only read."""

import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from bbyte import durable
from bbyte.checkpoint import store, tensors
from bbyte.checkpoint.legacy import bitbyte
from bbyte.checkpoint.legacy.extract import SOURCE_DIGEST, Extracted, extract
from bbyte.checkpoint.meta import LONGEST_CONTEXT, CheckpointMeta
from bbyte.config import Config, from_dict, to_dict
from bbyte.errors import DataError, UsageError
from bbyte.models.families import family as find_family
from bbyte.quantization.statistics import ternary_statistics

STAGES = ((0.2, 2048), (0.5, 4096), (1.0, 8192))
"""BitByte's curriculum: the window until this part of the steps."""
TEMPORARY = ".tmp-legacy-"


def convert(path: Path, run: Path, family: str, tags: Mapping[str, str]) -> Path:
    """Write the model of a BitByte file as a checkpoint of `family` into the new folder `run`; returns where.

    Weights and configuration are kept, the optimizer's state is not: bbyte's optimizers have another. What
    the file does not say (the corpus, how many bytes were seen) is recorded as unknown. The folder comes to
    be whole or not at all. Raises what `extract` raises, and DataError or UsageError where the weights are
    not those of such a model, the file is not the one that `tags` tell of, or `run` is there already.
    """
    with tempfile.TemporaryDirectory(prefix=TEMPORARY, dir=run.parent) as scratch:
        found = extract(path, Path(scratch))
        if found.blake3 != tags[SOURCE_DIGEST]:
            raise DataError(f"{path} is not what it was a moment ago", "wait until nothing writes to it")
        assert found.weights is not None  # noqa: S101
        weights = tensors.load(found.weights, found.tensors)
        meta, ours = described(found, weights, family, tags)
        whole = Path(scratch, run.name)
        whole.mkdir()
        step = store.save(whole, meta, ours, None)
        try:
            whole.rename(run)
        except OSError as error:
            if not run.exists():
                raise
            raise UsageError(f"{run} is there already", "move it, or rename the .pt") from error
        durable.flush_folder(run.parent)
    return run / step.name


def longest_window(settings: Mapping[str, Any], step: int) -> int:
    """The longest window a BitByte run had been trained on at `step`, by its settings.

    Raises DataError for one that nothing is trained on.
    """
    fixed, cap, steps = (_count(settings.get(name)) for name in ("seq_len", "seq_len_cap", "steps"))
    if fixed > LONGEST_CONTEXT:
        raise DataError(f"its settings give windows of {fixed:,} bytes", "it is not whole: use another copy")
    if fixed:
        return fixed
    part = step / steps if steps else 1.0
    reached = next(window for until, window in STAGES if part < until or until == 1.0)
    return min(reached, cap) if cap else reached


def described(
    found: Extracted, weights: Mapping[str, Tensor], family: str, tags: Mapping[str, str]
) -> tuple[CheckpointMeta, dict[str, Tensor]]:
    """What the checkpoint.json of a BitByte file says, but for the files, and its weights under our names.

    Raises DataError where they make no model, UsageError where it is none of `family`.
    """
    kind = find_family(family)
    step = _count(found.labels.get("step"))
    try:
        for name in {"tok_emb.weight", bitbyte.HEAD} & found.tensors.keys():
            bitbyte.matrix_shape(found.tensors, name)
        tied = bitbyte.is_tied(weights) if "tok_emb.weight" in weights else True
        values = bitbyte.architecture(found.tensors, found.settings, tied)
        config: Config = from_dict(kind.config, values, where="its settings")
        ours = bitbyte.translated(weights, tied=tied)
        with torch.device("meta"):
            model = kind.build(config)
        _check_complete(model.state_dict(), ours)
        context = longest_window(found.settings, step)
    except DataError as error:
        raise DataError(f"{found.path}: {error.message}", error.hint) from error
    except UsageError as error:
        why = error.message.splitlines()[0]
        raise UsageError(f"{found.path} is no model of family {family}: {why}", error.hint) from error
    meta = CheckpointMeta(
        kind="resume",
        family=family,
        variant="ternary",
        config=to_dict(config),
        step=step,
        bytes_seen=0,
        context=context,
        quantized=True,
        corpus={"path": str(found.settings.get("data") or "unknown"), "size": 0, "fingerprint": ""},
        metrics={},
        environment={},
        tags={**tags, "bytes_seen": "unknown"},
        ternary=ternary_statistics(model, ours),
    )
    return meta, ours


def _check_complete(expected: Mapping[str, Tensor], weights: Mapping[str, Tensor]) -> None:
    for name in sorted(expected.keys() ^ weights.keys()):
        raise DataError(
            f"the model {'lacks' if name in expected else 'has no place for'} {name}",
            "is it of another family or script?",
        )
    for name, value in expected.items():
        if value.shape != weights[name].shape:
            raise DataError(
                f"{name} is {tuple(weights[name].shape)}, expected {tuple(value.shape)}",
                "is it of another family or script?",
            )


def _count(value: Any) -> int:
    if type(value) is float and value.is_integer():
        value = int(value)
    return value if type(value) is int and 0 <= value < 1 << 62 else 0
