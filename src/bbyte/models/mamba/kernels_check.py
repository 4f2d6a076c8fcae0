"""Whether a kernel computes what torch computes: outputs, states and gradients on a small random input."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Literal, NamedTuple

import torch
from torch import Tensor
from torch._subclasses.fake_tensor import unset_fake_temporarily

Operation = Callable[..., tuple[Tensor, Tensor]]
Name = Literal["ssd", "selective_scan", "causal_conv"]

TOLERANCE = 1e-2
"""What the kernels may differ by, relative to the largest magnitude.

They multiply float32 in TF32, 11 significant bits: every factor is off by up to 5e-4, and some results are
products of several.
"""


class Example(NamedTuple):
    """The tensors of one call: `inputs`, all but the state; `state`; and the gradient of the output."""

    inputs: tuple[Tensor, ...]
    state: Tensor
    grad: Tensor


def example(name: Name) -> Example:
    """A random float32 input on the CPU, the same every time; torch's own random state stays as it is."""
    generator = torch.Generator("cpu").manual_seed(0)

    def normal(*shape: int) -> Tensor:
        return torch.randn(shape, generator=generator, device="cpu", dtype=torch.float32)

    def between(low: float, high: float, *shape: int) -> Tensor:
        numbers = torch.rand(shape, generator=generator, device="cpu", dtype=torch.float32)
        return numbers.mul_(high - low).add_(low)

    if name == "causal_conv":
        B, T, C, K = 2, 70, 64, 4
        filters = normal(C, 1, K), normal(C)
        return Example((normal(B, T, C), *filters), normal(B, K - 1, C), normal(B, T, C))
    # More than one of the kernel's own chunks, of 256 or 2048 positions, and the last one not full. Steps so
    # small that a state lasts for some 100 positions: what goes on from chunk to chunk counts.
    if name == "selective_scan":
        B, T, D, N = 2, 2100, 8, 16
        dt, a, b, c = between(0.005, 0.02, B, T, D), -between(0.5, 2, D, N), normal(B, T, N), normal(B, T, N)
        return Example((normal(B, T, D), dt, a, b, c, normal(D)), normal(B, D, N), normal(B, T, D))
    # Heads and states of usual widths: the launch parameters that Triton looks for at its first call with
    # some widths then serve the model too.
    B, T, H, D, G, N = 2, 300, 4, 64, 2, 64
    dt, a, b, c = between(0.005, 0.02, B, T, H), -between(0.5, 2, H), normal(B, T, G, N), normal(B, T, G, N)
    return Example((normal(B, T, H, D), dt, a, b, c, normal(H)), normal(B, H, D, N), normal(B, T, H, D))


def difference(operation: Operation, reference: Operation, on: Example, device: str) -> float:
    """The largest difference between the two, with and without a state, relative to the largest magnitude.

    Outputs, final states and the gradients of all inputs are compared; not a number if one of them is not.
    """
    inputs, grad = [part.to(device) for part in on.inputs], on.grad.to(device)
    differences = []
    for state in (None, on.state.to(device)):
        pairs = zip(
            _results(operation, inputs, state, grad), _results(reference, inputs, state, grad), strict=True
        )
        differences += [_relative(found, wanted) for found, wanted in pairs]
    return float(torch.stack(differences).max())


@contextmanager
def by_itself(device: str) -> Iterator[None]:
    """Real tensors, their gradients and the precision they have, whatever the caller computes in."""
    with (
        unset_fake_temporarily(),
        torch.inference_mode(False),
        torch.enable_grad(),
        torch.autocast(device.partition(":")[0], enabled=False),
    ):
        yield


def _results(
    operation: Operation, inputs: list[Tensor], state: Tensor | None, grad: Tensor
) -> tuple[Tensor, ...]:
    leaves = [part.clone().requires_grad_() for part in inputs]
    y, after = operation(*leaves, state)
    return y.detach(), after, *torch.autograd.grad(y, leaves, grad)


def _relative(found: Tensor, wanted: Tensor) -> Tensor:
    if found.shape != wanted.shape:
        raise ValueError(f"a result of shape {tuple(found.shape)}, not {tuple(wanted.shape)}")
    return (found - wanted).abs().max() / wanted.abs().max()
