"""A linear layer whose weight is ternary in every forward pass and full precision in the optimizer."""

from typing import Any

import torch
from torch import Tensor, nn
from torch.optim.optimizer import register_optimizer_step_post_hook

from bbyte.operations import linear
from bbyte.quantization.activations import Int8Activations
from bbyte.quantization.ternary import straight_through, ternarize, ternary_values

_updates = 0


def _count_update(*_: object) -> None:
    global _updates
    _updates += 1


register_optimizer_step_post_hook(_count_update)


class BitLinear(nn.Linear):
    """`nn.Linear` without bias, computing with the ternary values of its weight while `active`.

    The weight stays the full-precision latent that the optimizer updates. Activations are quantized by
    whoever calls (see `Int8Activations`), once for all layers that read them. With a `stored_scale`, that of
    a packed checkpoint, the weight is the ternary values themselves and is never quantized again. Where
    weights come and go, as they do when several processes share a model, `keeps_quantized` is off: their
    ternary values would stay.
    """

    def __init__(self, in_features: int, out_features: int) -> None:
        super().__init__(in_features, out_features, bias=False)
        self.active = True
        self.keeps_quantized = True
        self.stored_scale: Tensor | None = None
        self._cached: tuple[tuple[int, int, int, int], Tensor] | None = None

    def effective_weight(self) -> Tensor:
        """The weight (out, in) that the forward pass multiplies with."""
        if not self.active or self.stored_scale is not None:
            return self.weight
        if torch.compiler.is_compiling():
            return straight_through(self.weight, ternary_values(self.weight.detach()))
        return straight_through(self.weight, self._quantized())

    def forward(self, x: Tensor) -> Tensor:
        """`x` (..., in) to (..., out)."""
        return linear(x, self.effective_weight())

    def _quantized(self) -> Tensor:
        # Quantizing costs as much as a small matmul: do it once per update, not once per micro-batch.
        # Tensors of inference mode carry no version to key the cache with.
        if self.weight.is_inference() or not self.keeps_quantized:
            return ternary_values(self.weight.detach())
        # The version counts what is written into a tensor, but not by fused optimizers; the first two tell
        # one tensor from another.
        key = (id(self.weight), self.weight.data_ptr(), self.weight._version, _updates)
        if self._cached is None or self._cached[0] != key:
            with torch.inference_mode(False), torch.no_grad():  # training may use what an evaluation cached
                self._cached = (key, ternary_values(self.weight))
        return self._cached[1]

    def __getstate__(self) -> dict[str, Any]:
        return self.__dict__ | {"_cached": None}  # a copy counts its versions anew

    def _apply(self, fn, recurse: bool = True):  # type: ignore[no-untyped-def]
        self._cached = None
        return super()._apply(fn, recurse)  # type: ignore[no-untyped-call]


def trits_and_scale(layer: BitLinear) -> tuple[Tensor, Tensor]:
    """The trits (out, in) of a layer, -1, 0 and 1, and their scale (a scalar), both float32."""
    if layer.stored_scale is None:
        return ternarize(layer.weight.detach())
    return layer.weight.detach().float().sign(), layer.stored_scale


def ternary_layers(model: nn.Module) -> dict[str, BitLinear]:
    """The layers of `model` whose weights are ternary, by name."""
    return {name: module for name, module in model.named_modules() if isinstance(module, BitLinear)}


def is_ternary(model: nn.Module) -> bool:
    """Whether any weight of `model` is ternary."""
    return any(isinstance(module, BitLinear) for module in model.modules())


def set_quantized(model: nn.Module, active: bool) -> None:
    """Switch every ternary weight and every 8-bit activation of `model` on or off.

    Off, the same parameters run in full precision: how a ternary model is trained at the start.
    """
    for module in model.modules():
        if isinstance(module, BitLinear | Int8Activations):
            module.active = active


def fused_linear(x: Tensor, layers: tuple[nn.Linear, ...]) -> Tensor:
    """The outputs of several bias-free linear layers that read the same `x`, side by side, by one product."""
    weights = [layer.effective_weight() if isinstance(layer, BitLinear) else layer.weight for layer in layers]
    return linear(x, torch.cat(weights))
