"""Training speed of MambaLM beside transformers' Mamba-2 and Mamba-1 and mambapy's Mamba-1, in one run.

    python benchmarks/mamba.py --preset tiny --seq-len 256 --batch-size 32

Every contender takes the same steps (forward, backward, clipping, fused AdamW, float32) on random bytes of
the same length, with the same weights: before anything is timed, each rival must give our loss and our
gradient's norm, or the run ends. Rivals run on what they have without a GPU, which is torch. Those of Mamba-1
keep every state of every position, so they get fewer rows; all figures are by the byte. Contenders take
turns, a few steps each, so that a change in the machine's speed meets all of them; the figures are medians
over the rounds, and ratios are taken within a round.
"""

import argparse
import statistics
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from importlib.util import find_spec

import torch
import transformers
from torch import Tensor, nn

from bbyte.device import keep_freed_memory, usable_cores
from bbyte.models.ar.config import PRESETS as AR_PRESETS
from bbyte.models.ar.model import BitByteLM
from bbyte.models.mamba.config import PRESETS, MambaConfig
from bbyte.models.mamba.config_names import transformers_config
from bbyte.models.mamba.model import MambaLM
from bbyte.models.mamba.names import EMBEDDING, to_transformers
from bbyte.models.next_byte import NextByte
from train import step_of

SAME = 1e-3
TITLES = {"mamba2": "Mamba-2", "mamba1": "Mamba-1"}


@dataclass
class Contender:
    """A model, the mean nats a byte it gives of windows (B, T + 1), and what it is measured against."""

    module: nn.Module
    loss: Callable[[Tensor], Tensor]
    rows: int
    peer: str = ""


class OfMambapy(nn.Module):
    """mambapy's blocks between an embedding and the tied head: its own wrapper, `lm`, needs Triton."""

    def __init__(self, config: MambaConfig) -> None:
        from mambapy.mamba import Mamba, RMSNorm
        from mambapy.mamba import MambaConfig as Config

        super().__init__()
        self.embedding = nn.Embedding(config.vocab_size, config.d_model)
        self.mamba = Mamba(
            Config(
                d_model=config.d_model, n_layers=config.n_layer, dt_rank=config.rank,
                d_state=config.state_width, expand_factor=config.expand, d_conv=config.d_conv,
                rms_norm_eps=config.norm_eps,
            )
        )  # fmt: skip
        self.norm_f = RMSNorm(config.d_model, config.norm_eps)

    def forward(self, tokens: Tensor) -> Tensor:
        return nn.functional.linear(self.norm_f(self.mamba(self.embedding(tokens))), self.embedding.weight)


def of_kind(preset: str, ssm: str) -> MambaConfig:
    """The preset as Mamba-2 or Mamba-1, whose state has its own width; all widths as numbers."""
    config = PRESETS[preset]
    if ssm != config.ssm:
        config = replace(config, ssm=ssm, d_state=None)
    return replace(config, d_state=config.state_width, dt_rank=config.rank)


def with_some_weights(config: MambaConfig) -> MambaLM:
    """A model in which everything matters: a fresh one's projections out are zeros."""
    model = MambaLM(config)
    for name, parameter in model.named_parameters():
        if name.endswith(("out_proj.weight", "embedding.weight")):
            nn.init.normal_(parameter, std=parameter.shape[1] ** -0.5)
        elif name.endswith(("norm.weight", ".D")):
            nn.init.normal_(parameter, mean=1.0, std=0.2)
    return model


def of_transformers(model: MambaLM) -> nn.Module:
    """transformers' model with the weights of ours."""
    values = transformers_config(model.config)
    name = "Mamba2" if values["model_type"] == "mamba2" else "Mamba"
    config = getattr(transformers, f"{name}Config").from_dict(values | {"use_cache": False})
    theirs: nn.Module = getattr(transformers, f"{name}ForCausalLM")(config)
    theirs.load_state_dict(to_transformers(model.state_dict(), model.config))
    return theirs


def of_mambapy(model: MambaLM) -> OfMambapy:
    """mambapy's model with the weights of ours."""
    theirs = OfMambapy(model.config)
    names = {EMBEDDING: "embedding.weight", "backbone.norm_f.weight": "norm_f.weight"}
    theirs.load_state_dict(
        {names.get(n, n.replace("backbone", "mamba")): w for n, w in model.state_dict().items()}
    )
    return theirs


def ours(model: nn.Module, rows: int, peer: str = "", *, compiled: bool = False) -> Contender:
    objective = NextByte(model)
    forward = torch.compile(objective) if compiled else objective

    def loss(windows: Tensor) -> Tensor:
        cost = forward(windows)
        return cost.nats / cost.count

    return Contender(objective, loss, rows, peer)


def theirs(model: nn.Module, logits: Callable[[Tensor], Tensor], rows: int, peer: str) -> Contender:
    def loss(windows: Tensor) -> Tensor:
        found = logits(windows[:, :-1].long())
        return nn.functional.cross_entropy(found.flatten(0, 1), windows[:, 1:].flatten().long())

    return Contender(model, loss, rows, peer)


def contenders(preset: str, rows: int, rows_of_rivals: int, *, compiled: bool) -> dict[str, Contender]:
    """Every contender by its title; those that are one another's peers have the same weights."""
    found: dict[str, Contender] = {}
    for ssm, title in TITLES.items():
        model = with_some_weights(of_kind(preset, ssm))
        rival, peer = of_transformers(model), f"transformers {title}"
        fewer = rows if ssm == "mamba2" else rows_of_rivals
        found[peer] = theirs(rival, lambda tokens, rival=rival: rival(input_ids=tokens).logits, fewer, peer)
        if ssm == "mamba2":
            short = of_transformers(model)
            for block in short.backbone.layers:
                block.mixer.chunk_size = 64
            found[f"{peer}, chunk_size 64"] = theirs(
                short, lambda tokens, short=short: short(input_ids=tokens).logits, rows, peer
            )
        elif find_spec("mambapy"):
            scan = of_mambapy(model)
            found["mambapy Mamba-1"] = theirs(scan, scan, rows_of_rivals, peer)
        found[f"bbyte mamba, {title}"] = ours(model, rows, peer)
        if compiled:
            twin = MambaLM(model.config)
            twin.load_state_dict(model.state_dict())
            found[f"bbyte mamba, {title}, --compile"] = ours(twin, rows, peer, compiled=True)
    plain = replace(AR_PRESETS[preset], ternary=False, sub_norm=None)
    found["bbyte ar --no-ternary"] = ours(BitByteLM(plain), rows)
    return found


def check_they_agree(all_of_them: dict[str, Contender], seq_len: int) -> None:
    """End the run where two peers with the same weights differ: they would not do the same work."""
    windows = torch.randint(256, (2, seq_len + 1), dtype=torch.uint8)
    first: dict[str, tuple[float, float]] = {}
    for title, contender in all_of_them.items():
        if "--compile" in title or not contender.peer:
            continue
        loss = contender.loss(windows)
        loss.backward()
        norm = nn.utils.clip_grad_norm_(contender.module.parameters(), float("inf"))
        contender.module.zero_grad()
        found = loss.item(), norm.item()
        expected = first.setdefault(contender.peer, found)
        if any(abs(a - b) > SAME * abs(b) for a, b in zip(found, expected, strict=True)):
            sys.exit(f"{title} gives loss and gradient norm {found}, {contender.peer} {expected}")
        print(f"same weights: {title:38s} loss {found[0]:.5f}, gradient norm {found[1]:.4f}")


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--preset", default="tiny", choices=list(PRESETS))
    parser.add_argument("--seq-len", type=int, default=256)
    parser.add_argument("--batch-size", type=int, default=32)
    parser.add_argument("--rival-batch-size", type=int, default=4, help="rows of the rivals of Mamba-1")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--steps", type=int, default=1, help="steps of a contender in a round")
    parser.add_argument("--threads", type=int, default=usable_cores())
    parser.add_argument("--compile", action="store_true", help="our models under torch.compile as well")
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    keep_freed_memory()  # for all contenders, as bbyte train does
    transformers.logging.set_verbosity_error()  # its advice to install CUDA kernels
    torch.manual_seed(0)

    rivals = min(args.rival_batch_size, args.batch_size)
    all_of_them = contenders(args.preset, args.batch_size, rivals, compiled=args.compile)
    check_they_agree(all_of_them, args.seq_len)
    windows = torch.randint(256, (args.batch_size, args.seq_len + 1), dtype=torch.uint8)
    steps = {title: step_of(each.module, each.loss) for title, each in all_of_them.items()}
    for title, step in steps.items():
        for _ in range(2):
            step(windows[: all_of_them[title].rows])
    times: dict[str, list[float]] = {title: [] for title in steps}  # seconds a byte
    for _ in range(args.rounds):
        for title, step in steps.items():
            rows = all_of_them[title].rows
            began = time.perf_counter()
            for _ in range(args.steps):
                step(windows[:rows])
            times[title].append((time.perf_counter() - began) / (args.steps * rows * args.seq_len))

    print(f"\n{args.preset}, rows of {args.seq_len} bytes, {args.threads} threads, ", end="")
    print(f"torch {torch.__version__}, transformers {transformers.__version__}")
    print("ratios: bytes a second beside transformers' model of the same kind and weights")
    for title, seconds in times.items():
        each = all_of_them[title]
        print(f"{title:38s} batch {each.rows:3d} {1 / statistics.median(seconds):12,.0f} bytes/s", end="")
        ratios = [a / b for a, b in zip(times.get(each.peer, []), seconds, strict=False)]
        print(f"  {statistics.median(ratios):6.2f}x" if ratios else "")
    if not find_spec("mambapy"):
        print(f"{'mambapy Mamba-1':38s} not installed: pip install mambapy==1.2.0")


if __name__ == "__main__":
    main()
