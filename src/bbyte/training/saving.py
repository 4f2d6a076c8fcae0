"""Writing a run's checkpoints, and dropping those it no longer needs."""

import shutil
from pathlib import Path

import torch
from torch import nn

from bbyte.checkpoint import find, store
from bbyte.checkpoint.meta import CheckpointMeta
from bbyte.errors import BbyteError
from bbyte.training.optimizer import Optimizers


def save(run: Path, meta: CheckpointMeta, model: nn.Module, optimizers: Optimizers, keep: int) -> Path:
    """Write a checkpoint into the folder of its run, keep the newest `keep` (0: all), and return where it is.

    Raises BbyteError rather than save weights that are not finite.
    """
    if not all(bool(torch.isfinite(parameter).all()) for parameter in model.parameters()):
        raise BbyteError(
            f"the weights are not finite at step {meta.step}: the run diverged, nothing was saved",
            "resume from the last checkpoint with a lower --lr or --matrix-lr",
        )
    path = store.save(run, meta, model.state_dict(), optimizers.state())
    # Checkpoints beyond this step are damaged, or of a course that the run has left by resuming before them.
    found = find.steps(run)
    this = found.index(path)
    for old in (*found[:this], *(found[this + keep :] if keep else ())):
        shutil.rmtree(old)
    return path
