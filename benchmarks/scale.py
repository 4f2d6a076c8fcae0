"""What several processes exchange and what that costs: measured here, and calculated for 1 to 1,024 GPUs.

    python benchmarks/scale.py measured --preset tiny --windows 4 --seq-len 256
    python benchmarks/scale.py calculated --family ar --preset base

`measured` trains on random bytes with 1, 2 and 4 processes of one thread on this machine, by DDP and by
FSDP2, the same number of windows in each process; the same forward and backward passes are timed without
exchange, and the exchange of as many numbers alone: the fastest of several, taken in turn. What is sent is
what the loopback interface counts, packets' heads included.

`calculated` takes bandwidths and speeds as given by its flags; nothing of it is measured.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

LENGTHS = (1, 2, 4)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    ways = parser.add_subparsers(dest="way", required=True)
    measured = ways.add_parser("measured")
    measured.add_argument("--family", default="ar")
    measured.add_argument("--preset", default="tiny")
    measured.add_argument("--windows", type=int, default=4, help="windows of a step in each process")
    measured.add_argument("--seq-len", type=int, default=256)
    measured.add_argument("--optimizer", default="adamw")
    measured.add_argument("--steps", type=int, default=15)
    measured.add_argument("--worker", type=Path, help=argparse.SUPPRESS)
    measured.add_argument("--shard", action="store_true", help=argparse.SUPPRESS)
    calculated = ways.add_parser("calculated")
    calculated.add_argument("--family", default="ar")
    calculated.add_argument("--preset", default="base")
    calculated.add_argument("--optimizer", default="muon", choices=["muon", "adamw"])
    calculated.add_argument("--windows", type=int, default=1024, help="of a step, all processes together")
    calculated.add_argument("--seq-len", type=int, default=2048)
    calculated.add_argument("--most-at-once", type=int, default=8, help="windows that fit in a GPU")
    calculated.add_argument("--tflops", type=float, default=989.0, help="of a GPU, dense, in bfloat16")
    calculated.add_argument("--reached", type=float, default=0.35, help="part of that which training reaches")
    calculated.add_argument("--memory", type=float, default=3350.0, help="GB/s of a GPU's memory")
    calculated.add_argument("--gpus", type=int, default=8, help="of a machine")
    calculated.add_argument("--inside", type=float, default=450.0, help="GB/s each way of a GPU in a machine")
    calculated.add_argument("--outside", type=float, default=400.0, help="GB/s each way of a whole machine")
    calculated.add_argument("--usable", type=float, default=0.8, help="part of these that collectives reach")
    calculated.add_argument("--latency", type=float, default=10.0, help="microseconds of one message")
    args = parser.parse_args()
    if args.way == "calculated":
        calculate(args)
    elif args.worker is not None:
        work(args)
    else:
        measure(args)


def measure(args: argparse.Namespace) -> None:
    """The table of what was measured."""
    rows = []
    with tempfile.TemporaryDirectory() as scratch:
        data = Path(scratch) / "random.bin"
        data.write_bytes(os.urandom(4 << 20))
        for number in LENGTHS:
            for shard in (False, True) if number > 1 else (False,):
                rows.append(launched(args, data, number, shard))
    parameters = rows[0]["parameters"]
    print(
        f"{args.family} {args.preset}, {4 * parameters / 1e6:.1f} MB of weights and as much of gradients; "
        f"{args.windows} windows of {args.seq_len} bytes in each process, {args.optimizer}, "
        f"{os.cpu_count()} cores"
    )
    head = ["processes", "by", "step", "without exchange", "exchange alone", "kB/s"]
    table([*head, "MB sent by a process", "calculated"])
    for row in rows:
        rate = row["processes"] * args.windows * args.seq_len / row["step"] / 1e3
        kind = "FSDP2" if row["shard"] else "DDP" if row["processes"] > 1 else "alone"
        apart = "" if row["shard"] else ms(row["apart"])
        cells = [str(row["processes"]), kind, ms(row["step"]), apart, ms(row["exchange"]), f"{rate:.1f}"]
        table([*cells, f"{row['sent'] / 1e6:.2f}", f"{row['due'] / 1e6:.2f}"], head=False)


def launched(args: argparse.Namespace, data: Path, processes: int, shard: bool) -> dict[str, Any]:
    words = [
        sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", str(processes),
        __file__, "measured", "--worker", str(data), "--family", args.family, "--preset", args.preset,
        "--windows", str(args.windows), "--seq-len", str(args.seq_len), "--optimizer", args.optimizer,
        "--steps", str(args.steps), *["--shard"] * shard,
    ]  # fmt: skip
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(done.stderr)
    return json.loads(done.stdout.splitlines()[-1])  # type: ignore[no-any-return]


def work(args: argparse.Namespace) -> None:
    """One of the processes: times its steps, and prints what it found if it is the first."""
    import psutil
    import torch

    from bbyte.device import world
    from bbyte.training.distributed.group import joined
    from bbyte.training.request import Request
    from bbyte.training.start import start

    here = world()
    training = {
        "steps": 1000, "seq_len": args.seq_len, "batch_size": args.windows * here.size, "eval_every": 0,
        "save_every": 0, "val_fraction": 0.0, "optimizer": args.optimizer, "full_precision_start": 0.0,
    }  # fmt: skip
    runtime = {"device": "cpu", "threads": 1, "shard": args.shard}
    with tempfile.TemporaryDirectory() as scratch, joined(here) as group:
        trainer = start(
            Request(
                family=args.family, data=args.worker, preset=args.preset, training=training, runtime=runtime,
                world=here, out=Path(scratch) / "run",
            ),
            group,
        )  # fmt: skip
        update, count = trainer.update, sum(weight.numel() for weight in trainer.model.parameters())
        inside = sum(weight.numel() for weight in trainer.model.blocks.parameters())  # type: ignore[union-attr, operator]
        gradients = torch.zeros(count)
        requests = update._requests(0, 0, args.windows)

        def step() -> None:
            update(0, 0, args.windows)

        def apart() -> None:
            with update._apart():
                for request in requests:
                    update._compute(request)
            update.drop()

        def sent() -> int:
            group.any(False)
            return int(psutil.net_io_counters(pernic=True)["lo"].bytes_sent)

        def exchange() -> None:
            group.total(gradients)

        # In turn, so that what else the machine does meets all alike.
        seconds: dict[str, list[float]] = {"step": [], "apart": [], "exchange": []}
        sent_by_steps = 0
        timed(step), timed(exchange)
        for _ in range(args.steps):
            before = sent()
            seconds["step"].append(timed(step))
            sent_by_steps += sent() - before
            seconds["apart"].append(0.0 if args.shard else timed(apart))
            seconds["exchange"].append(timed(exchange))
        # FSDP2: what lies outside the blocks is gathered once, blocks twice; gradients are reduced once.
        passes = 2 * count if not args.shard else 2 * inside + (count - inside) + count
        due = 4 * passes * (here.size - 1) / here.size
        trainer.log.close()
    if here.rank == 0:
        found = {
            "processes": here.size, "shard": args.shard, "parameters": count, "due": due,
            "sent": sent_by_steps / args.steps / here.size, **{name: min(s) for name, s in seconds.items()},
        }  # fmt: skip
        print(json.dumps(found))


def timed(work: Callable[[], Any]) -> float:
    """Its seconds."""
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


def calculate(args: argparse.Namespace) -> None:
    """The table of what bandwidth and arithmetic allow."""
    import torch

    from bbyte.models.families import family

    kind = family(args.family)
    config: Any = kind.presets[args.preset]
    with torch.device("meta"):
        model: Any = kind.build(config)
    count = sum(weight.numel() for weight in model.parameters())
    inside = sum(weight.numel() for weight in model.blocks.parameters())
    attention = 12 * config.n_layer * config.d_model * args.seq_len / 2 if args.family != "mamba" else 0
    a_byte = 6 * count + attention  # operations, forward and backward (Kaplan et al., arXiv 2001.08361)
    speed = args.tflops * 1e12 * args.reached
    newton_schulz = orthogonalising(model) / speed if args.optimizer == "muon" else 0.0
    touched = count * (28 if args.optimizer == "adamw" else 20) / (args.memory * 1e9)
    print(
        f"{args.family} {args.preset}, {count:,} parameters, {args.optimizer}; "
        f"{args.windows:,} windows of {args.seq_len:,} bytes a step"
    )
    head = ["GPUs", "windows each", "compute", "update", "DDP exchange", "DDP step", "of ideal"]
    table([*head, "FSDP2 update", "FSDP2 exchange", "FSDP2 step", "of ideal"])
    ideal = args.windows * args.seq_len * a_byte * 4 / 3 / speed
    for gpus in (2**power for power in range(11)):
        if gpus > args.windows:
            break
        each = -(-args.windows // gpus)
        # Activations are computed again in the backward pass: a third more work.
        forward, backward = (each * args.seq_len * a_byte * part / speed for part in (1 / 3, 1))
        compute, rounds = forward + backward, -(-each // args.most_at_once)
        # All but the last micro-batch go without exchange, which hides behind one backward pass at most.
        ddp, update = sending(args, gpus, 2 * 4 * count), newton_schulz + touched
        ddp_step = compute + update + max(0.0, ddp - backward / rounds)
        # Blocks are gathered for both passes of every micro-batch, and what Muon updates once more.
        momenta = sending(args, gpus, 4 * inside) if args.optimizer == "muon" else 0.0
        fsdp = rounds * sending(args, gpus, 4 * (inside + count + count))
        fsdp_update = newton_schulz + touched / gpus + momenta
        fsdp_step = max(compute, fsdp) + sending(args, gpus, 4 * inside / config.n_layer) + fsdp_update
        row = [f"{gpus:,}", f"{each:,}", ms(compute), ms(update), ms(ddp), ms(ddp_step)]
        row += [f"{ideal / gpus / ddp_step:.0%}", ms(fsdp_update), ms(fsdp), ms(fsdp_step)]
        table([*row, f"{ideal / gpus / fsdp_step:.0%}"], head=False)


def orthogonalising(model: Any) -> float:
    """Operations of Muon's five iterations on all its matrices, which every process does for itself."""
    from bbyte.training.optim.muon import ITERATIONS
    from bbyte.training.optim.optimizer import hidden_matrices

    shapes = [sorted(matrix.shape) for matrix in hidden_matrices(model)]
    return float(sum(ITERATIONS * (4 * short**2 * long + 2 * short**3) for short, long in shapes))


def sending(args: argparse.Namespace, gpus: int, size: float) -> float:
    """Seconds to pass `size` bytes around a ring, of which each GPU sends all but its own part."""
    if gpus == 1:
        return 0.0
    rate = args.inside if gpus <= args.gpus else min(args.inside, args.outside)
    hops = gpus.bit_length() - 1  # NCCL takes a tree where many take part
    return size * (gpus - 1) / gpus / (rate * 1e9 * args.usable) + 2 * hops * args.latency * 1e-6


def table(cells: list[str], *, head: bool = True) -> None:
    """A row of a table in Markdown."""
    print(f"| {' | '.join(cells)} |")
    if head:
        print(f"|{'---:|' * len(cells)}")


def ms(seconds: float) -> str:
    """Seconds for a reader."""
    return f"{seconds * 1e3:,.1f} ms" if seconds < 10 else f"{seconds:,.1f} s"


if __name__ == "__main__":
    main()
