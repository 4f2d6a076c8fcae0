"""BitByte's weights as ours: other names, and one scale for gate and up together instead of one for each."""

import re
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from bbyte.checkpoint.tensors import TensorInfo
from bbyte.errors import DataError
from bbyte.quantization.latents import latents
from bbyte.quantization.ternary import SCALE_FLOOR

BYTES = 256
NORM_EPS = 1e-6
ROPE_BASE = 10000.0
_NAMES = {
    "n1.weight": "input_layernorm.weight",
    "attn.q_proj.weight": "self_attn.q_proj.weight",
    "attn.k_proj.weight": "self_attn.k_proj.weight",
    "attn.v_proj.weight": "self_attn.v_proj.weight",
    "attn.o_proj.weight": "self_attn.o_proj.weight",
    "n2.weight": "post_attention_layernorm.weight",
    "mlp.down.weight": "mlp.down_proj.weight",
}
_OUTSIDE = {"tok_emb.weight": "embed_tokens.weight", "norm_f.weight": "norm.weight"}
HEAD, FUSED = "lm_head.weight", "mlp.gate_up.weight"
_BLOCK = re.compile(r"blocks\.(\d{1,4})\.(.+)")


def architecture(
    tensors: Mapping[str, TensorInfo], settings: Mapping[str, Any], tied: bool
) -> dict[str, Any]:
    """The config that the tensors' shapes and the script's settings imply, as plain values.

    Raises DataError, in one sentence, where the two contradict each other or say too little.
    """
    n_layer = 1 + max((int(match[1]) for name in tensors if (match := _BLOCK.fullmatch(name))), default=-1)
    vocab_size, d_model = matrix_shape(tensors, "tok_emb.weight")
    if vocab_size < BYTES:
        raise DataError(f"its embedding has {vocab_size} rows", f"a model of bytes needs {BYTES}")
    n_head = settings.get("n_head")
    if type(n_head) is not int or n_head < 1 or d_model % n_head:
        raise DataError(
            f"its settings give n_head {n_head!r} for a width of {d_model}",
            "the number of heads does not show in the weights: the file must say it",
        )
    found = {
        "n_layer": n_layer,
        "d_model": d_model,
        "n_head": n_head,
        "n_kv_head": matrix_shape(tensors, "blocks.0.attn.k_proj.weight")[0] * n_head // d_model,
        "d_ff": matrix_shape(tensors, f"blocks.0.{FUSED}")[0] // 2,
    }
    for name, value in found.items():
        if (said := settings.get(name)) is not None and said != value:
            raise DataError(
                f"its settings say {name} {said!r}, its weights {value}", "it is not whole: use another copy"
            )
    base = settings.get("rope_base")
    if base is not None and type(base) not in (int, float):
        raise DataError(f"its settings give rope_base {base!r}", "it is not whole: use another copy")
    return {
        **found,
        "ternary": True,
        "act_quant": not settings.get("no_act_quant", False),
        "sub_norm": False,
        "tied": tied,
        "rope_base": ROPE_BASE if base is None else float(base),
        "norm_eps": NORM_EPS,
        "vocab_size": BYTES,
    }


def is_tied(weights: Mapping[str, Tensor]) -> bool:
    """Whether the output head is the embedding of the bytes once more."""
    head, embedding = weights.get(HEAD), weights["tok_emb.weight"]
    return head is None or torch.equal(head, embedding[: len(head)])


def translated(weights: Mapping[str, Tensor], *, tied: bool) -> dict[str, Tensor]:
    """BitByte's state dict under our names, in float32; what our quantizer makes of it is what theirs made.

    Raises DataError for a name that is not BitByte's, and for a matrix that our quantizer cannot express.
    """
    result: dict[str, Tensor] = {}
    for name, value in weights.items():
        value = value.float()
        if not value.isfinite().all():
            raise DataError(f"{name} holds numbers that 32 bits cannot", "it is not whole: use another copy")
        match = _BLOCK.fullmatch(name)
        if name == HEAD:
            result |= {} if tied else {HEAD: value}
        elif name in _OUTSIDE:
            result[_OUTSIDE[name]] = value
        elif match and match[2] == FUSED:
            if value.ndim != 2 or len(value) % 2:
                raise DataError(f"{name} is no matrix of two halves", "it is not whole: use another copy")
            halves = fitted(name, value, value.chunk(2))
            for half, fits in zip(("gate_proj", "up_proj"), halves, strict=True):
                result[f"layers.{match[1]}.mlp.{half}.weight"] = fits
        elif match and match[2] in _NAMES:
            is_matrix = value.ndim == 2
            result[f"layers.{match[1]}.{_NAMES[match[2]]}"] = (
                fitted(name, value, (value,))[0] if is_matrix else value
            )
        else:
            raise DataError(f"it holds {name}, which BitByte's models do not", "is it of another script?")
    return result


def fitted(name: str, whole: Tensor, parts: tuple[Tensor, ...]) -> list[Tensor]:
    """Latent weights of each part that our quantizer turns into the part's share of the quantized whole.

    BitByte quantizes a matrix W with the scale mean|W| to clamp(W / scale, -1, 1) rounded. We do the same to
    each part alone, whose own mean may differ: then `latents` moves its weights.
    """
    scale = whole.abs().mean()
    if not scale.isfinite():
        raise DataError(f"{name} holds numbers too large to average", "was the training broken?")
    if scale < SCALE_FLOOR and scale > 0:
        raise DataError(
            f"{name} has the scale {scale:.1e}, below the smallest that bbyte's quantizer has, {SCALE_FLOOR}",
            "such a matrix hardly contributes anything: was the training broken?",
        )
    return (
        [latents(part.contiguous(), (part / scale).clamp(-1, 1).round(), scale) for part in parts]
        if scale
        else [*parts]
    )


def matrix_shape(tensors: Mapping[str, TensorInfo], name: str) -> tuple[int, int]:
    """Rows and columns of the matrix called `name`. Raises DataError where there is no such matrix."""
    if name not in tensors or len(tensors[name].shape) != 2 or 0 in tensors[name].shape:
        raise DataError(f"it holds no matrix {name}", "it is not whole: use another copy")
    return tensors[name].shape[0], tensors[name].shape[1]
