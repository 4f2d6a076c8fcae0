"""A legacy file as a checkpoint folder beside it; the file itself is only read."""

import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from bbyte.checkpoint import store, tensors
from bbyte.checkpoint.legacy import bitbyte
from bbyte.checkpoint.legacy.extract import Extracted, extract
from bbyte.checkpoint.meta import CheckpointMeta
from bbyte.config import Config, from_dict, to_dict
from bbyte.errors import DataError, UsageError
from bbyte.models.families import family as find_family
from bbyte.quantization.statistics import ternary_statistics

STAGES = ((0.2, 2048), (0.5, 4096), (1.0, 8192))
"""BitByte's curriculum: the window until this part of the steps."""
TEMPORARY = ".tmp-legacy-"


def convert(path: Path, run: Path, family: str, tags: Mapping[str, str]) -> Path:
    """Write the model of a BitByte file as a checkpoint of `family` into the folder `run`; returns where.

    Weights and configuration are kept, the optimizer's state is not: bbyte's optimizers have another. What
    the file does not say (the corpus, how many bytes were seen) is recorded as unknown. Raises what `extract`
    raises, and DataError or UsageError where the weights are not those of such a model.
    """
    new = not run.exists()
    run.mkdir(parents=True, exist_ok=True)
    try:
        with tempfile.TemporaryDirectory(prefix=TEMPORARY, dir=run) as scratch:
            found = extract(path, Path(scratch))
            assert found.weights is not None  # noqa: S101
            weights = tensors.load(found.weights, found.tensors)
            described, ours = _described(found, weights, family, tags)
            return store.save(run, described, ours, None)
    except BaseException:
        if new and not any(run.iterdir()):
            run.rmdir()
        raise


def longest_window(settings: Mapping[str, Any], step: int) -> int:
    """The longest window a BitByte run had been trained on at `step`, by its settings."""
    fixed, cap, steps = (_count(settings.get(name)) for name in ("seq_len", "seq_len_cap", "steps"))
    if fixed:
        return fixed
    part = step / steps if steps else 1.0
    reached = next(window for until, window in STAGES if part < until or until == 1.0)
    return min(reached, cap) if cap else reached


def _described(
    found: Extracted, weights: Mapping[str, Tensor], family: str, tags: Mapping[str, str]
) -> tuple[CheckpointMeta, dict[str, Tensor]]:
    kind = find_family(family)
    try:
        tied = bitbyte.is_tied(weights) if "tok_emb.weight" in weights else True
        values = bitbyte.architecture(found.tensors, found.settings, tied)
        config: Config = from_dict(kind.config, values, where="its settings")
        ours = bitbyte.translated(weights, tied=tied)
        with torch.device("meta"):
            model = kind.build(config)
        _check_complete(model.state_dict(), ours)
    except (DataError, UsageError) as error:
        raise DataError(f"{found.path}: {error.message}", error.hint) from error
    step = _count(found.labels.get("step"))
    described = CheckpointMeta(
        kind="resume",
        family=family,
        variant="ternary",
        config=to_dict(config),
        step=step,
        bytes_seen=0,
        context=longest_window(found.settings, step),
        quantized=True,
        corpus={"path": str(found.settings.get("data") or "unknown"), "size": 0, "fingerprint": ""},
        metrics={},
        environment={},
        tags={**tags, "bytes_seen": "unknown"},
        ternary=ternary_statistics(model, ours),
    )
    return described, ours


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
    return value if type(value) is int and 0 <= value < 1 << 62 else 0
