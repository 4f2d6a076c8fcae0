"""Between the backward pass and the update: the gradient's norm, clipping, and the loss scale of fp16.

Nothing here waits for the device: whether a step must be skipped is a tensor that the optimizers read there.
"""

from collections.abc import Iterable

import torch
from torch import Tensor, nn

from bbyte.training.distributed.sharded import part, whole

FIRST_SCALE, GROWTH, BACKOFF, GOOD_STEPS = 65536.0, 2.0, 0.5, 2000


class LossScale:
    """What the loss is multiplied with, so that small gradients survive fp16 (arXiv 1710.03740).

    `value` starts at 65536, halves when a gradient overflows and doubles after 2000 steps without; it never
    falls below 1. Other number types need no scale: there it is 1 and stays so. `moves` says which it is.
    """

    def __init__(self, precision: str, device: str) -> None:
        self.moves = precision == "fp16"
        self.value = torch.full((), FIRST_SCALE if self.moves else 1.0, device=device)
        self.good_steps = torch.zeros((), dtype=torch.int32, device=device)

    def update(self, found_inf: Tensor) -> Tensor:
        """Learn whether a step overflowed; returns 1.0 where that was a fault, not the search for a scale."""
        fault = found_inf * (self.value <= 1)
        if self.moves:
            torch._amp_update_scale_(self.value, self.good_steps, found_inf, GROWTH, BACKOFF, GOOD_STEPS)
            self.value.clamp_(min=1)
        return fault

    def state(self) -> dict[str, Tensor]:
        """The scale and the steps since it last moved, themselves and by name, for a checkpoint."""
        return {"loss_scale.value": self.value, "loss_scale.good_steps": self.good_steps}


@torch.no_grad()
def clip(parameters: Iterable[nn.Parameter], largest: float, scale: LossScale) -> tuple[Tensor, Tensor]:
    """Bring the gradients' norm down to `largest` and take out the loss scale, by one multiplication.

    Of gradients that are divided among processes the norm is that of all parts. Returns the norm they had,
    without the scale, and found_inf: 1.0 if that norm is not finite, else 0.0. Gradients that are not finite
    are of no use, and their step is to be skipped.
    """
    gradients = [parameter.grad for parameter in parameters if parameter.grad is not None]
    norm = whole(nn.utils.get_total_norm(gradients)) / scale.value
    factor = (largest / (norm + 1e-6)).clamp(max=1.0)  # with a scale of 1 clip_grad_norm_'s, to the bit
    torch._foreach_mul_([part(gradient) for gradient in gradients], factor / scale.value)
    return norm, (~norm.isfinite()).float()
