"""The README.md of an export: what checkpoint.json knows about a model, and nothing else."""

import json
from pathlib import Path

from bbyte.checkpoint import contents
from bbyte.checkpoint.export.place import name_of
from bbyte.checkpoint.find import Found
from bbyte.figures import bound

_FRONT = """\
---
library_name: transformers
pipeline_tag: text-generation
tags:
{tags}
---
"""
_LOADING = """\
```python
from transformers import AutoModelForCausalLM, AutoTokenizer
model = AutoModelForCausalLM.from_pretrained("{folder}")
tokenizer = AutoTokenizer.from_pretrained("{folder}")
prompt = tokenizer("Once upon a time", return_tensors="pt")
text = model.generate(**prompt, max_new_tokens=100)
print(tokenizer.decode(text[0], skip_special_tokens=True))
```
"""
_KEPT = {
    "full": "full precision, float32",
    "online": "full weights in float32, which transformers makes ternary as it computes",
    "packed": "ternary, 2 bits each, with one stored scale a matrix; the rest float32",
    "dequantized": "ternary values written as float32",
}


def text(
    found: Found, name: str, architecture: str, weights: str, parameters: int, difference: float | None
) -> str:
    """The card of an export of `found` to the folder called `name`, for the class `architecture`.

    `weights` are kept in a way that `hf_forms.Form` names; `difference` is that of the logits where the class
    does not compute the same.
    """
    meta = found.meta
    step = f"{name_of(found)}, step {meta.step:,}"
    tags = ["bbyte", "byte-level", *(["ternary"] if meta.config.get("ternary") else [])]
    sections = [
        _FRONT.format(tags="\n".join(f"- {tag}" for tag in tags)),
        f"# {_plain(name)}\n",
        "A language model over raw bytes, exported by bbyte. Token ids are the values of bytes; there are "
        "256.\n",
        "| | |\n|---|---|\n" + "".join(f"| {word} | {_plain(said)} |\n" for word, said in (
            ("family", f"{meta.family}, {meta.variant}" if meta.variant else meta.family),
            ("class", architecture),
            ("parameters", f"{parameters:,}"),
            ("weights", _KEPT[weights]),
            ("context", f"{meta.context:,} bytes, the longest window trained on"),
            ("trained on", _training(found)),
            ("bits per byte", _measured(found)),
            ("checkpoint", step),
        )),
        "## Use\n",
        _LOADING.format(folder=_plain(name)),
        *(["BitNet models also need `pip install accelerate`.\n"] if weights in ("packed", "online") else []),
        "The tokenizer puts one 0x00 before a text, as training did; `add_special_tokens=False` leaves it "
        "out. Byte 0 also ends a document, so `generate` stops there. Bytes that are no UTF-8 are given as "
        "ids: `torch.tensor([[0, *data]])`.\n",
        *([_inexact(difference)] if difference is not None else []),
        "## Configuration\n",
        f"```json\n{json.dumps(meta.config, indent=1)}\n```\n",
        "## Licence\n",
        "None is stated here: whoever publishes the model adds `license:` to the head of this file.\n",
    ]  # fmt: skip
    return "\n".join(sections)


def _training(found: Found) -> str:
    meta = found.meta
    name = Path(str(meta.corpus["path"])).name  # where it lay on a disk is nobody's business
    corpus = f" of the corpus {name}" if meta.corpus["fingerprint"] else ""
    if not meta.bytes_seen:
        return f"unknown{corpus}"
    return f"{meta.bytes_seen:,} bytes{corpus}"


def _measured(found: Found) -> str:
    meta = found.meta
    bpb = contents.validation(meta)
    if bpb is None:
        return "not measured"
    return (
        f"{bound(bpb, contents.is_bound(meta))} on held-out bytes of the corpus; measured again by "
        f"`bbyte eval-bpb CKPT --data CORPUS --context {meta.context} --stride {meta.context}`"
    )


def _inexact(difference: float) -> str:
    return (
        "The model was trained with activations rounded to 8 bits, which this class does not do: on a fixed "
        f"random text its logits differ by up to {difference:.3g}. The bits per byte above are those of "
        "the model as trained.\n"
    )


def _plain(words: str) -> str:
    """Words as they may stand in a table and in quotes."""
    return "".join(character if character not in '|"<>\\\n\r' else " " for character in words)
