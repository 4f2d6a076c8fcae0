"""Next-byte prediction: what training a model of the next byte minimises and what evaluation reports."""

from typing import Any

from torch import Tensor, nn
from torch.nn import functional as F

from bbyte.models.contract import Cost


class NextByte(nn.Module):
    """Cross-entropy of each byte given those before it in its window: exact, no bound."""

    is_bound = False
    is_random = False

    def __init__(self, model: nn.Module, z_loss: float = 0.0) -> None:
        super().__init__()
        self.model = model
        self.z_loss = z_loss

    def forward(self, window: Tensor) -> Cost:
        """Nats of the last T bytes of each row of `window` (B, T + 1) uint8.

        The z-loss (arXiv 2204.02311) pulls on the gradient alone; the nats stay those of the bytes.
        """
        logits = self.model(window[:, :-1]).flatten(0, 1).float()
        targets = window[:, 1:].flatten().long()
        each = F.cross_entropy(logits, targets, reduction="none")
        nats = each.sum()
        if self.z_loss:
            # -log p = logsumexp - logit: the cross-entropy has computed the logsumexp already.
            logsumexp = each + logits.gather(1, targets.unsqueeze(1)).squeeze(1)
            penalty = self.z_loss * logsumexp.square().sum()
            nats = nats + (penalty - penalty.detach())
        return Cost(nats, targets.numel())

    def measure(self, window: Tensor, skip: int = 0, state: Any = None) -> Cost:
        """Nats, in float64, of the targets from position `skip` on of each row of `window` (B, T + 1).

        With a `state` of the model's the window follows the bytes it knows of, and it moves on by T.
        """
        seen = window[:, :-1]
        logits = self.model(seen) if state is None else self.model(seen, state)
        targets = window[:, 1 + skip :].flatten().long()
        nats = F.cross_entropy(logits[:, skip:].flatten(0, 1).double(), targets, reduction="sum")
        return Cost(nats, targets.numel())
