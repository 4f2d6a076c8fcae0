"""Where the heads of a transformer look, seen while it reads: needs torch, which is loaded when called."""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from bbyte.errors import UsageError

if TYPE_CHECKING:
    from torch import nn

    from bbyte.checkpoint.store import Loaded

Maps = NDArray[np.float32]
BEGIN_OF_DOCUMENT = 0


@dataclass(frozen=True)
class Gaze:
    """Where a head looks on average over the places of a text, as shares of its attention.

    start: at the 0x00 before the text; previous: at the byte before; own: at the very byte it reads.
    distance: how many bytes back, on average; entropy: in bits, 0 for a single place.
    """

    layer: int
    head: int
    start: float
    previous: float
    own: float
    distance: float
    entropy: float


def attention(loaded: "Loaded", text: bytes) -> list[Maps]:
    """Of each layer the maps (H, T + 1, T + 1): row i is what place i gives to each place, and sums to 1.

    Place 0 is the 0x00 at which a document begins. Raises UsageError for a model without attention, or a
    text longer than its context.
    """
    import torch

    from bbyte.layers import Attention

    model, context = loaded.model, loaded.meta.context
    if not any(isinstance(module, Attention) for module in model.modules()):
        raise UsageError(
            f"{loaded.found.path} is of family {loaded.family.name}, which has no attention",
            "bbyte plot bytes shows what such a model expects",
        )
    if not text:
        raise UsageError("there is nothing to read", "--prompt with a text")
    if len(text) + 1 > context:
        raise UsageError(
            f"the prompt is {len(text):,} bytes long, and the model sees {context - 1:,} at once",
            "give a shorter one",
        )
    tokens = torch.tensor([[BEGIN_OF_DOCUMENT, *text]], device=next(model.parameters()).device)
    return _seen(model, tokens)


def _seen(model: "nn.Module", tokens: Any) -> list[Maps]:
    import torch
    from torch.nn.functional import scaled_dot_product_attention
    from torch.overrides import TorchFunctionMode

    maps: list[Maps] = []

    class Watching(TorchFunctionMode):
        """Notes what each attention is given; what comes of it stays the same."""

        def __torch_function__(
            self,
            func: Callable[..., Any],
            types: Any,
            args: tuple[Any, ...] = (),
            kwargs: Mapping[str, Any] | None = None,
        ) -> Any:
            if func is scaled_dot_product_attention:
                maps.append(_weights(*args[:2], **(kwargs or {})))
            return func(*args, **(kwargs or {}))

    with torch.inference_mode(), Watching():
        model(tokens)
    return maps


def _weights(queries: Any, keys: Any, attn_mask: Any = None, is_causal: bool = False) -> Maps:
    """softmax(q k / sqrt(D)) of one text: (1, H, T, D) to (H, T, T)."""
    import torch

    scores = queries.float() @ keys.float().transpose(-1, -2) / math.sqrt(queries.shape[-1])
    if is_causal:
        attn_mask = torch.ones(scores.shape[-2:], dtype=torch.bool, device=scores.device).tril()
    if attn_mask is not None:
        scores = scores.masked_fill(~attn_mask, -math.inf)
    found: Maps = torch.softmax(scores, dim=-1)[0].cpu().numpy()
    return found


def gazes(maps: list[Maps]) -> list[Gaze]:
    """Of every head of every layer, over all places but the 0x00."""
    found = []
    for layer, heads in enumerate(maps):
        for head, weights in enumerate(heads):
            rows = weights[1:].astype(np.float64)
            here = np.arange(1, len(weights))
            back = np.abs(here[:, None] - np.arange(len(weights))[None])
            logs = np.log2(np.where(rows > 0, rows, 1))
            figures = (
                rows[:, 0], rows[here - 1, here - 1], rows[here - 1, here], (rows * back).sum(axis=1),
                -(rows * logs).sum(axis=1),
            )  # fmt: skip
            found.append(Gaze(layer, head, *(float(figure.mean()) for figure in figures)))
    return found
