"""A checkpoint as a folder that transformers loads, with no code but its own."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn

from bbyte import durable
from bbyte.checkpoint import store, tensors
from bbyte.checkpoint.export import hf_bitnet, hf_config, hf_forms, hf_tokenizer, model_card
from bbyte.checkpoint.export.hf_bitnet import Weights
from bbyte.checkpoint.export.hf_forms import Form
from bbyte.checkpoint.export.packed import refuse_not_finite, refuse_unfinished
from bbyte.checkpoint.export.place import placed
from bbyte.checkpoint.find import Found
from bbyte.checkpoint.meta import MODEL
from bbyte.models.contract import Family
from bbyte.quantization.bitlinear import ternary_layers, trits_and_scale

PROBE = 256
"""Bytes of the text that a difference is measured on, at most."""
GENERATION = "generation_config.json"
"""No folder but one of a model for transformers has it, and only such a folder is replaced."""


@dataclass(frozen=True)
class Exported:
    """What was written.

    architecture: the class that loads it. weights: how they are kept. difference: the largest difference of
    a logit on a fixed random text, where the class does not compute the same; else None.
    """

    path: Path
    architecture: str
    weights: str
    difference: float | None
    files: Mapping[str, int]


def export_hf(
    found: Found,
    target: Path,
    *,
    weights: Weights | None = None,
    dequantize: bool = False,
    force: bool = False,
) -> Exported:
    """Write the model of a checkpoint as the folder `target`, for AutoModelForCausalLM and AutoTokenizer.

    weights: of what is BitNet, "packed" (2 bits a weight, the default) or "online" (full weights that
    transformers quantizes as it runs, to train on). dequantize: accept a class that leaves 8-bit activations
    out. Raises UsageError where `hf_forms.choose` does and where `target` exists, unless `force`.
    """
    refuse_unfinished(found)
    form = hf_forms.choose(found, weights, dequantize=dequantize)
    loaded = store.load(found)
    refuse_not_finite(found, loaded.model)
    if form.weights == "packed":
        hf_forms.check_rows(loaded.model)
    written = _tensors(loaded.family, form, loaded.model)
    config = hf_config.config_json(loaded.family, form.config, found.meta.context)
    if form.weights in ("packed", "online"):
        config["quantization_config"] = hf_bitnet.quantization_config(form.weights)
    difference = None if form.is_exact else _difference(loaded, form)
    documents = {
        "config.json": config,
        GENERATION: hf_config.TOKENS,
        "tokenizer.json": hf_tokenizer.tokenizer_json(),
        "tokenizer_config.json": hf_tokenizer.tokenizer_config(found.meta.context),
    }
    architecture = config["architectures"][0]
    parameters = sum(value.numel() for value in loaded.model.state_dict().values())
    card = model_card.text(found, target.name, architecture, form.weights, parameters, difference)
    with placed(target, force=force, marked=GENERATION) as folder:
        folder.mkdir()
        tensors.write(folder / MODEL, written, {"format": "pt"})  # older readers ask for it
        for name, content in documents.items():
            durable.write_text(folder / name, json.dumps(content, indent=2, ensure_ascii=False) + "\n")
        durable.write_text(folder / "README.md", card)
    sizes = {path.name: path.stat().st_size for path in sorted(target.iterdir())}
    return Exported(target, architecture, form.weights, difference, sizes)


def _tensors(family: Family, form: Form, model: nn.Module) -> dict[str, Tensor]:
    """What model.safetensors holds, by transformers' names; a tied head is left out, as it does."""
    ours = _effective(model) if form.weights == "dequantized" else model.state_dict()
    ternary = {f"{name}.weight": layer for name, layer in ternary_layers(model).items()}
    result: dict[str, Tensor] = {}
    for theirs, name in hf_config.their_names(family, form.config, ours).items():
        if theirs == hf_config.HEAD and theirs != name:
            continue
        if form.weights == "packed" and name in ternary:
            trits, scale = trits_and_scale(ternary[name])
            result[theirs] = hf_bitnet.packed(trits)
            result[f"{theirs}_scale"] = hf_bitnet.weight_scale(scale)
        else:
            result[theirs] = ours[name].detach().float().contiguous()
    return result


def _effective(model: nn.Module) -> dict[str, Tensor]:
    """The weights with the ternary ones as the values that are multiplied with."""
    ternary = ternary_layers(model).items()
    # Quantizing gives negative zeros, which unpacking does not: both are to be the same bytes.
    return model.state_dict() | {
        f"{name}.weight": layer.effective_weight().detach() + 0.0 for name, layer in ternary
    }


@torch.inference_mode()
def _difference(loaded: store.Loaded, form: Form) -> float:
    """The largest difference between the logits of the model and of its dequantized form."""
    with torch.device("meta"):
        plain = loaded.family.build(form.config)
    plain.load_state_dict(_effective(loaded.model), strict=True, assign=True)
    length = min(PROBE, loaded.meta.context)
    text = torch.randint(0, 256, (1, length), generator=torch.Generator().manual_seed(0))
    return float((loaded.model(text) - plain.eval()(text)).abs().max())
