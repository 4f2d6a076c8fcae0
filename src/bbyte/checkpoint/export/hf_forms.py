"""As what a model goes to transformers: which class computes it, and whether it computes the very same."""

import dataclasses
from dataclasses import dataclass
from typing import Any, Literal

from torch import nn

from bbyte.checkpoint.export import hf_config
from bbyte.checkpoint.export.hf_bitnet import ROWS, Weights
from bbyte.checkpoint.find import Found
from bbyte.config import Config
from bbyte.errors import UsageError
from bbyte.models.families import family as find_family
from bbyte.models.transformer_config import TransformerConfig
from bbyte.quantization.bitlinear import BitLinear

BYTES = 256


@dataclass(frozen=True)
class Form:
    """How a model is written.

    config: of the model as transformers computes it between its quantizers. weights: "full" as they are,
    "online" or "packed" for transformers' BitNet, "dequantized" the ternary values as ordinary numbers.
    is_exact: whether what is computed is the same; dequantized weights leave 8-bit activations out.
    """

    config: Config
    weights: Weights | Literal["full", "dequantized"]
    is_exact: bool = True


def choose(found: Found, weights: Weights | None, *, dequantize: bool) -> Form:
    """The form that a checkpoint is exported in: `weights` where it is of transformers' BitNet, else None.

    Raises UsageError, with the reason, where transformers has no class for it, where none computes the same
    and `dequantize` does not accept that, and for a choice that the model does not leave.
    """
    kind, config = find_family(found.meta.family), found.meta.model_config()
    settings: Any = config
    if not (hf_config.is_transformer(kind) or hf_config.own_module(kind, "config_names")):
        raise UsageError(
            f"transformers has no class for a {kind.name} model such as {found.path}",
            "what predicts the next byte can be exported",
        )
    if settings.vocab_size != BYTES:
        raise UsageError(f"{found.path} has {settings.vocab_size} symbols: only a model of bytes is exported")
    if isinstance(config, TransformerConfig) and hf_config.model_type(config) is None:
        raise UsageError(
            f"{found.path} has both sub-norms and qk-norm, which no class of transformers has together",
            "train without --qk-norm, or with --no-sub-norm",
        )
    if not settings.ternary:
        _refuse_choices(found, weights, dequantize=dequantize)
        return Form(config, "full")
    is_bitnet = isinstance(config, TransformerConfig) and bool(config.sub_norm) and config.act_quant
    if is_bitnet and not dequantize:
        return _bitnet(found, config, weights or "packed")
    if weights:
        reason = "--dequantize writes" if is_bitnet else "transformers' BitNet does not compute it: it has"
        raise UsageError(f"--weights {weights} is for ternary weights; {reason} ordinary numbers")
    if settings.act_quant and not dequantize:
        raise UsageError(
            f"{found.path} rounds activations to 8 bits, which in transformers only BitNet does: "
            "a transformer with sub-norms and without qk-norm",
            "--dequantize writes its ternary values as ordinary numbers, without the rounding, and says what "
            "that changes",
        )
    plain = dataclasses.replace(settings, ternary=False)
    return Form(plain, "dequantized", is_exact=not settings.act_quant)


def check_rows(model: nn.Module) -> None:
    """Raise UsageError for ternary matrices that transformers cannot hold packed."""
    for name, module in model.named_modules():
        if isinstance(module, BitLinear) and module.out_features % ROWS:
            raise UsageError(
                f"{name} has {module.out_features} rows, packed weights need a multiple of {ROWS}",
                "--weights online has no such limit, nor --dequantize",
            )


def _bitnet(found: Found, config: Config, weights: Weights) -> Form:
    if weights == "online" and found.meta.kind == "packed":
        raise UsageError(
            f"{found.path} is packed: the full weights that are quantized online are gone",
            "--weights packed, --dequantize, or the checkpoint it was made from",
        )
    return Form(config, weights)


def _refuse_choices(found: Found, weights: Weights | None, *, dequantize: bool) -> None:
    if weights or dequantize:
        flag = f"--weights {weights}" if weights else "--dequantize"
        raise UsageError(f"{flag} is for ternary weights; those of {found.path} are full precision")
