"""What is put around a model from outside, for the hardware: activation checkpointing and compilation.

Neither changes the mathematics, the names of the parameters, or a checkpoint.
"""

import ctypes
import platform
import re
from collections.abc import Callable
from functools import cache
from typing import Any, Literal

import numpy as np
import torch
from torch import nn
from torch.utils.checkpoint import checkpoint

from bbyte.device import Placement, Runtime
from bbyte.errors import BbyteError, UsageError
from bbyte.layers import FeedForward
from bbyte.models.contract import Cost
from bbyte.training.noise import noise

Forward = Callable[..., Cost]
Recomputed = Literal["none", "mlp", "block"]
GIVEN_BACK_FROM = 4 << 20
"""With activation checkpointing on a CPU, tensors of so many bytes go back to the system when freed."""


def wrap(
    objective: nn.Module, runtime: Runtime, placement: Placement, window_shape: tuple[int, int]
) -> tuple[Forward, tuple[str, ...]]:
    """What training calls in place of `objective`, and one sentence for each choice made for the user.

    window_shape: (B, T + 1) of the windows computed at once, on which compilation is tried. Raises UsageError
    for a part that the model does not have, BbyteError where `compile` was asked for and fails.
    """
    model, said = objective.get_submodule("model"), []
    what = recomputed(runtime, placement)
    recompute(model, what)
    if placement.device == "cpu" and what != "none":
        _give_freed_memory_back()
    if runtime.grad_checkpoint == "auto" and what != "none":
        said.append(f"grad_checkpoint {what}: on a GPU its memory is worth more than the time it takes")
    left_open = runtime.compile is None and (runtime.shard or not placement.device.startswith("cuda"))
    if runtime.compile is False or left_open:
        return objective, tuple(said)
    # A whole graph or none: with parts left out, "compiled" would not be true.
    compiled: Forward = torch.compile(objective, fullgraph=True)
    try:
        _try(compiled, objective, placement, window_shape)
    except torch.OutOfMemoryError:
        raise
    except Exception as error:
        reason = re.search(
            r"\(reason: (.+?)\)$", str(error), re.MULTILINE
        )  # as torch.compiler.disable says it
        why = reason[1] if reason else str(error).strip().partition("\n")[0] or type(error).__name__
        if runtime.compile:
            raise BbyteError(f"the model cannot be compiled here: {why}", "--no-compile") from error
        return objective, (*said, f"not compiled, because that fails here: {why}")
    if runtime.compile is None:
        said.append("compiled: it works on this GPU; --no-compile starts faster and runs slower")
    return compiled, tuple(said)


def recomputed(runtime: Runtime, placement: Placement) -> Recomputed:
    """The part whose activations are computed again in the backward pass, with `auto` settled."""
    if runtime.grad_checkpoint == "auto":
        return "block" if placement.device.startswith("cuda") else "none"
    return runtime.grad_checkpoint


def recompute(model: nn.Module, what: Recomputed) -> None:
    """Keep only the inputs of each block (or each feed-forward) of `model` for the backward pass.

    What they hold inside is computed again there (Chen et al., arXiv 1604.06174): the same gradients, bit for
    bit. Without gradients nothing changes. Raises UsageError where the blocks have no feed-forward.
    """
    blocks = model.blocks
    assert isinstance(blocks, nn.ModuleList)  # noqa: S101
    parts: list[nn.Module] = []
    if what == "block":
        parts = list(blocks)
    elif what == "mlp":
        parts = [module for module in blocks.modules() if isinstance(module, FeedForward)]
        if not parts:
            raise UsageError(
                "grad_checkpoint mlp: this model's blocks have no feed-forward", "--grad-checkpoint block"
            )
    for part in parts:
        # By class, as FSDP does it: names stay, and a copy of the model is wrapped by itself.
        part.__class__ = _recomputing(type(part))  # type: ignore[arg-type]


def _give_freed_memory_back() -> None:
    # What keep_freed_memory keeps lies unused between blocks that come and go: half as much again, or more.
    # Whoever computes activations again wants the memory rather than the time.
    if platform.libc_ver()[0] == "glibc":
        ctypes.CDLL(None).mallopt(_M_MMAP_THRESHOLD, GIVEN_BACK_FROM)


_M_MMAP_THRESHOLD = -3


@cache
def _recomputing(kind: type[nn.Module]) -> type[nn.Module]:
    # One class for all models of a kind: what was compiled for one serves the next.
    return type(kind.__name__, (_Recomputed, kind), {})


class _Recomputed(nn.Module):
    """Mixed into the class of a module whose activations are not kept."""

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        """As the module itself."""
        if not torch.is_grad_enabled():
            return super().forward(*args, **kwargs)
        # No block draws random numbers, so their state need not be kept.
        return checkpoint(super().forward, *args, use_reentrant=False, preserve_rng_state=False, **kwargs)


def _try(forward: Forward, objective: nn.Module, placement: Placement, shape: tuple[int, int]) -> None:
    """One window forward and backward, which leaves neither gradients nor random numbers behind."""
    devices = [placement.device] if placement.device.startswith("cuda") else []
    with torch.random.fork_rng(devices):
        window = torch.randint(256, shape, dtype=torch.uint8, device=placement.device)
        try:
            with placement.autocast():
                cost = forward(window, *noise(objective, np.arange(shape[0]), shape[1] - 1, placement.device))
            (cost.nats / cost.count).backward()
        finally:
            objective.zero_grad(set_to_none=True)
