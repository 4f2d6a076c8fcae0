"""What a step allocates, followed on tensors without data: only shapes and lifetimes are real."""

import warnings
import weakref
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Protocol

import torch
from torch import Tensor
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves


class Allocator(Protocol):
    """Told of every storage as it is taken and given back."""

    def allocate(self, name: int, size: int) -> None:
        """Take `size` bytes under a name that is free."""

    def free(self, name: int) -> None:
        """Give back what was taken under `name`."""


class Following(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Tells `allocator` of the storage behind every new tensor, and of its end."""

    def __init__(self, allocator: Allocator) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.allocator = allocator
        self._alive: dict[int, int] = {}
        self._count = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """Run the operation, then look at what it returned."""
        result = func(*args, **(kwargs or {}))
        for value in tree_leaves(result):
            if isinstance(value, Tensor):
                self._meet(value.untyped_storage())
        return result

    def _meet(self, storage: torch.UntypedStorage) -> None:
        place = storage._cdata
        if place not in self._alive:
            self._count += 1
            self._alive[place] = self._count
            self.allocator.allocate(self._count, storage.nbytes())
            weakref.finalize(storage, self._forget, place, self._count)

    def _forget(self, place: int, name: int) -> None:
        del self._alive[place]
        self.allocator.free(name)


@contextmanager
def following(allocator: Allocator) -> Iterator[None]:
    """Inside, tensors hold no data, and `allocator` is told of every storage that a real one would have.

    What a kernel takes and gives back within one operation is not seen. Tensors must be made inside; a model
    from the meta device is brought in by `Module._apply`.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of the addresses that quantized weights are cached by
        with FakeTensorMode(allow_non_fake_inputs=True), Following(allocator):
            yield
