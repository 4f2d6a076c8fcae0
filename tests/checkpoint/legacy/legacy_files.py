"""Writes checkpoints as the trainers before bbyte did, by torch.save; each function returns the weights.

`args` changes single settings (a value of None removes one), `tags` stand at the top of the file.
"""

import sys
import types
from collections import OrderedDict
from dataclasses import dataclass

import torch

SETTINGS = {
    "data": "data/shard_*.bin", "out": "artifacts/checkpoints/old", "steps": 2000, "n_layer": 2,
    "d_model": 16, "n_head": 4, "d_ff": 24, "ddp": False, "use_sdpa": True, "no_ckpt": False,
    "no_act_quant": False, "lr": 3e-4, "warmup_frac": 0.03, "wd": 0.1, "grad_clip": 1.0, "batch_size": 8,
    "grad_accum": 4, "seq_len": 0, "seq_len_cap": 8192, "log_every": 10, "save_every": 1000, "cpu": False,
    "resume": None,
}  # fmt: skip
DIFFUSION = {"diffusion_steps": 64, "min_mask_prob": 0.05, "max_mask_prob": 1.0}


def bitbyte(
    path, *, n_layer=2, d_model=16, n_head=4, n_kv_head=None, d_ff=24, args=None, tags=None, step=2000, seed=0
):
    """The ternary transformer, with fewer key and value heads where `n_kv_head` says so."""
    shapes = {"tok_emb.weight": (256, d_model)}
    shapes |= blocks(n_layer, _attention(d_model, n_head, n_kv_head) | _mlp(d_model, d_ff) | _norms(d_model))
    shapes |= {"norm_f.weight": (d_model,)}
    weights = _tie(drawn(shapes, seed), "lm_head.weight", "tok_emb.weight")
    sizes = {"n_layer": n_layer, "d_model": d_model, "n_head": n_head, "n_kv_head": n_kv_head, "d_ff": d_ff}
    return _bitbyte_file(path, weights, sizes | (args or {}), tags, step)


def diffusion(
    path, *, form="plain", n_layer=2, d_model=16, n_head=4, d_ff=24, args=None, tags=None, step=2000, seed=0
):
    """Masked diffusion; `form` is "plain", "additive" (time is an embedding) or "adaln" (modulated norms)."""
    shapes = {"tok_emb.weight": (257, d_model)}
    parts = _attention(d_model, n_head, None) | _mlp(d_model, d_ff)
    if form == "additive":
        shapes["t_emb.weight"] = (65, d_model)
    if form == "adaln":
        shapes |= {f"t_embed.{n}.weight": (d_model, d_model) for n in (0, 2)}
        shapes |= {f"t_embed.{n}.bias": (d_model,) for n in (0, 2)}
        parts |= {"adaLN.net.1.weight": (6 * d_model, d_model), "adaLN.net.1.bias": (6 * d_model,)}
    else:
        parts |= _norms(d_model)
    shapes |= blocks(n_layer, parts)
    if form != "adaln":
        shapes["norm_f.weight"] = (d_model,)
    shapes["lm_head.weight"] = (256, d_model)
    sizes = {"n_layer": n_layer, "d_model": d_model, "n_head": n_head, "d_ff": d_ff} | DIFFUSION
    return _bitbyte_file(path, drawn(shapes, seed), sizes | (args or {}), tags, step)


def mamba(
    path, *, n_layer=2, d_model=16, d_ff=24, d_state=4, d_conv=4, expand=2, args=None, tags=None, step=2000,
    seed=0,
):  # fmt: skip
    """The state-space model; its inner width is `expand` times `d_model`."""
    inner = expand * d_model
    ssm = {
        "conv1d.weight": (inner, 1, d_conv), "conv1d.bias": (inner,), "in_proj.weight": (2 * inner, d_model),
        "delta_proj.weight": (inner, inner), "delta_proj.bias": (inner,), "B_proj.weight": (d_state, inner),
        "C_proj.weight": (d_state, inner), "out_proj.weight": (d_model, inner), "A_log": (inner, d_state),
        "D": (inner,),
    }  # fmt: skip
    parts = {f"ssm.{name}": shape for name, shape in ssm.items()} | _mlp(d_model, d_ff) | _norms(d_model)
    shapes = {"tok_emb.weight": (256, d_model)} | blocks(n_layer, parts)
    shapes |= {"norm_f.weight": (d_model,), "norm_f.bias": (d_model,)}
    weights = _tie(drawn(shapes, seed), "lm_head.weight", "tok_emb.weight")
    sizes = {"n_layer": n_layer, "d_model": d_model, "d_ff": d_ff, "n_head": None}
    sizes |= {"d_state": d_state, "d_conv": d_conv, "expand": expand}
    return _bitbyte_file(path, weights, sizes | (args or {}), tags, step)


def blm(path, *, n_layer=2, n_head=2, n_embd=16, block_size=32, vocab_size=256, seed=0):
    """The byte-level GPT made for compression: learned positions, LayerNorm, biases everywhere."""
    parts = {
        **_linear("attn.qkv", 3 * n_embd, n_embd), **_linear("attn.out_proj", n_embd, n_embd),
        **_linear("mlp.fc", 4 * n_embd, n_embd), **_linear("mlp.proj", n_embd, 4 * n_embd),
        **{f"norm{n}.{kind}": (n_embd,) for n in (1, 2) for kind in ("weight", "bias")},
    }  # fmt: skip
    shapes = {"embedding.weight": (vocab_size, n_embd), "position.weight": (block_size, n_embd)}
    shapes |= blocks(n_layer, parts) | {"norm.weight": (n_embd,), "norm.bias": (n_embd,)}
    weights = drawn(shapes | {"head.weight": (vocab_size, n_embd)}, seed)
    config = {"block_size": block_size, "vocab_size": vocab_size, "n_layer": n_layer, "n_head": n_head}
    content = {
        "model_state": weights,
        "optimizer_state": adamw(weights),
        "config": config | {"n_embd": n_embd, "dropout": 0.1},
        "args": {"data": "enwik8", "epochs": 3, "lr": 3e-4, "batch_size": 32, "save_best": True},
        "epoch": 3,
        "metrics": {"train_loss": 1.21, "val_loss": 1.25, "bpb": 1.8},
    }
    torch.save(content, path)
    return weights


def muon(path, *, n_layer=2, d_model=16, n_heads=2, d_ff=64, module="train", name="ModelConfig", seed=0):
    """The small model trained with Muon: its config is an object of a class nobody has any more."""
    parts = {
        "attention.qkv.weight": (3 * d_model, d_model), "attention.w_o.weight": (d_model, d_model),
        "feed_forward.linear1.weight": (d_ff, d_model), "feed_forward.linear2.weight": (d_model, d_ff),
        "norm1.weight": (d_model,), "norm2.weight": (d_model,),
    }  # fmt: skip
    shapes = {"token_embedding.weight": (256, d_model)}
    shapes |= blocks(n_layer, parts, prefix="transformer_blocks") | {"norm.weight": (d_model,)}
    weights = _tie(drawn(shapes, seed), "lm_head.weight", "token_embedding.weight")
    values = {
        "d_model": d_model, "n_heads": n_heads, "n_layers": n_layer, "d_ff": d_ff, "batch_size": 24,
        "max_steps": 5000, "muon_lr": 0.01, "max_seq_len": 512, "dropout": 0.1, "use_amp": True,
        "vocab_size": 256,
    }  # fmt: skip
    with_class = _Module(module, name)
    try:
        content = {
            "model_state_dict": weights,
            "config": with_class.made(**values),
            "final_metrics": {"val_loss": 1.1, "val_accuracy": 0.66, "val_perplexity": 3.0},
            "training_time": 1234.5,
        }
        torch.save(content, path)
    finally:
        with_class.remove()
    return weights


def blocks(n_layer, parts, prefix="blocks"):
    """The shapes of every layer, named as a state dict names them."""
    return {f"{prefix}.{n}.{name}": shape for n in range(n_layer) for name, shape in parts.items()}


def drawn(shapes, seed):
    """Random weights of these shapes as a module's state dict: ordered, with the versions of the modules."""
    generator = torch.Generator().manual_seed(seed)
    weights = OrderedDict(
        (name, torch.randn(shape, generator=generator) * 0.02) for name, shape in shapes.items()
    )
    for name, value in weights.items():
        if "norm" in name or ".n1." in name or ".n2." in name:
            value += float(name.endswith("weight"))
    weights._metadata = OrderedDict((name.rpartition(".")[0], {"version": 1}) for name in ("", *weights))
    return weights


def adamw(weights):
    """The state of torch's AdamW after one step on these weights."""
    unique = {value.data_ptr(): torch.nn.Parameter(value.clone()) for value in weights.values()}
    for parameter in unique.values():
        parameter.grad = torch.ones_like(parameter)
    optimizer = torch.optim.AdamW(unique.values(), lr=3e-4, betas=(0.9, 0.95), weight_decay=0.1)
    optimizer.step()
    return optimizer.state_dict()


def _bitbyte_file(path, weights, args, tags, step):
    settings = {name: value for name, value in (SETTINGS | args).items() if value is not None}
    scaler = {
        "scale": 65536.0,
        "growth_factor": 2.0,
        "backoff_factor": 0.5,
        "growth_interval": 2000,
        "_growth_tracker": 7,
    }
    content = {"step": step, "model": weights, "opt": adamw(weights), "scaler": scaler}
    torch.save(content | {"args": settings | {"resume": None}} | (tags or {}), path)
    return weights


def _attention(d_model, n_head, n_kv_head):
    keys = d_model // n_head * (n_kv_head or n_head)
    widths = {"q": d_model, "k": keys, "v": keys, "o": d_model}
    return {f"attn.{name}_proj.weight": (width, d_model) for name, width in widths.items()}


def _mlp(d_model, d_ff):
    return {"mlp.gate_up.weight": (2 * d_ff, d_model), "mlp.down.weight": (d_model, d_ff)}


def _norms(d_model):
    return {"n1.weight": (d_model,), "n2.weight": (d_model,)}


def _linear(name, out, inner):
    return {f"{name}.weight": (out, inner), f"{name}.bias": (out,)}


def _tie(weights, name, to):
    weights[name] = weights[to].detach()  # another tensor of the same storage, as state_dict() gives
    return weights


class _Module:
    """A module with a config class, there only while a file is written."""

    def __init__(self, module, name):
        kept = {"__module__": module, "__qualname__": name, "__annotations__": {}}
        self._module, self._class = module, dataclass(type(name, (), kept))
        self._before = sys.modules.get(module)
        sys.modules[module] = types.ModuleType(module)
        setattr(sys.modules[module], name, self._class)

    def made(self, **values):
        config = self._class()
        config.__dict__.update(values)
        return config

    def remove(self):
        del sys.modules[self._module]
        if self._before is not None:
            sys.modules[self._module] = self._before
