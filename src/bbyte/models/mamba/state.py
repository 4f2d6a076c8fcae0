"""What a MambaLM knows of the text so far: a fixed number of numbers, however long that was."""

from collections.abc import Iterable
from dataclasses import dataclass

from torch import Tensor


@dataclass
class LayerState:
    """One block's: the last inputs of its convolution (B, K - 1, channels), and its state space's state.

    That is (B, H, D, N) in Mamba-2 and (B, D, N) in Mamba-1, float32.
    """

    conv: Tensor
    scan: Tensor


@dataclass
class MambaState:
    """Every block's state, of `lanes` streams. A model writes into it."""

    layers: list[LayerState]

    def clear(self) -> None:
        """Back to the beginning of a text."""
        for tensor in self._tensors():
            tensor.zero_()

    @property
    def nbytes(self) -> int:
        """Its size in memory."""
        return sum(tensor.nbytes for tensor in self._tensors())

    def _tensors(self) -> Iterable[Tensor]:
        for layer in self.layers:
            yield layer.conv
            yield layer.scan
