"""What is put around a model so that several processes train it as one: DDP, or FSDP2 where it is sharded."""

import warnings
from typing import Any

import torch
from torch import nn

from bbyte.device import Placement
from bbyte.quantization.bitlinear import ternary_layers


def replicate(objective: Any, placement: Placement) -> nn.Module:
    """`objective`, which each process holds whole; gradients are averaged while the backward pass runs.

    DistributedDataParallel (Li et al., arXiv 2006.15704). Gradients lie in its buckets, and only there.
    """
    devices = [torch.device(placement.device)] if placement.device.startswith("cuda") else None
    return nn.parallel.DistributedDataParallel(objective, device_ids=devices, gradient_as_bucket_view=True)


def shard(model: nn.Module, placement: Placement) -> None:
    """Divide the parameters of `model` among the processes, and with them gradients and optimizer state.

    A block's weights are gathered when they are needed and dropped again (FSDP2; Zhao et al., arXiv
    2304.11277). They travel as they are, in float32: ternary weights are those of the latent ones to the bit.
    """
    from torch.distributed.device_mesh import init_device_mesh
    from torch.distributed.fsdp import fully_shard

    # Logits are a view of what the model computes, and nobody writes into them.
    warnings.filterwarnings("ignore", "FSDP2-wrapped module .* returned a view tensor")
    mesh = init_device_mesh(placement.device.split(":")[0], (placement.world.size,))
    for layer in ternary_layers(model).values():
        layer.keeps_quantized = False  # a copy of all weights would stay in each process
    blocks = model.blocks
    assert isinstance(blocks, nn.ModuleList)  # noqa: S101
    for block in blocks:
        fully_shard(block, mesh=mesh)
    fully_shard(model, mesh=mesh)
