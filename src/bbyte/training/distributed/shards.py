"""The checkpoint of a model of which each process holds a part: written by all at once, beside training.

torch.distributed.checkpoint copies each process's part aside and writes it in the background, as safetensors:
its own format would have a pickle beside them. The first process then puts the parts together.
"""

import math
import shutil
import warnings
from collections.abc import Callable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor
from torch.distributed.checkpoint.api import CheckpointException
from torch.distributed.checkpoint.hf_storage import HuggingFaceStorageReader, HuggingFaceStorageWriter
from torch.distributed.checkpoint.state_dict_loader import load
from torch.distributed.checkpoint.state_dict_saver import async_save

from bbyte.checkpoint.store import TEMPORARY
from bbyte.training.distributed.group import Group

Tensors = Mapping[str, Tensor]
FOLDER = f"{TEMPORARY}parts"
"""Hidden, and removed with all that interrupted saves leave."""


class Shards:
    """Writes the parts of one save at a time."""

    def __init__(self, group: Group) -> None:
        self._group = group
        # Of its own, for what is said in the background must not mix with what training says.
        self._background = dist.new_group(backend="gloo")
        self._thread = ThreadPoolExecutor(1, "saving")

    def begin(
        self, run: Path, weights: Tensors, state: Tensors, keep: Callable[[Tensors, Tensors], Path]
    ) -> "Future[Path | None]":
        """Copy this process's part of all tensors aside, and write it from there.

        In the first process `keep` is then given all of them whole, and its answer is what the future holds.
        """
        folder = run / FOLDER
        self._group.first(lambda: shutil.rmtree(folder, ignore_errors=True))
        named = {f"model.{name}": tensor.detach() for name, tensor in weights.items()}
        named |= {f"state.{name}": tensor.detach() for name, tensor in state.items()}
        writer = HuggingFaceStorageWriter(str(folder), save_distributed=True)
        written: Any = async_save(named, storage_writer=writer, process_group=self._background)
        shapes = {name: (tensor.shape, tensor.dtype) for name, tensor in named.items()}

        def complete() -> Path | None:
            try:
                written.result()
            except CheckpointException as error:  # of one or several processes
                raise next(failure for failure, _ in error.failures.values()) from error
            if not self._group.is_first:
                return None
            whole = {name: torch.empty(shape, dtype=dtype) for name, (shape, dtype) in shapes.items()}
            _read(folder, whole)
            return keep(_under("model.", whole), _under("state.", whole))

        return self._thread.submit(complete)


def _read(folder: Path, whole: dict[str, Tensor]) -> None:
    """Put the parts in `folder` together. Raises OSError where some are missing: torch passes over that."""
    reader = HuggingFaceStorageReader(str(folder))
    there: Any = reader.read_metadata().state_dict_metadata
    for name, tensor in whole.items():
        parts = there[name].chunks if name in there else ()
        if sum(math.prod(part.sizes) for part in parts) != tensor.numel():
            raise OSError(f"parts of {name} are missing: all machines must see the run's folder")
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "torch.distributed is disabled")  # as it is meant
        load(whole, storage_reader=reader, no_dist=True)


def _under(prefix: str, tensors: Tensors) -> Tensors:
    return {name.removeprefix(prefix): value for name, value in tensors.items() if name.startswith(prefix)}
