"""Models to export to transformers: every kind, with random weights or briefly trained."""

import torch

from bbyte.checkpoint import find, store
from bbyte.checkpoint.meta import CheckpointMeta
from bbyte.config import to_dict
from bbyte.models.families import families
from bbyte.models.next_byte import NextByte
from bbyte.quantization.statistics import ternary_statistics

TRANSFORMER = {"n_layer": 2, "d_model": 48, "n_head": 4, "d_ff": 80}
MAMBA = {"n_layer": 2, "d_model": 32, "headdim": 16, "d_state": 8}
KINDS = {
    "llama": ("ar", TRANSFORMER | {"ternary": False}, "LlamaForCausalLM", "full"),
    "llama, grouped, relu2, untied": (
        "ar",
        TRANSFORMER | {"ternary": False, "n_kv_head": 2, "activation": "relu2", "tied": False},
        "LlamaForCausalLM",
        "full",
    ),
    "qwen3, grouped": (
        "ar",
        TRANSFORMER | {"ternary": False, "n_kv_head": 2, "qk_norm": True, "rope_base": 5000.0},
        "Qwen3ForCausalLM",
        "full",
    ),
    "full precision with sub-norms": (
        "ar", TRANSFORMER | {"ternary": False, "sub_norm": True}, "BitNetForCausalLM", "full",
    ),
    "bitnet packed, grouped": ("ar", TRANSFORMER | {"n_kv_head": 2}, "BitNetForCausalLM", "packed"),
    "bitnet packed, relu2, untied": (
        "ar", TRANSFORMER | {"activation": "relu2", "tied": False}, "BitNetForCausalLM", "packed",
    ),
    "bitnet online": ("ar", TRANSFORMER, "BitNetForCausalLM", "online"),
    "bitnet online, grouped, untied": (
        "ar", TRANSFORMER | {"n_kv_head": 1, "tied": False}, "BitNetForCausalLM", "online",
    ),
    "ternary without 8-bit activations": (
        "ar", TRANSFORMER | {"act_quant": False}, "BitNetForCausalLM", "dequantized",
    ),
    "ternary without both": (
        "ar", TRANSFORMER | {"act_quant": False, "sub_norm": False}, "LlamaForCausalLM", "dequantized",
    ),
    "mamba1": ("mamba", MAMBA | {"ssm": "mamba1"}, "MambaForCausalLM", "full"),
    "mamba2, untied": ("mamba", MAMBA | {"tied": False}, "Mamba2ForCausalLM", "full"),
    "mamba2 ternary without 8-bit activations": (
        "mamba", MAMBA | {"ternary": True, "act_quant": False}, "Mamba2ForCausalLM", "dequantized",
    ),
}  # fmt: skip
"""family, its settings, the class and the way of keeping weights that they are exported as."""
CONTEXT = 256
PROMPTS = ("Once upon a time", "the cat ", "Ā é\x00🙂 and")
TEXT = b"Once upon a time the cat and the dog sat on the mat, and then they went to the old tree. " * 20


def built(family, settings):
    torch.manual_seed(3)
    kind = families()[family]
    return kind.build(kind.config(**settings))


def randomised(model):
    """Every parameter random and of a size that matters: fresh ones are zero or one where it counts."""
    for name, parameter in model.named_parameters():
        values = torch.randn(parameter.shape)
        if parameter.dim() < 2 or "A_log" in name:
            parameter.data += 0.2 * values
        else:
            parameter.data = values * parameter.shape[-1] ** -0.5
    return model.eval()


def trained(model, steps=40):
    """A few steps on a small text, enough to write something."""
    objective = NextByte(model.train())
    optimizer = torch.optim.AdamW(model.parameters(), lr=5e-3)
    data = torch.frombuffer(bytearray(b"\0" + TEXT), dtype=torch.uint8)
    for step in range(steps):
        starts = torch.randint(0, len(data) - 65, (8,), generator=torch.Generator().manual_seed(step))
        cost = objective(torch.stack([data[start : start + 65] for start in starts]))
        optimizer.zero_grad()
        (cost.nats / cost.count).backward()
        optimizer.step()
    return model.eval()


def saved(run, family, model, **changes):
    """The model as a checkpoint of a run, found."""
    config, ternary = model.config, bool(model.config.ternary)
    run.mkdir(parents=True)
    values = {
        "kind": "resume", "family": family, "variant": "ternary" if ternary else "full",
        "config": to_dict(config), "step": 20, "bytes_seen": 12345, "context": CONTEXT, "quantized": ternary,
        "corpus": {"path": "somewhere/tales", "size": 1000, "fingerprint": "ab"},
        "metrics": {"val_bpb": 2.345, "val_step": 20, "best_bpb": 2.3}, "environment": {},
        "ternary": ternary_statistics(model, model.state_dict()),
    }  # fmt: skip
    return find.find(store.save(run, CheckpointMeta(**values | changes), model.state_dict(), None))
