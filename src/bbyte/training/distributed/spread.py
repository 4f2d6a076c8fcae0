"""A checkpoint's tensors on their way from the first process, which reads it, to all of them."""

from collections.abc import Iterator, Mapping

import torch
from torch import Tensor

from bbyte.training.distributed.group import Group


class Spread(Mapping[str, Tensor]):
    """Whole tensors by name, of which only the first process has any: `held` there, None in the others.

    Each is sent when it is asked for, to where the one it is `like` lies. So all must ask for the same ones
    in the same order, and no process but the first ever holds more than one of them whole.
    """

    def __init__(self, group: Group, held: Mapping[str, Tensor] | None, like: Mapping[str, Tensor]) -> None:
        self._group, self._held, self._like = group, held, like

    def __getitem__(self, name: str) -> Tensor:
        like = self._like[name]
        if self._held is not None:
            return self._group.spread(self._held[name].to(like.device).contiguous())
        return self._group.spread(torch.empty(like.shape, dtype=like.dtype, device=like.device))

    def __iter__(self) -> Iterator[str]:
        return iter(self._like)

    def __len__(self) -> int:
        return len(self._like)
