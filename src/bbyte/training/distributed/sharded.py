"""Tensors of which each process holds a part (torch's DTensor), and those that each holds whole, as one."""

from typing import Any

from torch import Tensor


def is_sharded(tensor: Any) -> bool:
    """Whether this process holds a part of it alone."""
    return hasattr(tensor, "full_tensor")  # what loading its class, and much else, would tell as well


def part(tensor: Any) -> Tensor:
    """What this process holds of it: the memory itself."""
    held: Tensor = tensor.to_local() if is_sharded(tensor) else tensor
    return held


def whole(tensor: Any) -> Tensor:
    """All of it. Every process must ask."""
    gathered: Tensor = tensor.full_tensor() if is_sharded(tensor) else tensor
    return gathered


def part_like(value: Tensor, like: Any) -> Tensor:
    """The part of a whole tensor that this process holds of `like`. Nothing is sent."""
    if not is_sharded(like):
        return value
    from torch.distributed.tensor import distribute_tensor

    divided = distribute_tensor(value, like.device_mesh, like.placements, src_data_rank=None)
    return part(divided)


def fill(held: Tensor, value: Tensor) -> None:
    """Copy a whole tensor into one of which this process may hold a part alone."""
    part(held).copy_(part_like(value.to(held.device), held))


def gather(local: Tensor, like: Any) -> Tensor:
    """The whole tensor whose part here is `local`, divided as `like` is. Every process must ask."""
    if not is_sharded(like):
        return local
    from torch.distributed.tensor import DTensor

    divided: Tensor = DTensor.from_local(
        local, like.device_mesh, like.placements, run_check=False, shape=like.shape, stride=like.stride()
    )
    return whole(divided)
