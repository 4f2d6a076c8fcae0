"""Any-order masked prediction: what training a diffusion model minimises, and the bound that is reported."""

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional as F

from bbyte.models.contract import Cost
from bbyte.models.diffusion.config import MASK, MaskingConfig
from bbyte.models.diffusion.masks import counts, lengths, masks

DRAWS = 4
ALL_RATES = MaskingConfig()
"""How a model is measured, whatever it was trained with: anything else would be no code length."""


class AnyOrder(nn.Module):
    """The cost of a window's bytes when they are learnt in a random order, each given those learnt before.

    With k uniform on 1 .. T and k random bytes hidden, T times their mean cross-entropy is in the mean that
    cost: a length that an any-order code really has, so no model of the bytes can be said to need more than
    this, and the model's own next-byte codes may need less (arXiv 2110.02037, 2406.04329).
    """

    is_bound = True
    is_random = True

    def __init__(self, model: nn.Module, config: MaskingConfig) -> None:
        super().__init__()
        self.model = model
        self.config = config
        self.draws = DRAWS

    def noise(self, keys: NDArray[np.int64], length: int) -> tuple[Tensor, ...]:
        """Which bytes windows (B, T + 1) with these keys hide, (B, T), and, if any is cut, what is there."""
        found = lengths(keys, length, self.config)
        span = self.config.span_len if self.config.mask_mode == "span" else 1
        hidden = torch.from_numpy(masks(keys, counts(keys, found, self.config), found, length, span))
        if (found == length).all():
            return (hidden,)
        there = torch.arange(length + 1)[None, :] <= torch.from_numpy(found)[:, None]
        return hidden, there

    def forward(self, window: Tensor, hidden: Tensor, there: Tensor | None = None) -> Cost:
        """Estimated nats of the last T bytes of each row of `window` (B, T + 1) uint8; the first is seen.

        Of a row that is cut the mean of what is left stands for all of it.
        """
        length = window.shape[1] - 1
        each = self._costs(window, hidden, there)
        return Cost((each / hidden.sum(1)).sum() * length, len(window) * length)

    def measure(self, window: Tensor, skip: int, keys: NDArray[np.int64]) -> Cost:
        """The estimate, with its variance, of the targets from position `skip` on, the others being seen.

        Each row draws its masks `draws` times, at rates evenly spread: a conservative variance.
        """
        rows, length = len(window), window.shape[1] - 1
        targets = length - skip
        full = np.full(rows, targets, np.int64)
        estimates = []
        for draw in range(self.draws):
            one = keys * self.draws + draw
            chosen = masks(one, counts(one, full, ALL_RATES), full, targets)
            hidden = np.concatenate([np.zeros((rows, skip), bool), chosen], axis=1)
            mask = torch.from_numpy(hidden).to(window.device)
            estimates.append(self._costs(window, mask, kind=torch.float64) / mask.sum(1) * targets)
        found = torch.stack(estimates)
        variance = found.var(0).sum() / self.draws if self.draws > 1 else found.new_tensor(torch.nan)
        return Cost(found.mean(0).sum(), rows * targets, variance)

    @torch.inference_mode()
    def masked(self, rows: NDArray[np.uint8], rate: float, keys: NDArray[np.int64]) -> Cost:
        """Nats of hidden bytes alone, where that part of each row (B, T + 1) is hidden: no code length."""
        count, length = len(rows), rows.shape[1] - 1
        some = np.full(count, max(1, round(rate * length)), np.int64)
        device = next(self.parameters()).device
        hidden = torch.from_numpy(masks(keys, some, np.full(count, length), length)).to(device)
        window = torch.from_numpy(rows).to(device)
        return Cost(self._costs(window, hidden, kind=torch.float64).sum(), int(some.sum()))

    def _costs(
        self, window: Tensor, hidden: Tensor, there: Tensor | None = None, kind: torch.dtype = torch.float32
    ) -> Tensor:
        """Nats of the hidden bytes of each row, (B,)."""
        hidden = F.pad(hidden, (1, 0))  # the byte before the targets is seen
        tokens = window.int().masked_fill(hidden, MASK)
        # Visible bytes are known, not predicted: only the hidden ones' logits are looked at.
        logits = self.model(tokens) if there is None else self.model(tokens, there)
        each = F.cross_entropy(logits.flatten(0, 1).to(kind), window.flatten().long(), reduction="none")
        return (each.view(window.shape) * hidden).sum(1)
