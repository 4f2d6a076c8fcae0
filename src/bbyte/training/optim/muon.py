"""Muon: momentum whose update is orthogonalised, for the matrices of the blocks (Jordan et al., 2024)."""

import math
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator

import torch
from torch import Tensor

from bbyte.training.distributed.sharded import gather, part, part_like

COEFFICIENTS = (3.4445, -4.7750, 2.0315)
ITERATIONS = 5
STACKED_BYTES = 64 << 20
"""How much is orthogonalised at once, a larger matrix alone; about five times as much is held meanwhile."""


def orthogonalise(matrices: Tensor) -> Tensor:
    """The nearest semi-orthogonal matrix to each of `matrices` (N, rows, columns), roughly.

    Five Newton-Schulz iterations of the quintic of torch.optim.Muon; singular values above a hundredth of the
    norm end between 0.5 and 1.5.
    In bfloat16 on a GPU, as there; in float32 on a CPU, where that is faster.
    """
    a, b, c = COEFFICIENTS
    x = matrices.bfloat16() if matrices.is_cuda else matrices.float()
    tall = x.shape[1] > x.shape[2]
    x = x.mT if tall else x
    x = x / x.norm(dim=(1, 2), keepdim=True).clamp_(min=1e-7)
    for _ in range(ITERATIONS):
        gram = x @ x.mT
        x = torch.baddbmm(x, torch.baddbmm(gram, gram, gram, beta=b, alpha=c), x, beta=a)
    return (x.mT if tall else x).to(matrices.dtype)


class Muon(torch.optim.Optimizer):
    """Nesterov momentum, orthogonalised, scaled by sqrt(max(1, rows / columns)): torch's "original" scale.

    Matrices of one shape are orthogonalised together, which torch.optim.Muon does one by one. As with torch's
    fused optimizers, a step changes nothing where the tensor `found_inf` is 1, and the host need not know.
    """

    _step_supports_amp_scaling = True  # torch's name for this, which also says that `found_inf` is read
    found_inf: Tensor | None = None

    def __init__(self, params: Iterable[Tensor], lr: float = 0.02, momentum: float = 0.95) -> None:
        super().__init__(params, {"lr": lr, "momentum": momentum})
        for group in self.param_groups:
            for parameter in group["params"]:
                self.state[parameter]["momentum_buffer"] = torch.zeros_like(parameter)

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> None:  # type: ignore[override]
        """One update from the gradients. `closure` is not used."""
        skip = None if self.found_inf is None else self.found_inf.bool()
        for group in self.param_groups:
            for parameters in _stacks(p for p in group["params"] if p.grad is not None):
                momenta = [self._momentum(p, group["momentum"], skip) for p in parameters]
                updates = orthogonalise(torch.stack(momenta))
                rows, columns = parameters[0].shape
                rate = group["lr"] * math.sqrt(max(1, rows / columns))
                for parameter, update in zip(parameters, updates, strict=True):
                    held = part(parameter)
                    _replace(held, held.add(part_like(update, parameter), alpha=-rate), skip)

    def _momentum(self, parameter: Tensor, momentum: float, skip: Tensor | None) -> Tensor:
        """The whole matrix to be orthogonalised, also where this process holds a part of it alone."""
        assert parameter.grad is not None  # noqa: S101
        buffer, gradient = part(self.state[parameter]["momentum_buffer"]), part(parameter.grad)
        moved = buffer.lerp(gradient, 1 - momentum)
        _replace(buffer, moved, skip)
        return gather(gradient.lerp(moved, momentum), parameter)


def _replace(old: Tensor, new: Tensor, skip: Tensor | None) -> None:
    # Arithmetic with a weight of 0 would keep neither from NaN nor the sign of a zero.
    if skip is None:
        old.copy_(new)
    else:
        torch.where(skip, old, new, out=old)


def _stacks(parameters: Iterable[Tensor]) -> Iterator[list[Tensor]]:
    """`parameters` by shape, never more at once than STACKED_BYTES."""
    same_shape: dict[torch.Size, list[Tensor]] = defaultdict(list)
    for parameter in parameters:
        same_shape[parameter.shape].append(parameter)
    for alike in same_shape.values():
        most = max(1, STACKED_BYTES // alike[0].nbytes)
        yield from (alike[start : start + most] for start in range(0, len(alike), most))
