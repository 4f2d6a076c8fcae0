"""Training speed of BitByteLM beside transformers' LlamaForCausalLM of the same shape, in one run.

    python benchmarks/train.py --preset tiny --seq-len 256 --batch-size 32

Every contender takes the same steps (forward, backward, clipping, fused AdamW, float32) on the same random
bytes. They take turns, a few steps each, so that a change in the machine's speed meets all of them; the
figures are medians over the rounds, and ratios are taken within a round.
"""

import argparse
import statistics
import time
from collections.abc import Callable
from dataclasses import replace

import torch
from torch import nn
from transformers import LlamaConfig, LlamaForCausalLM

from bbyte.device import keep_freed_memory, usable_cores
from bbyte.models.ar.config import PRESETS, ARConfig
from bbyte.models.ar.model import BitByteLM
from bbyte.models.next_byte import NextByte

Step = Callable[[torch.Tensor], None]


def ours(config: ARConfig, *, compiled: bool) -> Step:
    objective = NextByte(BitByteLM(config))
    forward = torch.compile(objective) if compiled else objective

    def loss(windows: torch.Tensor) -> torch.Tensor:
        cost = forward(windows)
        return cost.nats / cost.count

    return step_of(objective, loss)


def theirs(config: ARConfig, seq_len: int, *, compiled: bool) -> Step:
    model = LlamaForCausalLM(
        LlamaConfig(
            vocab_size=256, hidden_size=config.d_model, intermediate_size=config.d_ff,
            num_hidden_layers=config.n_layer, num_attention_heads=config.n_head,
            num_key_value_heads=config.n_kv_head, max_position_embeddings=seq_len,
            tie_word_embeddings=config.tied, attn_implementation="sdpa", use_cache=False,
        )
    )  # fmt: skip
    forward = torch.compile(model) if compiled else model

    def loss(windows: torch.Tensor) -> torch.Tensor:
        logits = forward(input_ids=windows[:, :-1].long()).logits
        return nn.functional.cross_entropy(logits.flatten(0, 1), windows[:, 1:].flatten().long())

    return step_of(model, loss)


def step_of(module: nn.Module, loss: Callable[[torch.Tensor], torch.Tensor]) -> Step:
    optimizer = torch.optim.AdamW(module.parameters(), lr=1e-4, fused=True)

    def step(windows: torch.Tensor) -> None:
        loss(windows).backward()
        nn.utils.clip_grad_norm_(module.parameters(), 1.0)
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)

    return step


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--preset", default="tiny", choices=list(PRESETS))
    parser.add_argument("--seq-len", type=int, default=256)
    parser.add_argument("--batch-size", type=int, default=32)
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--steps", type=int, default=2, help="steps of a contender in a round")
    parser.add_argument("--threads", type=int, default=usable_cores())
    parser.add_argument("--no-compile", action="store_true", help="leave the compiled contenders out")
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    keep_freed_memory()  # for all contenders, as bbyte train does
    torch.manual_seed(0)

    ternary = PRESETS[args.preset]
    plain = replace(ternary, ternary=False, sub_norm=None)
    contenders = {
        "transformers Llama": theirs(plain, args.seq_len, compiled=False),
        "bbyte --no-ternary": ours(plain, compiled=False),
        "bbyte sub-norms, --no-ternary": ours(replace(plain, sub_norm=True), compiled=False),
        "bbyte ternary": ours(ternary, compiled=False),
    }
    if not args.no_compile:
        contenders["bbyte --no-ternary --compile"] = ours(plain, compiled=True)
        contenders["bbyte ternary --compile"] = ours(ternary, compiled=True)
        contenders["transformers Llama, compiled"] = theirs(plain, args.seq_len, compiled=True)

    windows = torch.randint(256, (args.batch_size, args.seq_len + 1), dtype=torch.uint8)
    for step in contenders.values():
        for _ in range(3):
            step(windows)
    times: dict[str, list[float]] = {name: [] for name in contenders}
    for _ in range(args.rounds):
        for name, step in contenders.items():
            began = time.perf_counter()
            for _ in range(args.steps):
                step(windows)
            times[name].append((time.perf_counter() - began) / args.steps)

    peer = times["transformers Llama"]
    shape = f"batch {args.batch_size} x {args.seq_len}"
    print(f"{args.preset}, {shape}, {args.threads} threads, torch {torch.__version__}")
    for name, seconds in times.items():
        rate = args.batch_size * args.seq_len / statistics.median(seconds)
        ratio = statistics.median(theirs / ours for theirs, ours in zip(peer, seconds, strict=True))
        print(f"{name:32s} {rate:12,.0f} bytes/s  {ratio:5.2f}x")


if __name__ == "__main__":
    main()
