"""What the ternary matrices of a model look like, in few numbers."""

from collections.abc import Mapping

from torch import Tensor, nn

from bbyte.quantization.bitlinear import ternary_layers
from bbyte.quantization.ternary import ternarize


def ternary_statistics(model: nn.Module, weights: Mapping[str, Tensor]) -> dict[str, dict[str, float]]:
    """Of each ternary matrix of `model` the share of zero trits and the scale, by the matrix's name.

    Taken of `weights`, which are to be saved under the model's own names. Empty where nothing is ternary.
    """
    found = {}
    for name in ternary_layers(model):
        trits, scale = ternarize(weights[f"{name}.weight"].detach())
        found[name] = {"zeros": float((trits == 0).double().mean()), "scale": float(scale)}
    return found
